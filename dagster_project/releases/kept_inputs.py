"""The files that releases were made from, kept under their hashes: ``lake/kept/<sha256>.parquet``.

Tables in the lake are made again, and their files replaced; a lock names files of before. They are kept as further
names of the same files where the disk allows it, which takes no room until the table is replaced. Belongs here:
keeping and finding them. Does not belong here: which they are (`lock`), or what is made from them (`remaking`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from dagster_project.identity import file_sha256
from dagster_project.lake import Lake
from dagster_project.whole_files import replacing

FOLDER = "kept"
IN_LAKE = "lake/"
"""How the lock's names of files in the lake begin."""


def keep_inputs(read: Lake, inputs: Mapping[str, str], lake: Lake) -> None:
    """Keep in a lake every file that a lock names; ``read`` is the lake that the release was made from."""
    for name, sha256 in inputs.items():
        if name.startswith(IN_LAKE) and not _kept(lake, sha256).exists():
            with replacing(_kept(lake, sha256)) as temporary:
                link(read.root / name.removeprefix(IN_LAKE), temporary)


def find_input(lake: Lake, name: str, sha256: str) -> Path | None:
    """Return a file that has the bytes that a lock names; None if it is nowhere."""
    candidates = (lake.root / name.removeprefix(IN_LAKE), _kept(lake, sha256))
    return next((path for path in candidates if path.exists() and file_sha256(path) == sha256), None)


def kept_files(lake: Lake) -> list[Path]:
    """Return all files that are kept."""
    return sorted((lake.root / FOLDER).glob("*.parquet"))


def forget_kept(lake: Lake, path: Path) -> None:
    """Remove the further name of a file of the lake, if it has one: its bytes must not outlive it."""
    if path.exists():
        _kept(lake, file_sha256(path)).unlink(missing_ok=True)


def link(source: Path, target: Path) -> None:
    """Give a file a further name, or copy it where it cannot have one."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _kept(lake: Lake, sha256: str) -> Path:
    return lake.root / FOLDER / f"{sha256}.parquet"
