"""Who rated a release: people, models or a program, by campaign and vendor.

Belongs here: the kind of each vendor whose ratings are in it. Does not belong here: whether they may be (`licensing`,
`manifest.publication_refusals`).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from dagster_project.lake import Session
from dagster_project.settings import Settings
from dagster_project.settings.vendors import VendorKind


class Raters(BaseModel):
    """A vendor's annotators in a campaign: how many they are, their annotations, and those behind published ratings."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    campaign: str
    vendor: str
    kind: VendorKind
    guideline_versions: str
    annotators: int
    annotations: int
    kept: int


def raters_of(session: Session, settings: Settings) -> list[Raters]:
    """Return who rated the release whose relations a session has."""
    return [
        Raters(kind=_kind(settings, row["campaign"], row["vendor"]), **row)
        for row in session.query("release/vendor_counts").to_dicts()
    ]


def share_of_models(raters: Sequence[Raters]) -> float:
    """Return which share of the annotations behind published ratings models made, from 0 to 1."""
    kept = sum(some.kept for some in raters)
    return sum(some.kept for some in raters if some.kind == "model") / kept if kept else 0.0


def _kind(settings: Settings, campaign: str, vendor: str) -> VendorKind:
    """Return what a vendor is; none but models rate beside the vendor whom a campaign's tasks are sent to."""
    is_its_own = settings.campaign(campaign).vendor == vendor
    return settings.vendor_of(campaign).kind if is_its_own else "model"
