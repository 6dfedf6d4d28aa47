"""The data card: README.md, with every number taken from the tables that are written.

Belongs here: gathering the figures, formatting them, and filling ``card.md.jinja``. Does not
belong here: words of the card (the template), or questions over tables (``sql/release``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from dagster_project.lake import Session
from dagster_project.lake.types import TIME, ListOf, Struct, Type
from dagster_project.releases.exporters import Exported
from dagster_project.releases.exporters.formats import label_names
from dagster_project.releases.inputs import ReleaseInputs
from dagster_project.releases.raters import Raters, share_of_models
from dagster_project.releases.shapes import release_shapes
from dagster_project.releases.splits import SPLITS
from dagster_project.settings import ReleaseSpec, Settings

if TYPE_CHECKING:
    import pyarrow as pa

TEMPLATE = Path(__file__).with_name("card.md.jinja")
CONFIGURATIONS = ("data", "preference", "annotations")
STAGES = ("collected", "trusted", "closest", "retained")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
UNDEFINED = "–"
FEEDBACK = {"human": "human-feedback", "model": "ai-feedback"}
TIE_RULES = {"kept": "kept", "left_out": "left out"}


def data_card(
    session: Session,
    settings: Settings,
    version: str,
    spec: ReleaseSpec,
    inputs: ReleaseInputs,
    files: Mapping[str, pa.Table],
    exported: Sequence[Exported],
    raters: Sequence[Raters],
    simulated: bool,
) -> str:
    """Return the text of README.md; the session has the release's relations, ``files`` its tables by path."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only a build needs it

    environment = Environment(  # noqa: S701 - the output is Markdown, and cells are escaped by `cell`
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    filters: dict[str, Callable[..., str]] = {"figure": figure, "count": count, "cell": cell, "type_name": type_name}
    environment.filters |= filters
    rubric = settings.rubric_of(inputs.campaigns[0])
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        front_matter=front_matter(spec, files, exported, raters, simulated),
        version=version,
        spec=spec,
        simulated=simulated,
        rubric=rubric,
        stages=STAGES,
        shapes=list(release_shapes(rubric).values()),
        empty=[
            f"{name}/{split}.parquet" for name in CONFIGURATIONS for split in SPLITS if not _rows(files, name, split)
        ],
        key=spec.name.lower().partition(" (")[0].replace(" ", "-"),
        campaigns=_campaigns(settings, inputs),
        raters=raters,
        models_share=share_of_models(raters),
        kept=_kept_annotations(raters),
        exported=[_export(export) for export in exported],
        label_names=label_names(rubric.names),
        pairs_by_preference=any(_rows(files, "preference", split) for split in SPLITS),
        **_figures(session),
    )


def front_matter(
    spec: ReleaseSpec,
    files: Mapping[str, pa.Table],
    exported: Sequence[Exported],
    raters: Sequence[Raters],
    simulated: bool,
) -> str:
    """Return the YAML that the Hub and the `datasets` library read, without its fences.

    A file without rows is not listed: one empty split keeps `datasets` (5.2) from loading all
    others of its configuration (huggingface/datasets, pull request 8401).
    """
    filled = {path for path, table in files.items() if table.num_rows}
    rows = sum(_rows(files, "data", split) for split in SPLITS)
    entries = [
        *(
            _configuration(name, {split: f"{name}/{split}.parquet" for split in SPLITS}, filled)
            for name in CONFIGURATIONS
        ),
        *(
            _configuration(export.format.name, export.format.files, set(+export.rows))
            for export in exported
            if export.format.encoding == "parquet"
        ),
    ]
    tags = ["preference", "reward-model", "steerworks", *_feedback(raters, simulated)]
    fields = {
        "license": spec.licence,
        "pretty_name": spec.name,
        "language": list(spec.languages),
        "size_categories": [_size_category(rows)],
        "task_categories": ["text-generation", "reinforcement-learning"],
        "tags": tags,
        "configs": [entry for entry in entries if entry["data_files"]],
    }
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)


