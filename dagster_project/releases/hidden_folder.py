"""The hidden folder in which a release is made, and the moment at which it gets its name.

A release is renamed when it is whole, so nothing half-done is ever seen under its version, whenever the power fails.
Belongs here: that folder's life. Does not belong here: what is put into it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dagster_project.errors import SteerworksError
from dagster_project.whole_files import flush

BUILDING = ".building-"


@dataclass(frozen=True)
class HiddenFolder:
    """Where a build works: the release on its way, what DuckDB puts aside, and the lake as it once was."""

    root: Path

    @property
    def release(self) -> Path:
        """The files of the release."""
        return self.root / "release"

    @property
    def spill(self) -> Path:
        """What has no room in the memory."""
        return self.root / "spill"

    @property
    def lake(self) -> Path:
        """The lake of a lock."""
        return self.root / "lake"


@contextmanager
def hidden_folder(releases: Path, version: str) -> Iterator[HiddenFolder]:
    """Give a hidden folder to work in; it is gone afterwards, as are those of builds that died."""
    for leftover in releases.glob(f"{BUILDING}*"):
        _remove_if_dead(leftover, version)
    root = releases / f"{BUILDING}{version}-{os.getpid()}"
    root.mkdir(parents=True)
    try:
        yield HiddenFolder(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def give_name(folder: Path, path: Path) -> None:
    """Give a whole release its name.

    Raises:
        SteerworksError: another build was faster.
    """
    for inner in (folder, *(inner for inner in folder.rglob("*") if inner.is_dir())):
        flush(inner)
    try:
        folder.rename(path)
    except OSError:
        if not path.exists():
            raise
        raise SteerworksError(
            f"{path} was made by another build in the meantime, and is left as it is. Start again to verify it."
        ) from None
    flush(path.parent)


def _remove_if_dead(leftover: Path, version: str) -> None:
    process = leftover.name.rpartition("-")[2]
    is_mine = leftover.name == f"{BUILDING}{version}-{os.getpid()}"
    if is_mine or not (process.isdigit() and _is_alive(int(process))):
        shutil.rmtree(leftover, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
