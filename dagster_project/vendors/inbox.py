"""The inbox: which of a vendor's files are ready to be taken in.

Belongs here: looking. Does not belong here: anything that changes a file (`intake`).
"""

from __future__ import annotations

import stat
import time
from pathlib import Path

from dagster_project.settings import Home, VendorsFile

UNFINISHED_SUFFIXES = (".tmp", ".part", ".partial")


def pending(home: Home, vendors_file: VendorsFile, vendor: str) -> list[Path]:
    """Return the settled files in a vendor's inbox, by name.

    Left alone are files that changed within ``settle_seconds``, names that begin with a dot or
    end in ``.tmp``, ``.part`` or ``.partial``, links and folders.
    """
    folder = home.inbox / vendor
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in files if _has_settled(path, vendors_file.settle_seconds)]


def _has_settled(path: Path, settle_seconds: float) -> bool:
    if path.name.startswith(".") or path.name.lower().endswith(UNFINISHED_SUFFIXES):
        return False
    try:
        state = path.lstat()
    except FileNotFoundError:
        return False  # taken in by another process since the folder was listed
    # the distance, not the age: a vendor's clock that runs ahead must not hold a file back for ever
    return stat.S_ISREG(state.st_mode) and abs(time.time() - state.st_mtime) >= settle_seconds
