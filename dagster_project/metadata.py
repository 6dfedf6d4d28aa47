"""From the catalogue to Dagster: table schemas, column lineage, row counts.

Belongs here: how a table of the lake is shown in the Dagster UI. Does not belong here: what
the table means, which the catalogue says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_project.lake import TABLES, Partition, Table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from dagster_project.lake import Lake


def describing(asset: str) -> dict[str, Any]:
    """Return the metadata that an asset has before it is ever made: schema, lineage, grain."""
    table = TABLES.get(asset)
    if table is None:
        return {}
    others = [other.name for other in TABLES.values() if other.asset == asset and other.name != asset]
    return {
        "dagster/column_schema": _schema(table),
        "dagster/column_lineage": _lineage(table),
        "dagster/table_name": table.name,
        "grain": ", ".join(table.grain),
        **({"further tables": ", ".join(others)} if others else {}),
    }


def made(
    lake: Lake,
    asset: str,
    partition: Partition,
    report: DataclassInstance | None = None,
    shown: Mapping[str, str] | None = None,
) -> dg.MaterializeResult:
    """Return the result of a step that wrote a partition: rows, place, content hash, the report's figures.

    ``shown`` is Markdown by name: tables and plots.
    """
    pages = {name: dg.MetadataValue.md(text) for name, text in (shown or {}).items()}
    return dg.MaterializeResult(
        metadata={**figures(lake, asset, partition, report), **pages},
        data_version=dg.DataVersion(lake.content_hash(asset, partition)),
    )


def figures(lake: Lake, asset: str, partition: Partition, report: DataclassInstance | None = None) -> dict[str, Any]:
    """Return what is shown for one partition that was made."""
    table = TABLES[asset]
    # Of a table with thousands of cells, the whole is not counted anew for each of them.
    whole = {"dagster/row_count": lake.rows(asset)} if len(table.partitions) < 2 else {}
    folder = lake.root.joinpath(asset, *(f"{name}={key}" for name, key in partition.items()))
    counted = {f"rows in {t.name}": lake.rows(t.name, partition) for t in TABLES.values() if t.asset == asset}
    return {
        **whole,
        "dagster/partition_row_count": lake.rows(asset, partition),
        **(counted if len(counted) > 1 else {}),
        "path": dg.MetadataValue.path(str(folder)),
        **(_flat(asdict(report)) if report else {}),
    }


def keep_for_the_end(context: dg.AssetExecutionContext, key: str, metadata: Mapping[str, Any]) -> None:
    """Have a partition's materialisation at the end of the step say this, as `context.add_asset_metadata` does.

    That one looks up all partitions of the run for each of them.
    """
    step = context.get_step_execution_context()
    kept = step._metadata_accumulator  # Dagster has no other way to say it for many partitions
    step._metadata_accumulator = kept.with_additional_asset_metadata(context.asset_key, key, metadata)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures one level deep, so that the UI can plot each number over partitions."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}: {key}": inner for key, inner in _flat(value).items()}
        elif value is not None:
            flat[name] = value if isinstance(value, int | float | str | bool) else str(value)
    return flat


def _schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                str(column.type),
                description=column.meaning,
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=table.grain == (column.name,)),
            )
            for column in table.columns
        ]
    )


def _lineage(table: Table) -> dg.TableColumnLineage:
    """Return the column lineage; a column of an asset's further tables is named by the asset."""
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(dg.AssetKey(TABLES[origin.partition(".")[0]].asset), origin.partition(".")[2])
                for origin in column.origin
            ]
            for column in table.columns
            if column.origin
        }
    )
