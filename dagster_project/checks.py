"""Expectation suites as Dagster asset checks: one check an expectation, one step an asset.

Belongs here: how a suite becomes check specs, and how findings become check results. Does not
belong here: what is expected (`expectations/`) or how it is found out (`quality.expectations`).

A critical expectation blocks: what lies downstream in the same run does not start. Other runs are
not stopped by it, so a release asks `quality.expectations.unmet` for itself.
"""

# No `from __future__ import annotations` here: Dagster reads the type of `context` at run time.
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg

# Dagster keeps this class to itself; a check's finding without it is taken for an outdated one.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

# As the storage takes and returns them; Dagster does not offer them either.
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as CheckStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckPartitionInfo as PartitionInfo

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Partition
from dagster_project.quality import expectations as expected
from dagster_project.quality.expectations import Suite, load_suites
from dagster_project.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from dagster_project.lake import Lake
    from dagster_project.quality.expectations import ExpectationResult

Findings: TypeAlias = "dict[str, dict[str, ExpectationResult]]"
"""For each check, by partition key, what was found."""


def build_checks(
    suites: Mapping[str, Suite], partitions: Mapping[str, dg.PartitionsDefinition[str] | None]
) -> list[dg.AssetChecksDefinition]:
    """Return one checks definition for each asset whose tables have suites.

    Args:
        suites: by table, as `load_suites` returns them.
        partitions: each asset's partitions, by asset name; None if it has none.

    The steps need a resource ``lake`` with an attribute ``lake`` that is the `Lake`.
    """
    assets = dict.fromkeys(table.asset for table in TABLES.values() if table.name in suites)
    return [_checks_of(asset, _suites_of(asset, suites), partitions[asset]) for asset in assets]


def check_in_a_step_that_fails(context: dg.AssetExecutionContext, lake: "Lake", keys: Sequence[str]) -> None:
    """Check partitions that are whole within the step that made them, which fails: Dagster starts no check after it.

    What the step fails for is told by whoever calls this; that a check cannot be made is found by whoever needs it.
    """
    asset = context.asset_key.to_user_string()
    suites = _suites_of(asset, load_suites(PROJECT_ROOT / "expectations"))
    with suppress(SteerworksError):
        _log_each_partition(context, asset, _findings(lake, suites, keys))


def unchecked_partitions(instance: dg.DagsterInstance, asset: str) -> set[str]:
    """Return the partitions of an asset whose latest materialisation no check has looked at.

    Their run was stopped or killed between the two, or goes on. A check that was added since is not looked for.
    """
    suites = _suites_of(asset, load_suites(PROJECT_ROOT / "expectations"))
    slugs = [expectation.slug for suite in suites.values() for expectation in suite.expectations]
    keys = [dg.AssetCheckKey(dg.AssetKey(asset), slug) for slug in slugs]
    checked: set[str | None] = set()
    for latest in instance.event_log_storage.get_asset_check_partition_info(keys):
        if latest.latest_execution_status != CheckStatus.PLANNED:
            looked_at = latest.is_current
        else:  # by a run that failed before; what other checks of the asset say follows from one of them
            looked_at = latest.check_key == keys[0] and _was_looked_at(instance, latest)
        if looked_at:
            checked.add(latest.partition_key)
    return {key for key in instance.get_materialized_partitions(dg.AssetKey(asset)) if key not in checked}


