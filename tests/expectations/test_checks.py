"""Suites as Dagster checks, in real runs on a real instance: one cell, several cells, and checks alone."""

# No `from __future__ import annotations` here: Dagster reads the type of `context` at run time.
import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from dagster_project.checks import build_checks
from dagster_project.lake import Lake
from dagster_project.quality.expectations import load_suites
from dagster_project.settings import PROJECT_ROOT, Home
from tests.expectations.expectation_rows import SOUND, response, rows_of

pytestmark = pytest.mark.slow

SUITES = load_suites(PROJECT_ROOT / "expectations")
CELLS = dg.MultiPartitionsDefinition(
    {
        "model": dg.StaticPartitionsDefinition(["plain", "warm"]),
        "prompt_batch": dg.DynamicPartitionsDefinition(name="prompt_batch"),
    }
)
CAMPAIGNS = dg.StaticPartitionsDefinition(["starter"])
CRITICAL = "responses__response_id_unique"
WARNING = "responses__share_of_failures"
SOUND_ROWS = [response(n) for n in range(4)]
BAD_ROWS = {
    CRITICAL: [response(1), response(2, response_id="r1")],
    WARNING: [response(1), response(2, status="failed", response=None, reason="timeout")],
}


class LakeResource(dg.ConfigurableResource):
    @property
    def lake(self) -> Lake:
        return Lake(Home.from_environment().lake)


