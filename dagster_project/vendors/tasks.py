"""Which responses are compared: the tasks of a campaign, decided once and frozen.

Belongs here: pairing generated responses, and freezing. Does not belong here: what vendors are
sent (`outbox`), or the shape of files of imported responses (`imported`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from filelock import FileLock

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.settings import PROJECT_ROOT, Pairing, Rubric, Settings
from dagster_project.vendors.controls import control_tasks
from dagster_project.vendors.imported import read_imported
from dagster_project.withdrawn import Register


@dataclass(frozen=True)
class FrozenTasks:
    """A campaign's tasks and the responses in them; ``was_frozen`` if they had been decided before."""

    tasks: int
    responses: int
    was_frozen: bool


def freeze_tasks(lake: Lake, settings: Settings, campaign: str) -> FrozenTasks:
    """Decide a campaign's tasks, unless they are decided: then they stay, whatever has changed upstream.

    Raises:
        SteerworksError: cells of `responses` are missing, no pair can be made, or rows of the
            imported file break a rule.
    """
    spec = settings.campaign(campaign)
    partition = {"campaign": campaign}
    with _freezing(lake):
        was_frozen = lake.exists("annotation_tasks", partition)
        if not was_frozen:
            pairing = spec.pairing
            decided = _paired(lake, settings, campaign, pairing) if pairing else _imported(lake, settings, campaign)
            controls = control_tasks(settings, campaign, _rows_of(decided))
            _require_budget(settings, campaign, len(decided), len(controls))
            # left by a run that was killed before its tasks were frozen
            for part in lake.parts("control_tasks", partition):
                part.unlink()
            lake.add("control_tasks", partition, "tasks", controls)
            lake.add("annotation_tasks", partition, "tasks", decided)
    tasks = len(_task_ids(lake.parts("annotation_tasks", partition)))
    return FrozenTasks(tasks, lake.rows("annotation_tasks", partition), was_frozen)


def frozen_rubric(lake: Lake, settings: Settings, campaign: str) -> Rubric:
    """Return a campaign's rubric; once its tasks are frozen, only as they were frozen with it.

    Ratings are stored by position: under other attributes, or in another order, they would say something else.

    Raises:
        SteerworksError: the attributes, their order, the scale or the flags changed since.
    """
    rubric = settings.rubric_of(campaign)
    hashes = {
        value
        for part in lake.parts("annotation_tasks", {"campaign": campaign})
        for value in pl.read_parquet(part, columns=["rubric_hash"])["rubric_hash"].unique()
    }
    if hashes - {rubric.shape_hash}:
        raise SteerworksError(
            f"the rubric of campaign `{campaign}` changed since its tasks were exported: restore attributes, order, "
            f"scale and flags in {settings.folder / settings.campaign(campaign).rubric}, or open another campaign "
            "with a rubric file of its own."
        )
    return rubric


def _freezing(lake: Lake) -> FileLock:
    """Give the lock under which tasks are decided: no campaign is decided twice, no id goes to two campaigns."""
    folder = lake.root / "annotation_tasks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / ".freezing.lock")


