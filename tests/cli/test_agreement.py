"""`steerworks agreement` on a campaign that was rated by hand-made annotators."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.cli.agreement import Dimension, agreement
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators, measure_agreement, retain_annotations
from dagster_project.settings import Settings
from tests.quality.ratings import CAMPAIGN, panel


@pytest.fixture
def rated(lake: Lake, settings: Settings) -> Settings:
    ratings = panel(seed=1, tasks=30, per_task=5)
    for annotator, score in {"x": 0, "y": 4, "z": 0}.items():
        ratings.rate("split", annotator, [score, 1, 1, 1, 1], [2, 2, 2, 2, 2])
    ratings.write(lake, settings)
    judge_annotators(lake, settings, CAMPAIGN)
    retain_annotations(lake, settings, CAMPAIGN)
    measure_agreement(lake, settings, CAMPAIGN)
    return settings


def test_it_shows_the_lift_and_compares_policies_without_writing_anything(
    rated: Settings, lake: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = lake.content_hash("retained_annotations")
    agreement(CAMPAIGN)
    assert "lift over chance" in " ".join(capfd.readouterr().out.split())
    strict, lax = tmp_path / "strict.yaml", tmp_path / "lax.yaml"
    strict.write_text("{max_range: 2, shuffles: 1, bootstrap_samples: 50}")
    lax.write_text("{max_range: null, extra_when_disputed: 0, shuffles: 1, bootstrap_samples: 50}")
    agreement(CAMPAIGN, (strict, lax))
    said = capfd.readouterr().out
    assert "awaiting_top_up → kept: 3 in 1 tasks" in said
    assert "x: 0 only by the first, 1 only by the second, of 1 tasks" in said
    assert lake.content_hash("retained_annotations") == before


def test_a_campaign_without_figures_is_said_so(settings: Settings) -> None:
    with pytest.raises(SteerworksError, match="no agreement figures yet"):
        agreement(CAMPAIGN)


def test_it_tells_figures_apart_by_model(rated: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    agreement(CAMPAIGN, by=Dimension.MODEL)
    said = capfd.readouterr().out
    assert "Quadratic-weighted kappa by model" in said
    assert "helpfulness" in said