class Lineage:
    """`responses`, its checks, and an asset downstream, in one instance; a cell can be made bad."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.bad: dict[str, str] = {}
        self.downstream: list[str] = []
        instance.add_dynamic_partitions("prompt_batch", ["b1", "b2", "b3"])
        with warnings.catch_warnings(action="ignore"):
            self.checks = build_checks({"responses": SUITES["responses"]}, {"responses": CELLS})
            self.assets = self._assets()

    def _assets(self) -> list[dg.AssetsDefinition]:
        several = dg.BackfillPolicy.single_run()

        @dg.asset(partitions_def=CELLS, backfill_policy=several)
        def responses(context: dg.AssetExecutionContext, lake: LakeResource) -> None:
            for key in context.partition_keys:
                rows = BAD_ROWS[self.bad[key]] if key in self.bad else SOUND_ROWS
                lake.lake.write("responses", key.keys_by_dimension, rows_of("responses", rows))

        @dg.asset(deps=[responses], partitions_def=CELLS, backfill_policy=several)
        def tasks(context: dg.AssetExecutionContext) -> None:
            self.downstream += context.partition_keys

        return [responses, tasks]

    def run(self, **where: Any) -> dg.ExecuteInProcessResult:
        everything = [*self.assets, *self.checks]
        return dg.materialize(
            everything, instance=self.instance, resources={"lake": LakeResource()}, raise_on_error=False, **where
        )

    def run_range(self, first: str, last: str) -> dg.ExecuteInProcessResult:
        return self.run(tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last})

    def status(self, check: str) -> dict[str, tuple[str, bool]]:
        """What Dagster shows for each partition: the status, and whether it is of the latest bytes."""
        key = dg.AssetCheckKey(dg.AssetKey("responses"), check)
        found = self.instance.event_log_storage.get_asset_check_partition_info([key])
        return {str(i.partition_key): (i.latest_execution_status.value, i.is_current) for i in found if i.partition_key}


@pytest.fixture
def lineage(home: Home) -> Iterator[Lineage]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Lineage(instance)


def cell(model: str, prompt_batch: str) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({"model": model, "prompt_batch": prompt_batch})


def test_every_asset_of_the_lineage_gets_one_step_of_checks() -> None:
    suites = {table: SUITES[table] for table in ("raw_prompts", "intake", "deliveries", "quarantine")}
    with warnings.catch_warnings(action="ignore"):
        checks = build_checks(suites, {"raw_prompts": None, "deliveries": CAMPAIGNS})
    assert [definition.node_def.name for definition in checks] == [
        "raw_prompts_expectations",
        "deliveries_expectations",
    ]
    names = {spec.name for definition in checks for spec in definition.check_specs}
    assert names == {e.slug for suite in suites.values() for e in suite.expectations}
    blocking = {spec.name for definition in checks for spec in definition.check_specs if spec.blocking}
    assert blocking == {e.slug for suite in suites.values() for e in suite.expectations if e.severity == "critical"}


def test_sound_rows_pass_and_what_comes_after_runs(lineage: Lineage) -> None:
    result = lineage.run(partition_key=cell("plain", "b1"))
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert [e.check_name for e in evaluations] == [e.slug for e in SUITES["responses"].expectations]
    assert all(e.passed and e.partition == "plain|b1" for e in evaluations)
    assert lineage.downstream == ["plain|b1"]


def test_a_critical_failure_stops_what_comes_after_in_the_same_run(lineage: Lineage) -> None:
    lineage.bad = {"plain|b2": CRITICAL}
    result = lineage.run(partition_key=cell("plain", "b2"))
    assert not result.success
    assert lineage.downstream == []
    assert lineage.status(CRITICAL) == {"plain|b2": ("FAILED", True)}
    (failed,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    assert {name: value.value for name, value in failed.metadata.items()} == {
        "element_count": 2,
        "unexpected_count": 2,
        "sample": [
            {"model": "plain", "prompt_id": "p1", "sample_index": 0, "response_id": "r1"},
            {"model": "plain", "prompt_id": "p2", "sample_index": 0, "response_id": "r1"},
        ],
    }


def test_a_warning_is_shown_and_stops_nothing(lineage: Lineage) -> None:
    lineage.bad = {"plain|b2": WARNING}
    result = lineage.run(partition_key=cell("plain", "b2"))
    assert result.success
    assert lineage.downstream == ["plain|b2"]
    (failed,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert (failed.check_name, failed.severity) == (WARNING, dg.AssetCheckSeverity.WARN)


def test_a_run_over_several_cells_shows_each_cell_s_own_finding(lineage: Lineage) -> None:
    lineage.bad = {"plain|b2": WARNING}
    assert lineage.run_range("plain|b1", "plain|b3").success
    assert lineage.downstream == ["plain|b1", "plain|b2", "plain|b3"]
    assert lineage.status(WARNING) == {
        "plain|b1": ("SUCCEEDED", True),
        "plain|b2": ("FAILED", True),
        "plain|b3": ("SUCCEEDED", True),
    }


def test_one_bad_cell_of_several_stops_what_comes_after(lineage: Lineage) -> None:
    lineage.bad = {"plain|b3": CRITICAL}
    result = lineage.run_range("plain|b1", "plain|b3")
    assert not result.success
    assert lineage.downstream == []
    assert [status for status, _ in lineage.status(CRITICAL).values()] == ["SUCCEEDED", "SUCCEEDED", "FAILED"]
    (summary,) = [e for e in result.get_asset_check_evaluations() if e.partition is None and not e.passed]
    assert {name: value.value for name, value in summary.metadata.items()} == {
        "partitions": 3,
        "failed_partitions": ["plain|b3"],
    }


def test_a_mended_cell_is_found_good_by_the_next_run(lineage: Lineage) -> None:
    lineage.bad = {"plain|b2": CRITICAL}
    assert not lineage.run_range("plain|b1", "plain|b3").success
    lineage.bad = {}
    assert lineage.run(partition_key=cell("plain", "b2")).success
    assert lineage.status(CRITICAL)["plain|b2"] == ("SUCCEEDED", True)


def test_checks_started_by_themselves_look_at_every_cell_that_was_made(lineage: Lineage) -> None:
    lineage.run(partition_key=cell("plain", "b1"))
    lineage.run(partition_key=cell("warm", "b2"))
    Lake(Home.from_environment().lake).write(
        "responses", {"model": "warm", "prompt_batch": "b2"}, rows_of("responses", BAD_ROWS[CRITICAL])
    )
    assert lineage.run(selection=dg.AssetSelection.checks(*lineage.checks)).success
    assert lineage.status(CRITICAL) == {"plain|b1": ("SUCCEEDED", True), "warm|b2": ("FAILED", True)}


def test_one_check_of_a_step_can_be_run_without_the_others(lineage: Lineage) -> None:
    one = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("responses"), WARNING))
    alone = dg.AssetSelection.assets("responses").without_checks() | one
    result = lineage.run(selection=alone, partition_key=cell("plain", "b1"))
    assert [e.check_name for e in result.get_asset_check_evaluations()] == [WARNING]


def test_an_asset_with_one_dimension_is_checked_over_all_its_tables(home: Home) -> None:
    @dg.asset(partitions_def=CAMPAIGNS)
    def consensus(context: dg.AssetExecutionContext, lake: LakeResource) -> None:
        for table in ("consensus", "preferences"):
            lake.lake.write(table, {"campaign": context.partition_key}, rows_of(table, SOUND[table]))

    suites = {table: SUITES[table] for table in ("consensus", "preferences")}
    with warnings.catch_warnings(action="ignore"):
        checks = build_checks(suites, {"consensus": CAMPAIGNS})
    result = dg.materialize([consensus, *checks], partition_key="starter", resources={"lake": LakeResource()})
    evaluations = {e.check_name: e for e in result.get_asset_check_evaluations() if e.passed}
    assert evaluations["consensus__row_count_between"].metadata["observed"].value == 2
    assert list(evaluations) == [e.slug for suite in suites.values() for e in suite.expectations]