def _rows_of(tasks: pl.DataFrame | pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tasks.to_dicts() if isinstance(tasks, pl.DataFrame) else tasks.to_pylist()
    return rows


def _task_ids(parts: list[Path]) -> set[str]:
    return {task_id for part in parts for task_id in pl.read_parquet(part, columns=["task_id"])["task_id"]}


def _common(settings: Settings, campaign: str) -> dict[str, Any]:
    """Return what all tasks of a campaign share."""
    spec = settings.campaign(campaign)
    return {
        "campaign": campaign,
        "vendor": spec.vendor,
        "guideline_version": spec.guideline_version,
        "rubric_hash": settings.rubric_of(campaign).shape_hash,
        "annotators": spec.annotators_per_task,
    }


def _paired(lake: Lake, settings: Settings, campaign: str, pairing: Pairing) -> pl.DataFrame:
    wanted = {
        "prompt_batches": list(pairing.prompt_batches),
        "models": list(pairing.models or settings.models.models),
    }
    with Session() as session:
        session.table(lake, "responses")
        session.table(lake, "selected_prompts")
        _require_answers(lake, session, campaign, wanted)
        chosen = {
            "pairs_per_prompt": pairing.pairs_per_prompt,
            "seed": pairing.seed,
            "baseline": pairing.baseline,
            "weights": [float(pairing.weights.get(model, 1)) for model in wanted["models"]],
        }
        tasks = session.query("annotation/pair_responses", {**_common(settings, campaign), **wanted, **chosen})
    if tasks.is_empty():
        raise SteerworksError(
            f"campaign `{campaign}`: no selected prompt of {', '.join(wanted['prompt_batches'])} has answers of two "
            f"different models among {', '.join(wanted['models'])}, so there is nothing to compare. Name another "
            "model under `pairing` in campaigns.yaml, materialise its `responses`, and start again."
        )
    return tasks


def _require_budget(settings: Settings, campaign: str, responses: int, controls: int) -> None:
    """Raise if the first round alone, control tasks included, would cost more than the campaign may."""
    spec = settings.campaign(campaign)
    cost = (responses + controls) * spec.annotators_per_task * settings.vendor_of(campaign).usd_per_annotation
    if spec.max_usd is not None and cost > spec.max_usd:
        raise SteerworksError(
            f"campaign `{campaign}`: its {responses} responses, and {controls} of control tasks, for "
            f"{spec.annotators_per_task} annotators cost {cost:.2f} USD, and `max_usd` is {spec.max_usd:.2f}. Name "
            "fewer prompts, pairs or controls, or raise it; nothing was frozen."
        )


def _require_answers(lake: Lake, session: Session, campaign: str, wanted: dict[str, list[str]]) -> None:
    """Raise if a wanted cell was never asked, or a wanted model has answered nothing."""
    if missing := [f"{model}|{batch}" for model, batch in _never_filled(lake, wanted)]:
        raise SteerworksError(
            f"campaign `{campaign}`: these cells of `responses` are missing: {', '.join(missing)}. Fill "
            f"them with `steerworks backfill {missing[0].partition('|')[0]}`, or in the UI (the asset `responses`, "
            "these partitions), and start again; or name fewer models under `pairing` in campaigns.yaml."
        )
    if silent := _silent(session, wanted):
        empty = ", ".join(f"{model}|{batch}" for model in silent for batch in wanted["prompt_batches"])
        raise SteerworksError(
            f"campaign `{campaign}`: these models have no `ok` answer: {', '.join(silent)} (cells {empty}). "
            "The column `reason` of `responses` says why; `steerworks backfill` asks again, or collects what is "
            "out; or take the models out of `pairing` in campaigns.yaml."
        )


def unpairable_models(lake: Lake, models: Sequence[str], prompt_batches: Sequence[str]) -> list[str]:
    """Return which of some models tasks cannot pair: a cell was never filled, or they have answered nothing."""
    wanted = {"models": list(models), "prompt_batches": list(prompt_batches)}
    with Session() as session:
        session.table(lake, "responses")
        silent = _silent(session, wanted)
    never_filled = {model for model, _ in _never_filled(lake, wanted)}
    return [model for model in models if model in never_filled or model in silent]


def _never_filled(lake: Lake, wanted: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    cells = [(model, batch) for model in wanted["models"] for batch in wanted["prompt_batches"]]
    return [
        cell for cell in cells if not lake.exists("responses", dict(zip(("model", "prompt_batch"), cell, strict=True)))
    ]


def _silent(session: Session, wanted: Mapping[str, list[str]]) -> list[str]:
    answered = set(session.query("annotation/answering_models", wanted)["model"])
    return [model for model in wanted["models"] if model not in answered]


def _imported(lake: Lake, settings: Settings, campaign: str) -> pa.Table:
    own = lake.parts("annotation_tasks", {"campaign": campaign})
    others = [part for part in lake.parts("annotation_tasks") if part not in own]
    path, register = PROJECT_ROOT / str(settings.campaign(campaign).imported), Register.of_home(settings.home)
    rows = read_imported(path, _task_ids(others), register)
    common = _common(settings, campaign)
    return pa.Table.from_pylist([{**row, **common} for row in rows], schema=TABLES["annotation_tasks"].schema)
