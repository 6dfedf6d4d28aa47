"""Releases that must not be used any more, since they hold what was withdrawn: ``releases/<version>.yanked.json``.

A release's folder is never changed, so the mark lies beside it; it outlives the folder, and a yanked version is not
built again. Belongs here: the mark, and which releases hold something. Does not belong here: the withdrawal itself.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from dagster_project.releases.folders import SPLIT_TABLES, built_versions, split_files
from dagster_project.settings import Home
from dagster_project.whole_files import write_json


class Yank(BaseModel):
    """Why a version is yanked: the withdrawals, and the day of the first (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    since: str
    withdrawals: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.version} is yanked since {self.since}: it holds what a legal request withdrew. Do not use it, "
            "publish it or hand it on; delete its folder when nobody needs it as evidence any more"
        )


def yank_path(home: Home, version: str) -> Path:
    """Return where the mark of a version lies."""
    return home.releases / f"{version}.yanked.json"


def read_yank(home: Home, version: str) -> Yank | None:
    """Return why a version is yanked; None if it is not."""
    path = yank_path(home, version)
    return Yank.model_validate_json(path.read_bytes()) if path.exists() else None


def yank_of_folder(folder: Path) -> Yank | None:
    """Return why the release in a folder is yanked, by the mark beside it; None if it is not."""
    path = folder.resolve().with_name(f"{folder.resolve().name}.yanked.json")
    return Yank.model_validate_json(path.read_bytes()) if path.exists() else None


def yank(home: Home, version: str, withdrawal: str, day: str) -> None:
    """Mark a version as yanked by a withdrawal; one that is marked keeps its day."""
    known = read_yank(home, version) or Yank(version=version, since=day, withdrawals=())
    names = sorted({*known.withdrawals, withdrawal})
    write_json(yank_path(home, version), known.model_dump(mode="json") | {"withdrawals": names})


def versions_holding(home: Home, prompt_ids: Collection[str], annotators: Collection[str]) -> list[str]:
    """Return the releases that hold the text of some prompts, or ratings of some annotators, the oldest first."""
    return [
        version
        for version in built_versions(home)
        if any(_holds(path, "prompt_id", prompt_ids) for path in _texts(home.releases / version))
        or any(_holds(path, "annotator", annotators) for path in _ratings(home.releases / version))
    ]


def _texts(folder: Path) -> list[Path]:
    """Return the tables whose rows have a prompt's text; others only name it, with the reason why it is not there."""
    return [folder / "provenance" / "prompts.parquet", *split_files(folder, SPLIT_TABLES[0]).values()]


def _ratings(folder: Path) -> list[Path]:
    return [folder / "provenance" / "exclusions.parquet", *split_files(folder, "annotations").values()]


def _holds(path: Path, column: str, ids: Collection[str]) -> bool:
    if not ids or not path.exists():
        return False
    import pyarrow.compute as pc  # noqa: PLC0415 - the definitions load without it

    wanted = pa.array(sorted(ids), pa.string())
    with pq.ParquetFile(path) as file:
        batches = file.iter_batches(columns=[column])
        return any(pc.any(pc.is_in(batch.column(0), value_set=wanted)).as_py() for batch in batches)
