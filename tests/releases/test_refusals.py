"""What refuses a release: every reason, at once, and nothing left behind."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest
import yaml

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases import Unmet, build_release
from dagster_project.releases.inputs import MADE_TABLES
from dagster_project.settings import Settings
from tests.releases.release_inputs import SMALL_RUBRIC, Fixture, nothing_unmet, rewrite, write_spec


def refusal(lake: Lake, settings: Settings, unmet: Unmet = nothing_unmet) -> str:
    with pytest.raises(SteerworksError) as refused:
        build_release(lake, settings, "v0.1.0", unmet)
    releases = settings.home.releases
    assert not releases.exists() or not list(releases.iterdir())
    assert not (settings.folder / "releases" / "v0.1.0.lock.json").exists()
    return str(refused.value)


def test_all_reasons_are_given_at_once(lake: Lake, settings: Settings) -> None:
    Fixture(lake, "small", settings, "acme", may_train=False).write(close=False)
    write_spec(settings, "v0.1.0", parent="v0.0.9")
    asked: list[tuple[str, Mapping[str, str]]] = []

    def unmet(table: str, partition: Mapping[str, str]) -> list[str]:
        asked.append((table, partition))
        return ["consensus (small): scores_in_scale failed, 3 rows"] if table == "consensus" else []

    message = refusal(lake, settings, unmet)
    assert "the parent v0.0.9 is not in" in message
    assert "campaign `small` is still open" in message
    assert "scores_in_scale failed, 3 rows" in message
    assert "12 responses with text of the model `plain` (Apache-2.0), whose terms do not let" in message
    assert "12 responses with text of the model `warm`" in message
    assert asked == [
        *((table, {"campaign": "small"}) for table in (*MADE_TABLES, "deliveries", "quarantine", "intake")),
        *((table, {"prompt_batch": "small"}) for table in ("curated_prompts", "selected_prompts")),
        *(("responses", {"model": model, "prompt_batch": "small"}) for model in ("plain", "warm")),
    ]


def test_a_campaign_that_never_ran_is_refused(lake: Lake, settings: Settings) -> None:
    message = refusal(lake, settings)
    assert "campaign `small` has no `consensus` yet: materialise it" in message
    assert "campaign `small` is still open" in message


@pytest.mark.slow
def test_campaigns_under_different_rubrics_are_refused(
    small: Fixture, lake: Lake, settings: Settings, starter: Fixture
) -> None:
    small.write()
    starter.write()
    write_spec(settings, "v0.1.0", campaigns=["small", "starter"])
    assert "`small` and `starter` were rated under different rubrics" in refusal(lake, settings)


@pytest.mark.parametrize("name", ["use_spread", "Use_Spread"])
def test_an_attribute_that_would_be_a_column_twice_is_refused(
    small: Fixture, lake: Lake, settings: Settings, name: str
) -> None:
    small.write()
    attributes = [*SMALL_RUBRIC["attributes"][:2], {"name": name, "description": "clash"}]
    (settings.folder / "small.yaml").write_text(yaml.safe_dump({**SMALL_RUBRIC, "attributes": attributes}))
    message = refusal(lake, Settings(settings.folder, settings.home))
    assert f"the rubric would give the column `{name.lower()}` twice" in message


def test_the_terms_of_the_model_that_filled_in_turns_count_too(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    tasks = lake.read("annotation_tasks")
    terms = pl.when(pl.col("completion_model").is_not_null()).then(pl.lit(value=False))
    rewrite(lake, settings, "annotation_tasks", tasks.with_columns(completion_may_train=terms))
    completed = tasks["completion_model"].drop_nulls().len()
    message = refusal(lake, settings)
    assert f"shows {completed} responses with text of the model `plain` (Apache-2.0), whose terms" in message


def test_a_model_that_is_named_without_its_terms_is_refused(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    silent = pl.col("model") == "warm"
    tasks = lake.read("annotation_tasks").with_columns(
        model=pl.when(~silent).then("model"),
        outputs_may_train=pl.when(silent & (pl.col("task_id") < "t-small-05")).then("outputs_may_train"),
    )
    rewrite(lake, settings, "annotation_tasks", tasks.with_columns(model_licence=pl.lit(None, pl.String)))
    message = refusal(lake, settings)
    assert "campaign `small` shows 12 responses with text of the model `plain`, whose terms are not known" in message
    assert "state `licence` and `outputs_may_train` with each of its responses in the imported file" in message
    assert message.count("whose terms are not known") == 1


def test_a_policy_that_was_edited_after_filtering_is_no_part_of_a_release(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    policy = settings.folder / "agreement.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("max_range: 2", "max_range: 1"), encoding="utf-8")
    message = refusal(lake, Settings(settings.folder, settings.home))
    assert (
        "campaign `small`: `retained_annotations`, `agreement`, `agreement_counts`, `consensus`, `preferences`, "
        "`aggregations` were made under another policy, rubric or code, from other annotations, or before the "
        "campaign was closed: run consensus_job for it again" in message
    )


def test_trust_rules_that_were_edited_ask_for_new_records_too(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    policy = settings.folder / "agreement.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("max_bias: 0.9", "max_bias: 0.5"), encoding="utf-8")
    assert "run ratings_job and then consensus_job" in refusal(lake, Settings(settings.folder, settings.home))


def test_ratings_that_were_filtered_before_the_campaign_was_closed_are_refused(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write(close=False)
    small.close()
    message = refusal(lake, settings)
    assert "is still open" not in message
    assert (
        "`retained_annotations`, `agreement`, `agreement_counts`, `consensus`, `preferences`, `aggregations` were made"
        in message
    )


def test_a_rubric_in_another_order_than_when_its_tasks_were_exported_is_refused(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    turned = {**SMALL_RUBRIC, "attributes": SMALL_RUBRIC["attributes"][::-1]}
    (settings.folder / "small.yaml").write_text(yaml.safe_dump(turned))
    message = refusal(lake, Settings(settings.folder, settings.home))
    assert "the rubric of campaign `small` changed since its tasks were exported" in message


def test_a_release_of_nothing_is_refused(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    for table in ("consensus", "preferences"):
        rewrite(lake, settings, table, lake.read(table).clear())
    kept = pl.col("stage") == "kept"
    retained = lake.read("retained_annotations").with_columns(
        stage=pl.when(kept).then(pl.lit("dispute")).otherwise("stage"),
        reason=pl.when(kept).then(pl.lit("disputed")).otherwise("reason"),
    )
    rewrite(lake, settings, "retained_annotations", retained)
    assert "no task of `small` was kept, so the release would be empty" in refusal(lake, settings)


def test_ratings_that_are_not_merged_yet_are_no_part_of_a_release_that_locks_them(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    late = lake.read("deliveries").head(5).with_columns(delivery_id=pl.lit("d-2"))
    lake.add("deliveries", {"campaign": "small"}, "d-2", late)
    lake.add("intake", {"campaign": "small"}, "d-2", lake.read("intake").with_columns(delivery_id=pl.lit("d-2")))
    assert "campaign `small`: 5 delivered rows are not merged yet" in refusal(lake, settings)


@pytest.mark.parametrize(
    ("table", "misfit"),
    [
        ("retained_annotations", "annotations are not filtered yet"),
        ("consensus", "responses are rated by other annotations than those kept"),
        ("preferences", "tasks have a preference and no rating, or the other way round"),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(
    small: Fixture, lake: Lake, settings: Settings, table: str, misfit: str
) -> None:
    small.write()
    rows = lake.read(table)
    rewrite(lake, settings, table, rows.filter(pl.col("task_id") != "t-small-07"))
    assert misfit in refusal(lake, settings)


def test_ratings_under_another_rubric_than_the_configured_one_are_refused(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    shorter = {**SMALL_RUBRIC, "attributes": SMALL_RUBRIC["attributes"][:2]}
    (settings.folder / "small.yaml").write_text(yaml.safe_dump(shorter))
    message = refusal(lake, Settings(settings.folder, settings.home))
    assert "ratings have another number of attributes than the rubric" in message


def test_a_version_without_a_spec_is_refused(lake: Lake, settings: Settings) -> None:
    with pytest.raises(SteerworksError, match=r"releases/v9\.9\.9\.yaml: no such file"):
        build_release(lake, settings, "v9.9.9", nothing_unmet)
