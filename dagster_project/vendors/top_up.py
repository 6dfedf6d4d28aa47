"""Further annotators for tasks that need them: a ledger of rounds, each exported when ordered.

Belongs here: turning a task's needs into orders, once. Does not belong here: what a task needs,
which is step 3 of the agreement policy (`sql/quality/coverage.sql`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.settings import Settings
from dagster_project.vendors.campaigns import is_closed
from dagster_project.vendors.outbox import export_round, round_path
from dagster_project.vendors.tasks import frozen_rubric

TABLES_READ = ("annotation_tasks", "annotations", "annotator_quality", "control_tasks", "deliveries", "top_up_tasks")

COVERAGE = ("numbered_tasks", "numbered_annotators", "numbered_ratings", "campaign_tasks", "judged", "coverage")
"""The statements that say what a task needs, each from those before it."""


@dataclass(frozen=True)
class TopUp:
    """One round's order; ``round`` is None if nothing was ordered."""

    round: int | None
    tasks: int
    annotators: int


def order_top_ups(lake: Lake, settings: Settings, campaign: str) -> TopUp:
    """Order further annotators where coverage wants them, and export the round.

    What was ordered before and has not arrived is subtracted, so that asking again orders nothing
    twice. A closed campaign and tasks that nobody has rated yet get nothing; a vendor of fixed
    raters has no further ones to send.
    """
    if is_closed(lake, campaign) or settings.vendor_of(campaign).slots == "fixed":
        return TopUp(None, 0, 0)
    ledger = lake.read("top_up_tasks", {"campaign": campaign})["round"].unique().sort().to_list()
    # a run that was killed after writing the ledger left its round to be exported
    for known in ledger:
        if not round_path(settings, campaign, known).exists():
            export_round(lake, settings, campaign, known)
    round_number = max(ledger, default=1) + 1
    orders = _orders(lake, settings, campaign, round_number)
    if orders.is_empty():
        return TopUp(None, 0, 0)
    lake.add("top_up_tasks", {"campaign": campaign}, f"round-{round_number}", orders)
    export_round(lake, settings, campaign, round_number)
    return TopUp(round_number, orders.height, int(orders["annotators"].sum()))


def _orders(lake: Lake, settings: Settings, campaign: str, round_number: int) -> pl.DataFrame:
    policy = settings.policy_of(campaign).model_dump()
    with Session() as session:
        for table in TABLES_READ:
            session.table(lake, table, {"campaign": campaign})
        session.frame("rubric", pl.DataFrame(frozen_rubric(lake, settings, campaign).rows()))
        for name in COVERAGE:
            session.create(name, f"quality/{name}", policy)
        session.create("outstanding", "annotation/outstanding")
        orders = session.query("annotation/top_up_orders", {"campaign": campaign, "round": round_number})
        responses = session.query("annotation/responses_ordered")
        controls = session.query("annotation/control_totals", {"vendor": settings.campaign(campaign).vendor})
    ordered = int((responses["responses"] * responses["ordered"]).sum()) + int(controls["annotations_ordered"].sum())
    return _within_budget(settings, campaign, orders, responses, ordered)


def _within_budget(
    settings: Settings, campaign: str, orders: pl.DataFrame, responses: pl.DataFrame, ordered: int
) -> pl.DataFrame:
    """Return the orders, in the order of their tasks, that the campaign's money reaches for.

    ``ordered`` are the annotations that were ordered before, those of control tasks included.
    """
    most, price = settings.campaign(campaign).max_usd, settings.vendor_of(campaign).usd_per_annotation
    if most is None or not price:
        return orders
    priced = orders.join(responses, on="task_id", how="left", maintain_order="left")
    annotations = (pl.col("annotators").cast(pl.Int64) * pl.col("responses")).cum_sum()
    return priced.filter((ordered + annotations) * price <= most).select(orders.columns)
