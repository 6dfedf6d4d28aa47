"""All deliveries of a campaign merged: one annotation a unit, and the fate of every delivered row.

Belongs here: running the merge. Does not belong here: its rules, which are `sql/annotation/fates.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.lake import Lake, Session


@dataclass(frozen=True)
class Merged:
    """How many delivered rows met each fate; together they are the rows of `intake`."""

    used: int = 0
    control: int = 0
    superseded: int = 0
    duplicate: int = 0
    withdrawn: int = 0
    quarantined: int = 0


def merge(lake: Lake, campaign: str) -> Merged:
    """Make a campaign's `annotations`, fates and accounts again from all that was delivered."""
    partition = {"campaign": campaign}
    with Session() as session:
        for table in ("deliveries", "quarantine", "intake", "annotation_tasks", "control_tasks"):
            session.table(lake, table, partition)
        session.create("annotation_fates", "annotation/fates")
        session.create("annotations", "annotation/used_annotations")
        session.create("delivery_accounts", "annotation/delivery_accounts", partition)
        session.create("control_annotations", "annotation/control_annotations")
        lake.write("control_annotations", partition, session.arrow("control_annotations"))
        lake.write("annotation_fates", partition, session.arrow("annotation_fates"))
        lake.write("delivery_accounts", partition, session.arrow("delivery_accounts"))
        lake.write("annotations", partition, session.arrow("annotations"))
        counts = session.query("annotation/fate_counts")
    return Merged(**dict(counts.iter_rows()))
