"""What vendors are sent: a round's tasks, blind, with the guideline.

Belongs here: the files of ``outbox/<vendor>/<campaign>/``. Does not belong here: deciding on tasks
(`tasks`) or on further annotators (`top_up`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagster_project.errors import SteerworksError
from dagster_project.identity import canonical_json
from dagster_project.lake import Lake, Session
from dagster_project.settings import Settings
from dagster_project.vendors.guideline import delivery_page, guideline_page, rubric_json
from dagster_project.vendors.identities import workers_of
from dagster_project.vendors.tasks import frozen_rubric
from dagster_project.whole_files import PRIVATE, PUBLIC, write_whole

GUIDELINE = "guideline.md"
"""What annotators see, as it was exported: also where a tool shows it, or a model is given it."""


def export_round(lake: Lake, settings: Settings, campaign: str, round_number: int) -> Path:
    """Write a round's tasks to ``outbox/<vendor>/<campaign>/round-<n>.jsonl``; return that path.

    Round 1 is all frozen tasks; a later one is its rows in the ledger of top-ups, each with the
    vendor's own ids of those who rated the task before and of those who are not trusted. Beside it
    lie ``guideline.md``, ``rubric.json`` and ``delivery.md``. The tasks are written last: where they are, the rest
    is. What was exported stays as it is, whatever was learnt or configured since.

    Raises:
        SteerworksError: the campaign has no such round, or its rubric changed since it was frozen.
    """
    path = round_path(settings, campaign, round_number)
    if path.exists():
        return path
    tasks = _round_tasks(lake, campaign, round_number)
    if not tasks:
        raise SteerworksError(
            f"campaign `{campaign}` has no round {round_number} to export: "
            + ("its tasks are not frozen yet." if round_number == 1 else "the ledger of top-ups holds no such round.")
        )
    workers = workers_of(settings.home.vault, settings.campaign(campaign).vendor)
    lines = [_line(task, round_number, workers) for task in tasks]
    _write_guideline(lake, settings, campaign, path.parent)
    names_workers = any(line["exclude_annotators"] for line in lines)
    content = "".join(canonical_json(line) + "\n" for line in lines)
    write_whole(path, content.encode(), PRIVATE if names_workers else PUBLIC)
    return path


def round_path(settings: Settings, campaign: str, round_number: int) -> Path:
    """Return where a round is exported to."""
    folder = settings.home.outbox / settings.campaign(campaign).vendor / campaign
    return folder / f"round-{round_number}.jsonl"


def _write_guideline(lake: Lake, settings: Settings, campaign: str, folder: Path) -> None:
    """Write the guideline and the rubric where they are not yet: they belong to the guideline's version."""
    rubric = frozen_rubric(lake, settings, campaign)
    pages = {
        GUIDELINE: guideline_page(rubric, settings.campaign(campaign).guideline_version),
        "rubric.json": rubric_json(rubric),
        "delivery.md": delivery_page(rubric),
    }
    for name, page in pages.items():
        if not (folder / name).exists():
            write_whole(folder / name, page.encode())


def _round_tasks(lake: Lake, campaign: str, round_number: int) -> list[dict[str, Any]]:
    with Session() as session:
        for table in ("annotation_tasks", "control_tasks", "top_up_tasks", "deliveries", "annotator_quality"):
            session.table(lake, table, {"campaign": campaign})
        return session.query("annotation/round_tasks", {"round": round_number}).to_dicts()


def _line(task: dict[str, Any], round_number: int, workers: dict[str, str]) -> dict[str, Any]:
    """Return a task as the vendor sees it."""
    # a worker whose entry was purged from the vault has left, and cannot be sent the task again
    excluded = sorted(workers[rater] for rater in task.pop("not_for") if rater in workers)
    return {**task, "round": round_number, "exclude_annotators": excluded}