def _was_looked_at(instance: dg.DagsterInstance, planned: PartitionInfo) -> bool:
    """Say whether a check that is planned once more has looked at the latest materialisation before."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        planned.check_key,
        limit=1,
        status={CheckStatus.SUCCEEDED, CheckStatus.FAILED},
        partition_filter=PartitionKeyFilter(key=planned.partition_key),
    )
    events = [record.event.dagster_event for record in records if record.event]
    targets = [event.asset_check_evaluation_data.target_materialization_data for event in events if event]
    return any(target.storage_id == planned.latest_materialization_storage_id for target in targets if target)


def _suites_of(asset: str, suites: Mapping[str, Suite]) -> dict[str, Suite]:
    """Return the suites of an asset's tables, in the catalogue's order."""
    return {
        table.name: suites[table.name] for table in TABLES.values() if table.asset == asset and table.name in suites
    }


def _checks_of(
    asset: str, suites: Mapping[str, Suite], partitions: dg.PartitionsDefinition[str] | None
) -> dg.AssetChecksDefinition:
    specs = [
        dg.AssetCheckSpec(
            expectation.slug,
            asset=asset,
            description=expectation.description,
            blocking=expectation.severity == "critical",
            metadata={"table": table, "expectation": expectation.type, "severity": expectation.severity},
            partitions_def=partitions,
        )
        for table, suite in suites.items()
        for expectation in suite.expectations
    ]

    @dg.multi_asset_check(
        name=f"{asset}_expectations",
        specs=specs,
        can_subset=True,
        required_resource_keys={"lake"},
        compute_kind="greatexpectations",
    )
    def expectations(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        lake: Lake = context.resources.lake.lake
        findings = _findings(lake, suites, _keys(context, asset, partitions))
        wanted = {key.name for key in context.selected_asset_check_keys}
        chosen = [spec for spec in specs if spec.name in wanted]
        if partitions is not None and not context.has_partition_key:
            _log_each_partition(context, asset, {spec.name: findings.get(spec.name, {}) for spec in chosen})
        if partitions is None or _names_partitions(context):
            yield from (_summary(spec, findings[spec.name]) for spec in chosen)

    return expectations


def _names_partitions(context: dg.AssetCheckExecutionContext) -> bool:
    """Say whether the run is for certain partitions; checks started by themselves may name none.

    From such a run Dagster takes no result for a partitioned asset: it raises when it looks for the
    materialisation behind it. What is logged for each partition it takes.
    """
    return bool(context.has_partition_key or context.has_partition_key_range)


def _keys(
    context: dg.AssetCheckExecutionContext, asset: str, partitions: dg.PartitionsDefinition[str] | None
) -> list[str]:
    """Return the partitions of the run, or all that were ever materialised if it names none."""
    if partitions is None:
        return [""]
    if _names_partitions(context):
        return list(context.partition_keys)
    made = context.instance.get_materialized_partitions(dg.AssetKey(asset))
    return [key for key in partitions.get_partition_keys(dynamic_partitions_store=context.instance) if key in made]


def _findings(lake: "Lake", suites: Mapping[str, Suite], keys: Sequence[str]) -> Findings:
    findings: Findings = {}
    for key in keys:
        for table in suites:
            for result in expected.check_partition(lake, table, _partition(table, key), suites):
                findings.setdefault(result.expectation, {})[key] = result
    return findings


def _partition(table: str, key: str) -> Partition:
    """Read Dagster's key as the lake's partition."""
    if isinstance(key, dg.MultiPartitionKey):
        return dict(key.keys_by_dimension)
    return dict.fromkeys(TABLES[table].partitions, key)


def _log_each_partition(
    context: dg.AssetCheckExecutionContext | dg.AssetExecutionContext, asset: str, findings: Findings
) -> None:
    """Record what was found in each partition of a run over several.

    Dagster takes one result a check and run, and leaves its partition empty unless the run has
    exactly one. Without these events no partition of a backfill would show whether it passed.
    """
    targets: dict[str, Target | None] = {}
    for name, by_key in findings.items():
        for key, result in by_key.items():
            blocking = result.severity == "critical"
            if key not in targets:
                targets[key] = _materialization(context.instance, asset, key)
            evaluation = dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(asset),
                check_name=name,
                passed=result.passed,
                metadata=_metadata(result),
                target_materialization_data=targets[key],
                severity=_severity(blocking=blocking),
                blocking=blocking,
                partition=key,
            )
            # The signature has forgotten this kind of event; the method takes it.
            context.op_execution_context.log_event(evaluation)  # type: ignore[arg-type]


def _materialization(instance: dg.DagsterInstance, asset: str, key: str) -> Target | None:
    """Return the materialisation that a check of this partition is about: the latest."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key])
    records = instance.fetch_materializations(wanted, limit=1).records
    if not records:
        return None
    latest = records[0]
    return Target(storage_id=latest.storage_id, run_id=latest.run_id, timestamp=latest.timestamp)


def _summary(spec: dg.AssetCheckSpec, by_key: "Mapping[str, ExpectationResult]") -> dg.AssetCheckResult:
    """Return the one result of a run: that of its partition, or over all of them."""
    failed = [str(key) for key, result in by_key.items() if not result.passed]
    if len(by_key) == 1:
        metadata = _metadata(next(iter(by_key.values())))
    else:
        metadata = {"partitions": len(by_key), "failed_partitions": dg.MetadataValue.json(failed)}
    return dg.AssetCheckResult(
        check_name=spec.name, passed=not failed, severity=_severity(blocking=spec.blocking), metadata=metadata
    )


def _severity(*, blocking: bool) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN


def _metadata(result: "ExpectationResult") -> dict[str, Any]:
    """Return the figures that there are; Dagster plots the numbers over time."""
    metadata: dict[str, Any] = {
        "element_count": result.element_count,
        "unexpected_count": result.unexpected_count,
        "observed": _from_json(result.observed),
        "sample": _from_json(result.sample),
        "error": result.error,
    }
    return {name: value for name, value in metadata.items() if value is not None}


def _from_json(text: str | None) -> Any:
    """Return a value as Dagster shows it; its JSON metadata takes lists and mappings only."""
    value = None if text is None else json.loads(text)
    return dg.MetadataValue.json(value) if isinstance(value, list | dict) else value
