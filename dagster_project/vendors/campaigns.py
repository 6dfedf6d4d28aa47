"""A campaign as a whole: how far it is, what it costs, and closing it.

Belongs here: its state and its end. Does not belong here: ordering more ratings (`top_up`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
class Orders:
    """What was ordered of some tasks, what came and what is awaited.

    ``ordered``, ``delivered`` and ``outstanding`` count task-annotations: one annotator's ratings of all responses of a
    task. ``annotations_ordered`` and ``annotations`` (delivered) count one for each response rated, and are what
    ``ordered_usd`` and ``cost_usd`` are reckoned from.
    """

    tasks: int
    ordered: int
    delivered: int
    outstanding: int
    annotations_ordered: int
    annotations: int
    ordered_usd: float
    cost_usd: float


@dataclass(frozen=True)
class Controls(Orders):
    """The orders of a campaign's control tasks of one ``kind``, `gold` or `repeat`."""

    kind: str


@dataclass(frozen=True)
class CampaignStatus(Orders):
    """How far a campaign is: the orders of its own tasks, of which ``awaiting_tasks`` have something outstanding.

    Its control tasks stand apart, in ``controls``.
    """

    campaign: str
    rounds: int
    awaiting_tasks: int
    controls: tuple[Controls, ...]
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
    with Session() as session:
        for table in ("annotation_tasks", "control_tasks", "top_up_tasks", "deliveries"):
            session.table(lake, table, {"campaign": campaign})
        for name in ("outstanding", "responses_ordered"):
            session.create(name, f"annotation/{name}")
        totals = session.query("annotation/campaign_totals", {"campaign": campaign}).row(0, named=True)
        controls = session.query("annotation/control_totals", {"vendor": settings.campaign(campaign).vendor}).to_dicts()
    price = settings.vendor_of(campaign).usd_per_annotation
    return CampaignStatus(
        **_priced(totals, price),
        controls=tuple(Controls(**_priced(kind, price)) for kind in controls),
        closed=is_closed(lake, campaign),
    )


def _priced(counts: dict[str, Any], price: float) -> dict[str, Any]:
    return {
        **counts,
        "ordered_usd": counts["annotations_ordered"] * price,
        "cost_usd": counts["annotations"] * price,
    }
