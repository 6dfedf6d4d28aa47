"""A campaign as a whole: how far it is, what it costs, and closing it.

Belongs here: its state and its end. Does not belong here: ordering more ratings (`top_up`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake, Session
from dagster_project.settings import Settings


@dataclass(frozen=True)
class Closing:
    """When a campaign was closed; ``was_closed`` if that was done before."""

    campaign: str
    closed_at: datetime
    was_closed: bool


@dataclass(frozen=True)
class CampaignStatus:
    """How far a campaign is.

    ``ordered``, ``delivered`` and ``outstanding`` count task-annotations: one annotator's ratings
    of all responses of a task. ``annotations`` counts one for each response rated, and is what
    ``cost_usd`` is reckoned from. ``awaiting_tasks`` are tasks with something outstanding.
    """

    campaign: str
    tasks: int
    rounds: int
    ordered: int
    delivered: int
    annotations: int
    outstanding: int
    awaiting_tasks: int
    cost_usd: float
    closed: bool


@dataclass(frozen=True)
class Received:
    """Delivered rows of a campaign: accepted, and quarantined by rule."""

    accepted: int
    quarantined: dict[str, int]


def close(lake: Lake, settings: Settings, campaign: str) -> Closing:
    """Close a campaign: it takes no more ratings, and a release may use it.

    Raises:
        SteerworksError: there is no such campaign, or its tasks are not frozen yet.
    """
    settings.campaign(campaign)
    if not lake.exists("annotation_tasks", {"campaign": campaign}):
        raise SteerworksError(
            f"campaign `{campaign}` has no tasks yet, so there is nothing to close. "
            "Materialise its `annotation_tasks` first, or take it out of campaigns.yaml."
        )
    closing = pl.DataFrame({"campaign": [campaign], "closed_at": [datetime.now(UTC)]})
    written = lake.add("campaign_closings", {"campaign": campaign}, "closed", closing)
    closed_at = lake.read("campaign_closings", {"campaign": campaign})["closed_at"].item()
    return Closing(campaign, closed_at, was_closed=written is None)


def is_closed(lake: Lake, campaign: str) -> bool:
    """Say whether a campaign is closed."""
    return lake.exists("campaign_closings", {"campaign": campaign})


def received(lake: Lake, campaign: str) -> Received:
    """Return what a campaign received so far."""
    with Session() as session:
        for table in ("deliveries", "quarantine"):
            session.table(lake, table, {"campaign": campaign})
        rows = dict(session.query("annotation/received").iter_rows())
    return Received(rows.pop("accepted"), rows)


def status(lake: Lake, settings: Settings, campaign: str) -> CampaignStatus:
    """Return how far a campaign is; before its tasks are frozen all figures are 0."""
    vendor = settings.vendor_of(campaign)
    with Session() as session:
        for table in ("annotation_tasks", "top_up_tasks", "deliveries"):
            session.table(lake, table, {"campaign": campaign})
        session.create("outstanding", "annotation/outstanding")
        totals = session.query("annotation/campaign_totals", {"campaign": campaign}).row(0, named=True)
    return CampaignStatus(
        **totals,
        cost_usd=float(totals["annotations"]) * vendor.usd_per_annotation,
        closed=is_closed(lake, campaign),
    )
