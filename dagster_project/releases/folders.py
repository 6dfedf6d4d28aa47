"""Releases on the disk as relations: what is in a folder that was built before.

Belongs here: opening the tables of release folders in a session. Does not belong here: what is asked of them
(`difference`, `explaining`, `sql/diff`).
"""

from __future__ import annotations

import re
from pathlib import Path

from dagster_project.lake import Session
from dagster_project.releases.splits import SPLITS
from dagster_project.settings import Home
from dagster_project.settings.version_names import VERSION_PATTERN

MANIFEST = "manifest.json"
SPLIT_TABLES = ("data", "preference", "annotations")
PROVENANCE = ("models", "prompts", "exclusions", "tasks")

Order = tuple[int, int, int, float]


def version_order(version: str) -> Order:
    """Return what versions are sorted by; a candidate comes before the version that it stands for."""
    base, _, candidate = version.removeprefix("v").partition("-rc.")
    major, minor, patch = (int(part) for part in base.split("."))
    return (major, minor, patch, int(candidate) if candidate else float("inf"))


def built_versions(home: Home) -> list[str]:
    """Return the versions that are whole in the home, the oldest first."""
    found = (path.parent.name for path in home.releases.glob(f"v*/{MANIFEST}"))
    return sorted((name for name in found if re.fullmatch(VERSION_PATTERN, name)), key=version_order)


def split_files(folder: Path, table: str) -> dict[str, Path]:
    """Return the file of each split of a table that has splits."""
    return {split: folder / table / f"{split}.parquet" for split in SPLITS}


def open_table(session: Session, name: str, folder: Path, table: str) -> None:
    """Give a table of a release as a view; one that has splits gets a column ``split``."""
    if table in SPLIT_TABLES:
        sides = [
            f"select *, '{split}' as split from {_file(path)}" for split, path in split_files(folder, table).items()
        ]
    else:
        sides = [f"from {_file(folder / f'{table}.parquet')}"]
    session.connection.execute(f'create or replace temp view "{name}" as {" union all ".join(sides)}')


def _file(path: Path) -> str:
    quoted = "'" + str(path).replace("'", "''") + "'"
    return f"read_parquet({quoted}, hive_partitioning = false)"
