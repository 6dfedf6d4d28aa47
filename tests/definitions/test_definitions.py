"""What Dagster loads: the whole lineage, described, and nothing that spends money by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dagster_project.automation import ranges_to_fill
from dagster_project.curation import deliver_prompts
from dagster_project.definitions import build_defs
from dagster_project.errors import SteerworksError
from dagster_project.generation import RequestForm, unfilled_cells
from dagster_project.lake import TABLES, Lake
from dagster_project.partitions import cell_key
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from tests.vendors.vendor_inputs import prompt_row, write_inputs

LINEAGE = Path(__file__).with_name("lineage.json")
HEAVY = (
    *("great_expectations", "openai", "huggingface_hub", "xllamacpp", "datasets", "pandas", "jinja2"),
    *("sklearn", "scipy", "polars", "pyarrow", "numpy", "aiohttp"),
)
LOAD = f"""
import json, sys
from dagster_project.definitions import build_defs
from dagster_project.errors import SteerworksError
build_defs()
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return build_defs(settings)


def test_definitions_load_without_heavy_libraries(settings: Settings) -> None:
    printed = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed.splitlines()[-1]) == []


def test_every_asset_is_described_owned_grouped_and_has_its_schema(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description, name
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.group_name in {"prompts", "responses", "annotation", "quality", "release"}
        if name in TABLES:
            assert [c.name for c in spec.metadata["dagster/column_schema"].columns] == TABLES[name].column_names
            if spec.deps:
                assert spec.metadata["dagster/column_lineage"].deps_by_column


def test_column_lineage_names_columns_of_assets_upstream(definitions: dg.Definitions) -> None:
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    for spec in specs.values():
        lineage = spec.metadata.get("dagster/column_lineage")
        upstream = {dep.asset_key for dep in spec.deps}
        for deps in lineage.deps_by_column.values() if lineage else ():
            assert {dep.asset_key for dep in deps} <= upstream, spec.key


def test_the_lineage_is_as_it_was(definitions: dg.Definitions) -> None:
    """A change of groups, partitions, dependencies or automation shows here; copy the new text when it is meant."""
    lineage = {
        spec.key.to_user_string(): {
            "group": spec.group_name,
            "kinds": sorted(spec.kinds),
            "partitions": type(spec.partitions_def).__name__,
            "upstream": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            "by itself": spec.automation_condition is not None,
        }
        for spec in definitions.resolve_all_asset_specs()
    }
    assert lineage == json.loads(LINEAGE.read_text(encoding="utf-8"))


def test_nothing_that_spends_money_runs_by_itself(definitions: dg.Definitions) -> None:
    by_itself = {s.key.to_user_string() for s in definitions.resolve_all_asset_specs() if s.automation_condition}
    assert by_itself == {"annotations", "annotator_quality", "retained_annotations", "agreement", "consensus"}
    assert all(schedule.default_status == dg.DefaultScheduleStatus.STOPPED for schedule in definitions.schedules or [])


def test_a_key_of_a_cell_reads_model_then_batch() -> None:
    assert str(cell_key("model-a", "batch-1")) == "model-a|batch-1"


def tick(instance: dg.DagsterInstance, definitions: dg.Definitions) -> dg.ScheduleEvaluationContext:
    return dg.build_schedule_context(
        instance=instance,
        repository_def=definitions.get_repository_def(),
        scheduled_execution_time=datetime(2026, 1, 5, tzinfo=UTC),
    )


def as_configured(lake: Lake, settings: Settings, cell: dict[str, str]) -> None:
    """Have the answers of a cell asked as the model is asked now."""
    form = RequestForm(settings.models, cell["model"])
    asked = {"model_name": form.spec.name, "revision": form.spec.revision, "parameters": form.parameters[0]}
    rows = lake.read("responses", cell)
    lake.write("responses", cell, rows.with_columns(**{name: pl.lit(value) for name, value in asked.items()}))


def test_the_nightly_schedule_asks_for_exactly_the_missing_cells_within_its_budget(
    definitions: dg.Definitions, settings: Settings, lake: Lake
) -> None:
    models = ["smollm2-135m-brief", "smollm2-135m-plain", "smollm2-135m-warm"]
    for batch, answering in (("b1", models[:1]), ("b2", models[:2]), ("b3", models[:1])):
        write_inputs(lake, [prompt_row(1, batch)], answering)
        for model in answering:
            as_configured(lake, settings, {"model": model, "prompt_batch": batch})
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("prompt_batch", ["b1", "b2", "b3"])
        schedule = definitions.resolve_schedule_def("nightly_responses")
        with tick(instance, definitions) as context:
            requests = schedule.evaluate_tick(context).run_requests
        ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        assert [tuple(request.tags[end] for end in ends) for request in requests] == [
            ("smollm2-135m-plain|b1", "smollm2-135m-warm|b1"),
            ("smollm2-135m-warm|b2", "smollm2-135m-warm|b2"),
            ("smollm2-135m-plain|b3", "smollm2-135m-warm|b3"),
        ]
        budgets = [request.run_config["ops"]["responses"]["config"]["max_usd"] for request in requests]
        assert budgets == pytest.approx([4.0, 2.0, 4.0])


def test_a_batch_whose_prompts_are_not_selected_yet_is_not_asked_for(settings: Settings, lake: Lake) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("prompt_batch", ["b1"])
        unfilled = unfilled_cells(lake, settings.models, sorted(settings.models.models))
        assert ranges_to_fill(instance, settings, unfilled) == []


def test_new_prompts_are_selected_at_night_within_the_budget(
    definitions: dg.Definitions, home: Home, lake: Lake, tmp_path: Path
) -> None:
    schedule = definitions.resolve_schedule_def("nightly_prompts")
    with dg.instance_for_test() as instance, tick(instance, definitions) as context:
        assert "every delivered batch is selected" in str(schedule.evaluate_tick(context).skip_message)
        for number, batch in enumerate(("done", "new", "short"), start=1):
            path = tmp_path / f"{batch}.jsonl"
            path.write_text(json.dumps({"prompt": f"What is {batch}?"}) + "\n")
            deliver_prompts(home, path, batch, "test", "CC0-1.0")
            if batch != "new":
                write_inputs(lake, [prompt_row(number, batch)], [])
        ended = pl.lit("completion_failed: budget")
        short = lake.read("selected_prompts", {"prompt_batch": "short"}).with_columns(selected=False, reason=ended)
        lake.write("selected_prompts", {"prompt_batch": "short"}, short)
        requests = schedule.evaluate_tick(context).run_requests
        assert [request.partition_key for request in requests] == ["new", "short"]
        assert {"new", "short"} <= set(instance.get_dynamic_partitions("prompt_batch"))
        budgets = [r.run_config["ops"]["selected_prompts"]["config"]["max_usd"] for r in requests]
        assert sum(budgets) == pytest.approx(2)


def test_the_weekly_schedule_builds_the_next_candidate_until_the_release_is_out(
    definitions: dg.Definitions, settings: Settings, home: Home
) -> None:
    schedule = definitions.resolve_schedule_def("weekly_candidate")
    with dg.instance_for_test() as instance, tick(instance, definitions) as context:
        assert "waits for an open campaign" in str(schedule.evaluate_tick(context).skip_message)
        closing = pl.DataFrame({"campaign": ["starter"], "closed_at": [datetime(2026, 1, 4, tzinfo=UTC)]})
        Lake(home.lake).add("campaign_closings", {"campaign": "starter"}, "closed", closing)
        assert [r.partition_key for r in schedule.evaluate_tick(context).run_requests] == ["v0.1.0-rc.1"]
        (home.releases / "v0.1.0").mkdir(parents=True)
        assert "every configured release is out" in str(schedule.evaluate_tick(context).skip_message)


def test_the_inbox_sensor_waits_for_whole_files_and_asks_for_the_vendors_campaigns(
    definitions: dg.Definitions, home: Home
) -> None:
    sensor = definitions.resolve_sensor_def("inbox")
    folder = home.inbox / "simulated"
    folder.mkdir(parents=True)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def())
        assert "no whole file" in str(sensor.evaluate_tick(context).skip_message)
        (folder / "ratings.jsonl").write_text("{}\n")
        assert not sensor.evaluate_tick(context).run_requests, "the file may still be growing"
        long_ago = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        os.utime(folder / "ratings.jsonl", (long_ago, long_ago))
        assert [r.partition_key for r in sensor.evaluate_tick(context).run_requests] == ["starter"]


def test_a_broken_configuration_stops_the_load_with_its_line(config: Path, settings: Settings) -> None:
    (config / "models.yaml").write_text("endpoints: {}\n")
    with pytest.raises(SteerworksError, match=r"models.yaml:1: endpoints"):
        build_defs(settings)


def test_the_code_location_has_one_name() -> None:
    assert "location_name: steerworks" in (PROJECT_ROOT / "workspace.yaml").read_text()
    assert 'code_location_name = "steerworks"' in (PROJECT_ROOT / "pyproject.toml").read_text()
