"""Figures by model, topic, vendor and campaign: what the counts of many campaigns together say of a part."""

from __future__ import annotations

import pytest

from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators, measure_agreement, retain_annotations
from dagster_project.quality.slicing import figures_by
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from tests.quality.ratings import CAMPAIGN, PARTITION, Ratings, panel
from tests.quality.test_agreement_statistics import pooled_kappa, units_of


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(PROJECT_ROOT / "config", Home(tmp_path_factory.mktemp("by-two-models")))


@pytest.fixture(scope="module")
def lake(settings: Settings) -> Lake:
    return Lake(settings.home.lake)


@pytest.fixture(scope="module")
def by_two_models(lake: Lake, settings: Settings) -> Ratings:
    """Forty tasks whose first response is always of one model, and their figures: to be looked at only."""
    ratings = panel(seed=5, tasks=40, per_task=4)
    ratings.models = {1: "big", 2: "small"}
    ratings.write(lake, settings)
    for step in (judge_annotators, retain_annotations, measure_agreement):
        step(lake, settings, CAMPAIGN)
    return ratings


def test_a_models_figures_are_those_of_its_responses_alone(
    by_two_models: Ratings, lake: Lake, settings: Settings
) -> None:
    kappas = figures_by(lake, settings, [CAMPAIGN], "model").filter(statistic="quadratic_kappa", stage="collected")
    assert set(kappas["slice"]) == {"big", "small"}
    for place, model in ((1, "big"), (2, "small")):
        alone = Ratings([row for row in by_two_models.annotations if row["position"] == place], {})
        for number, name in enumerate(settings.rubric_of(CAMPAIGN).names):
            row = kappas.filter(slice=model, attribute=name).row(0, named=True)
            assert row["value"] == pytest.approx(pooled_kappa(units_of(alone, number), list(range(5))), abs=1e-9)
            assert row["low"] < row["value"] < row["high"]
            assert row["units"] == 40
    retained = figures_by(lake, settings, [CAMPAIGN], "model").filter(statistic="quadratic_kappa", stage="retained")
    assert (retained["lift"] == retained["value"] - retained["shuffled"]).all()


def test_a_campaign_and_a_vendor_of_one_campaign_have_its_own_figures(
    by_two_models: Ratings, lake: Lake, settings: Settings
) -> None:
    whole = lake.read("agreement", PARTITION).filter(estimator="pooled", stage="retained")
    keys = ["attribute", "statistic"]
    for dimension, name in (("campaign", CAMPAIGN), ("vendor", settings.campaign(CAMPAIGN).vendor)):
        found = figures_by(lake, settings, [CAMPAIGN], dimension).filter(stage="retained")  # type: ignore[arg-type]
        assert set(found["slice"]) == {name}
        assert found.sort(keys)["value"].to_list() == whole.sort(keys)["value"].to_list()
    topics = figures_by(lake, settings, [CAMPAIGN], "topic")
    assert set(topics["slice"]) == {"unknown"}


def test_without_figures_there_are_no_slices(home: Home, settings: Settings) -> None:
    assert figures_by(Lake(home.lake), settings, [CAMPAIGN], "model").is_empty()
