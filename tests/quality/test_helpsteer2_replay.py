"""HelpSteer2's own process on simulated annotators: three stages and what is left at each, as in its table 1."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from dagster_project.lake import Lake
from dagster_project.project import PROJECT_ROOT
from dagster_project.quality import judge_annotators, measure_agreement, retain_annotations, show_agreement
from dagster_project.settings import Home, Settings
from tests.quality.helpsteer2 import COLLECTED, TASKS, collection
from tests.quality.ratings import CAMPAIGN, PARTITION

STAGES = ("collected", "closest", "retained")
"""Initial collection; after untrusted annotators left and the closest were kept; after the agreement filter."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, dict[str, str]]:
    home = Home(tmp_path_factory.mktemp("replay"))
    lake, settings = Lake(home.lake), Settings(PROJECT_ROOT / "config", home)
    collection().write(lake, settings)
    closing = pl.DataFrame({"campaign": [CAMPAIGN], "closed_at": [datetime(2026, 1, 2, tzinfo=UTC)]})
    lake.add("campaign_closings", PARTITION, "closed", closing)
    for step in (judge_annotators, retain_annotations, measure_agreement):
        step(lake, settings, CAMPAIGN)
    return lake.read("agreement", PARTITION), show_agreement(lake, settings, CAMPAIGN)


def kappa(figures: pl.DataFrame, stage: str, attribute: str, column: str = "value") -> float:
    found = figures.filter(stage=stage, attribute=attribute, statistic="quadratic_kappa", estimator="pooled")
    return float(found[column].item())


def retention(figures: pl.DataFrame, stage: str, of: str, column: str = "value") -> float:
    return float(figures.filter(stage=stage, statistic=f"{of}_retention")[column].item())


def test_it_starts_from_the_kappas_of_the_papers_initial_collection(
    stages: tuple[pl.DataFrame, dict[str, str]],
) -> None:
    for attribute, value in COLLECTED.items():
        assert kappa(stages[0], "collected", attribute) == pytest.approx(value, abs=0.02)
    per_response = retention_count(stages[0]) / (2 * TASKS)
    assert per_response == pytest.approx(3.41, abs=0.05)


def retention_count(figures: pl.DataFrame) -> int:
    return int(figures.filter(stage="collected", statistic="annotation_retention")["units"].item())


def test_each_step_raises_kappa_and_leaves_less_and_chance_selection_does_so_too(
    stages: tuple[pl.DataFrame, dict[str, str]],
) -> None:
    figures = stages[0]
    for attribute in COLLECTED:
        assert kappa(figures, "collected", attribute) + 0.1 < kappa(figures, "closest", attribute)
    decides = [kappa(figures, stage, "helpfulness") for stage in STAGES]
    assert decides == sorted(decides)
    for of in ("task", "annotation"):
        left = [retention(figures, stage, of) for stage in STAGES]
        assert left[0] == 1 > left[1] > left[2] > 0.4
    assert kappa(figures, "retained", "helpfulness", "shuffled") > 0.15
    assert kappa(figures, "retained", "helpfulness", "lift_low") > 0.1
    assert retention(figures, "retained", "task", "shuffled") < retention(figures, "retained", "task")


def test_the_report_and_the_documentation_show_the_stages(stages: tuple[pl.DataFrame, dict[str, str]]) -> None:
    figures, shown = stages
    documented = (PROJECT_ROOT / "docs" / "agreement.md").read_text(encoding="utf-8")
    for attribute in COLLECTED:
        told = [f"{kappa(figures, stage, attribute):.3f}" for stage in STAGES]
        assert all(value in shown["kappa by stage"] for value in told)
        shuffled, lift = (f"{kappa(figures, 'retained', attribute, column):.3f}" for column in ("shuffled", "lift"))
        line = f"| {attribute} | {' | '.join(told)} | {shuffled} | {lift} |"
        assert line in documented, line
    for of in ("task", "annotation"):
        left = " | ".join(f"{retention(figures, stage, of):.1%}" for stage in STAGES)
        line = f"| {of}s left | {left} | {retention(figures, 'retained', of, 'shuffled'):.1%} | |"
        assert line in documented, line
