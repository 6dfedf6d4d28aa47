"""`curated_prompts`: each delivered prompt kept, or excluded with a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dagster_project.curation.delivery import find_delivery
from dagster_project.curation.index import bring_up_to_date
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.lake.store import in_shape
from dagster_project.settings import CurationFile, Home

ROWS_AT_ONCE = 50_000
INPUTS = ("raw_prompts", "prompt_verdicts", "prompt_clusters")


@dataclass(frozen=True)
class CurationReport:
    """Prompts kept, and excluded by reason."""

    kept: int
    excluded: dict[str, int]


def curate(lake: Lake, home: Home, curation: CurationFile, batch: str) -> CurationReport:
    """Write the `curated_prompts` partition of a batch.

    Duplicates are looked for in every batch delivered earlier, whatever the order in which
    partitions are made.
    """
    bring_up_to_date(lake, home, curation, batch)
    delivery, partition = find_delivery(home, batch), {"prompt_batch": batch}
    last, reasons = delivery.first_number + delivery.rows, Counter[str | None]()
    rules = {"exclude": curation.duplicates.exclude, "exclude_from": curation.duplicates.exclude_from}
    with Session() as session, lake.streaming("curated_prompts", partition) as write:
        for table in INPUTS:
            session.table(lake, table, partition)
        for first in range(delivery.first_number, last, ROWS_AT_ONCE):
            bounds = {"first_number": first, "last_number": first + ROWS_AT_ONCE - 1}
            rows = session.query("prompts/curated_prompts", {**rules, **bounds})
            reasons.update(rows["reason"])
            write(in_shape(TABLES["curated_prompts"], rows))
    kept = reasons.pop(None, 0)
    return CurationReport(kept, {str(reason): count for reason, count in reasons.most_common()})
