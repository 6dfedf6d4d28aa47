"""Vendors: tasks out, deliveries in, and all that lies between them and merged annotations.

Belongs here: freezing and exporting tasks, taking files in, pseudonyms and the vault, merging,
top-ups, the state of a campaign. Does not belong here: whom to trust and what to keep (`quality`),
or any vendor's behaviour (`simulation`). Vendors stand outside: the outbox goes out, the inbox
comes in, and nothing else connects the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.lazily import offering

if TYPE_CHECKING:
    from dagster_project.vendors.again import TakenAgain, take_again
    from dagster_project.vendors.campaigns import (
        CampaignStatus,
        Closing,
        Controls,
        Orders,
        Received,
        close,
        is_closed,
        received,
        status,
    )
    from dagster_project.vendors.identities import Pseudonyms
    from dagster_project.vendors.inbox import pending
    from dagster_project.vendors.intake import TakenIn, take_in
    from dagster_project.vendors.judges import Judged, judge
    from dagster_project.vendors.label_studio import Studio, pull, push
    from dagster_project.vendors.merging import Merged, merge
    from dagster_project.vendors.outbox import export_round, round_path
    from dagster_project.vendors.tasks import FrozenTasks, freeze_tasks, frozen_rubric, unpairable_models
    from dagster_project.vendors.top_up import TopUp, order_top_ups
    from dagster_project.vendors.vault import expired_raw

_MODULES = {
    "CampaignStatus": "campaigns",
    "Closing": "campaigns",
    "Controls": "campaigns",
    "FrozenTasks": "tasks",
    "Judged": "judges",
    "Merged": "merging",
    "Orders": "campaigns",
    "Pseudonyms": "identities",
    "Received": "campaigns",
    "Studio": "label_studio",
    "TakenAgain": "again",
    "TakenIn": "intake",
    "TopUp": "top_up",
    "close": "campaigns",
    "expired_raw": "vault",
    "export_round": "outbox",
    "freeze_tasks": "tasks",
    "frozen_rubric": "tasks",
    "is_closed": "campaigns",
    "judge": "judges",
    "merge": "merging",
    "order_top_ups": "top_up",
    "pending": "inbox",
    "pull": "label_studio",
    "push": "label_studio",
    "received": "campaigns",
    "round_path": "outbox",
    "status": "campaigns",
    "take_again": "again",
    "take_in": "intake",
    "unpairable_models": "tasks",
}
"""Where each name comes from."""

__all__ = [
    "CampaignStatus",
    "Closing",
    "Controls",
    "FrozenTasks",
    "Judged",
    "Merged",
    "Orders",
    "Pseudonyms",
    "Received",
    "Studio",
    "TakenAgain",
    "TakenIn",
    "TopUp",
    "close",
    "expired_raw",
    "export_round",
    "freeze_tasks",
    "frozen_rubric",
    "is_closed",
    "judge",
    "merge",
    "order_top_ups",
    "pending",
    "pull",
    "push",
    "received",
    "round_path",
    "status",
    "take_again",
    "take_in",
    "unpairable_models",
]

__getattr__ = offering(__name__, _MODULES)