def figure(value: float | None, digits: int = 4) -> str:
    """Return a number with a fixed number of decimals; undefined ones as a dash."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def count(value: int) -> str:
    """Return a whole number with a comma between thousands."""
    return f"{value:,}"


def cell(value: Any) -> str:
    """Return text that cannot break out of a Markdown table's cell; null as `unknown`."""
    if value is None:
        return "unknown"
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|")


def type_name(kind: Type) -> str:
    """Return a column's type as a reader of the card knows it."""
    if isinstance(kind, ListOf):
        return f"list of {type_name(kind.item)}"
    if isinstance(kind, Struct):
        return "{" + ", ".join(name for name, _ in kind.fields) + "}"
    return "timestamp (UTC)" if kind == TIME else str(kind)


def _size_category(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), "1M<n<10M")


def _configuration(name: str, paths: Mapping[str, str], filled: Set[str]) -> dict[str, Any]:
    data_files = [{"split": split, "path": path} for split, path in paths.items() if path in filled]
    default = {"default": True} if name == CONFIGURATIONS[0] else {}
    return {"config_name": name, **default, "data_files": data_files}


def _export(export: Exported) -> dict[str, Any]:
    """Return a line of the card's table of exports."""
    reasons = {reason: tasks for reason, tasks in sorted(export.left_out.items()) if reason != "tie"}
    return {
        "name": export.format.name,
        "readers": export.format.readers,
        "files": f"exports/{export.format.folder}/*.{export.format.encoding}",
        "rows": sum(export.rows.values()),
        "rule": TIE_RULES[export.format.ties],
        "ties": export.ties,
        "left_out": ", ".join(f"{reason.replace('_', ' ')} {tasks:,}" for reason, tasks in reasons.items()) or "none",
    }


def _rows(files: Mapping[str, pa.Table], name: str, split: str) -> int:
    return int(files[f"{name}/{split}.parquet"].num_rows)


def _campaigns(settings: Settings, inputs: ReleaseInputs) -> list[dict[str, Any]]:
    return [
        {
            "slug": slug,
            "vendor": settings.campaign(slug).vendor,
            "terms": settings.vendor_of(slug),
            "policy": settings.policy_of(slug),
        }
        for slug in inputs.campaigns
    ]


def _figures(session: Session) -> dict[str, Any]:
    splits = session.query("release/split_counts")
    models = session.query("release/model_card")
    return {
        "splits": splits.to_dicts(),
        "total": splits.drop("split").sum().to_dicts()[0],
        "statistics": session.query("release/statistics").to_dicts(),
        "agreement": _agreement(session.query("release/agreement_table")),
        "strengths": session.query("release/preference_strengths").to_dicts(),
        "models": models.to_dicts(),
        "sources": session.query("release/prompt_sources").to_dicts(),
        "exclusions": session.query("release/exclusion_counts").to_dicts(),
    }


def _feedback(raters: Sequence[Raters], simulated: bool) -> list[str]:
    """Return the tags that say whose judgement the ratings are."""
    if simulated:
        return ["simulated"]
    kinds = {some.kind for some in raters if some.kept}
    return [tag for kind, tag in FEEDBACK.items() if kind in kinds]


def _kept_annotations(raters: Sequence[Raters]) -> dict[str, int]:
    """Return how many annotations of each campaign stand behind published ratings."""
    kept: Counter[str] = Counter()
    for some in raters:
        kept[some.campaign] += some.kept
    return dict(kept)


def _agreement(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return one table for each campaign, statistic and estimator: cells hold a figure and its shuffled one."""
    keys = ["campaign", "statistic", "estimator"]
    return [
        {
            **dict(zip(keys, key, strict=True)),
            "rows": [
                {"attribute": row["attribute"], "cells": [_beside(row, stage) for stage in STAGES]}
                for row in group.to_dicts()
            ],
        }
        for key, group in rows.group_by(keys, maintain_order=True)
    ]


def _beside(row: Mapping[str, Any], stage: str) -> str:
    real, shuffled = row[stage], row[f"{stage}_shuffled"]
    return figure(real, 3) if shuffled is None else f"{figure(real, 3)} ({figure(shuffled, 3)})"
