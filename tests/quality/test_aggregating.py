"""Other ways to one rating on a campaign: what is written, and how it is compared with the consensus."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators, reach_consensus, retain_annotations, show_aggregations
from dagster_project.settings import Home, Settings
from tests.quality.ratings import CAMPAIGN, PARTITION, Ratings, panel


def published(ratings: Ratings, lake: Lake, settings: Settings) -> None:
    ratings.write(lake, settings)
    for step in (judge_annotators, retain_annotations, reach_consensus):
        step(lake, settings, CAMPAIGN)


def test_each_response_has_its_distribution_and_every_configured_aggregation(lake: Lake, settings: Settings) -> None:
    ratings = panel(seed=2, tasks=20)
    for annotator, score in {"a": 3, "b": 3, "c": 4, "d": 0}.items():
        ratings.rate("t", annotator, [score, 1, 1, 1, None])
    published(ratings, lake, settings)
    rows = lake.read("aggregations", PARTITION).filter(task_id="t")
    [helpfulness] = rows.filter(attribute="helpfulness").to_dicts()
    assert helpfulness["distribution"] == [0.25, 0, 0, 0.5, 0.25]
    assert (helpfulness["ratings"], helpfulness["entropy"]) == (4, 1.5)
    assert (helpfulness["mean"], helpfulness["median"]) == (2.5, 3)
    assert 0 <= helpfulness["dawid_skene"] <= 4
    assert 0 <= helpfulness["annotator_model"] <= 4
    assert rows["attribute"].to_list() == ["coherence", "complexity", "correctness", "helpfulness"]
    shown = show_aggregations(lake, settings, CAMPAIGN)["other aggregations, beside the consensus"]
    assert all(name in shown for name in ("| mean | helpfulness |", "| dawid_skene |", "| annotator_model |"))


def test_where_all_agree_every_aggregation_is_the_consensus(lake: Lake, settings: Settings) -> None:
    ratings = Ratings()
    for task in range(6):
        for annotator in "abc":
            ratings.rate(f"t{task}", annotator, *[[(task + place) % 5] * 5 for place in (0, 1)])
    published(ratings, lake, settings)
    for method in ("mean", "median", "dawid_skene"):
        shown = show_aggregations(lake, settings, CAMPAIGN)["other aggregations, beside the consensus"]
        assert f"| {method} | helpfulness | 12 | 100.0% | 0.000 |" in shown


@pytest.mark.parametrize(("chosen", "absent"), [("[mean]", ["median", "dawid_skene", "annotator_model"]), ("[]", [])])
def test_only_what_is_configured_is_computed(
    lake: Lake, config: Path, home: Home, chosen: str, absent: list[str]
) -> None:
    path = config / "agreement.yaml"
    path.write_text(path.read_text().replace("[mean, median, dawid_skene, annotator_model]", chosen))
    published(panel(seed=2, tasks=8), lake, Settings(config, home))
    rows = lake.read("aggregations", PARTITION)
    assert (rows["mean"].null_count() == 0) == (chosen == "[mean]")
    assert all(rows[name].is_null().all() for name in absent)
    assert rows["entropy"].null_count() == 0
