"""`curated_prompts`: each delivered prompt kept, or excluded with a reason."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.curation.delivery import delivered_batches
from dagster_project.curation.raw import take_in_prompts
from dagster_project.lake import Lake, Session
from dagster_project.settings import CurationFile, Home


@dataclass(frozen=True)
class CurationReport:
    """Prompts kept, and excluded by reason."""

    kept: int
    excluded: dict[str, int]


def curate(lake: Lake, home: Home, curation: CurationFile, batch: str) -> CurationReport:
    """Write the `curated_prompts` partition of a batch.

    Duplicates are looked for in every batch delivered earlier, whatever the order in which
    partitions are made: an earlier batch that is not in the lake yet is taken in first.
    """
    for delivery in delivered_batches(home):
        if delivery.batch == batch:
            break
        if not lake.exists("raw_prompts", {"prompt_batch": delivery.batch}):
            take_in_prompts(lake, home, delivery.batch)
    with Session() as session:
        session.table(lake, "raw_prompts")
        rows = session.query("prompts/curated_prompts", {"prompt_batch": batch, **curation.length.model_dump()})
    lake.write("curated_prompts", {"prompt_batch": batch}, rows)
    excluded = rows["reason"].drop_nulls().value_counts(sort=True)
    return CurationReport(int(rows["kept"].sum()), dict(excluded.iter_rows()))
