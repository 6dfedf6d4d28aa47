"""Figures of preferences, by hand."""

from __future__ import annotations

import pytest
from sklearn.metrics import cohen_kappa_score

from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators, retain_annotations
from dagster_project.quality.preference_figures import preference_figures, wilson
from dagster_project.settings import Settings
from tests.quality.ratings import CAMPAIGN, Ratings


def test_agreement_consistency_and_position_bias_of_a_few_preferences(lake: Lake, settings: Settings) -> None:
    given = {"t": (-1, -2, 1), "u": (3, 2, 2), "v": (-3, -1, -1)}
    ratings = Ratings()
    for task, strengths in given.items():
        for annotator, strength in zip("abc", strengths, strict=True):
            # c rates the two alike; a and b rate the second higher throughout.
            second = [2, 2, 2, 2, 2] if annotator == "c" else [3, 2, 2, 2, 2]
            ratings.rate(task, annotator, [2, 2, 2, 2, 2], second, preference=strength)
    ratings.write(lake, settings)
    for step in (judge_annotators, retain_annotations):
        step(lake, settings, CAMPAIGN)
    collected = preference_figures(lake, settings, CAMPAIGN)[0]
    assert (collected.stage, collected.preferences) == ("collected", 9)
    pairs = [(x, y) for of in given.values() for i, x in enumerate(of) for j, y in enumerate(of) if i != j]
    wanted = cohen_kappa_score(*zip(*pairs, strict=True), weights="quadratic", labels=list(range(-3, 4)))
    assert collected.quadratic_kappa == pytest.approx(wanted, abs=1e-12)
    assert collected.same_side == pytest.approx(7 / 9)
    assert collected.consistent == pytest.approx(2 / 6)
    assert collected.first_preferred == pytest.approx(5 / 9)


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_without_preferences_there_are_no_figures(lake: Lake, settings: Settings) -> None:
    assert preference_figures(lake, settings, CAMPAIGN) == []
