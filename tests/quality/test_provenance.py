"""What a table says that it was made from, and when that no longer holds."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from dagster_project.lake import Lake
from dagster_project.quality import (
    judge_annotators,
    measure_agreement,
    outdated,
    reach_consensus,
    retain_annotations,
)
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from tests.quality.ratings import PARTITION, panel

STEPS = (judge_annotators, retain_annotations, measure_agreement, reach_consensus)
AFTER_TRUST = ["retained_annotations", "agreement", "agreement_counts", "consensus", "preferences", "aggregations"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of a campaign that went through the whole stage: to be copied, and not to be touched."""
    settings = Settings(PROJECT_ROOT / "config", Home(tmp_path_factory.mktemp("judged")))
    lake = Lake(settings.home.lake)
    panel(seed=1, tasks=12).write(lake, settings)
    for step in STEPS:
        step(lake, settings, "starter")
    return lake.root


@pytest.fixture
def made(judged: Path, lake: Lake, config: Path) -> Lake:
    """A lake of its own of the judged campaign, under the same configuration."""
    shutil.copytree(judged, lake.root)
    return lake


def with_policy(config: Path, home: Home, old: str, new: str) -> Settings:
    path = config / "agreement.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return Settings(config, home)


@pytest.mark.slow
def test_what_was_just_made_is_up_to_date_and_is_made_again_with_the_same_bytes(made: Lake, settings: Settings) -> None:
    assert outdated(made, settings, "starter") == []
    tables = ["annotator_quality", *AFTER_TRUST]
    before = [made.content_hash(table, PARTITION) for table in tables]
    for step in STEPS:
        step(made, settings, "starter")
    assert [made.content_hash(table, PARTITION) for table in tables] == before


def test_another_policy_makes_all_outdated_but_the_records(made: Lake, config: Path, home: Home) -> None:
    assert outdated(made, with_policy(config, home, "max_range: 2", "max_range: 1"), "starter") == AFTER_TRUST


def test_other_trust_rules_make_the_records_outdated_too(made: Lake, config: Path, home: Home) -> None:
    changed = with_policy(config, home, "max_bias: 0.9", "max_bias: 0.8")
    assert outdated(made, changed, "starter") == ["annotator_quality", *AFTER_TRUST]


def test_closing_makes_what_was_filtered_before_outdated(made: Lake, settings: Settings) -> None:
    closing = pl.DataFrame({"campaign": ["starter"], "closed_at": [datetime(2026, 1, 2, tzinfo=UTC)]})
    made.add("campaign_closings", PARTITION, "closed", closing)
    assert outdated(made, settings, "starter") == AFTER_TRUST
    for step in STEPS[1:]:
        step(made, settings, "starter")
    assert outdated(made, settings, "starter") == []


def test_other_annotations_make_outdated_what_was_made_from_them(made: Lake, settings: Settings) -> None:
    made.write("annotations", PARTITION, made.read("annotations", PARTITION).head(40))
    assert outdated(made, settings, "starter") == ["annotator_quality", "retained_annotations"]
    judge_annotators(made, settings, "starter")
    retain_annotations(made, settings, "starter")
    assert outdated(made, settings, "starter") == AFTER_TRUST[1:]


def test_a_consensus_of_annotations_that_were_filtered_before_stays_outdated(
    made: Lake, config: Path, home: Home
) -> None:
    """It was made under the policy of today, from what the policy of yesterday had kept."""
    changed = with_policy(config, home, "max_range: 2", "max_range: 1")
    reach_consensus(made, changed, "starter")
    retain_annotations(made, changed, "starter")
    assert outdated(made, changed, "starter") == [
        "agreement",
        "agreement_counts",
        "consensus",
        "preferences",
        "aggregations",
    ]


def test_a_table_that_says_nothing_is_outdated(made: Lake, settings: Settings) -> None:
    made.write("consensus", PARTITION, made.read("consensus", PARTITION))
    assert outdated(made, settings, "starter") == ["consensus"]
