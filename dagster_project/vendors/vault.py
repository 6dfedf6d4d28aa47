"""The vault: raw deliveries and all that names a worker, readable by their owner alone.

Belongs here: the folder, its modes, and the keeping of raw files. Does not belong here: what
pseudonyms are made of (`identities`), or what the files say (`intake`).
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dagster_project.errors import SteerworksError
from dagster_project.settings import Home
from dagster_project.whole_files import PRIVATE, flush

CHUNK_BYTES = 1 << 19
"""What fits into a processor's cache, and takes longer to hash than to hand to another thread."""
CHUNKS_AHEAD = 2
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class RawCopy:
    """A delivered file's bytes in the vault: ``path`` is named by their SHA-256, ``delivery_id``."""

    path: Path
    delivery_id: str
    bytes: int


def open_vault(home: Home) -> Path:
    """Make the vault if need be, close it to all but its owner, and return it."""
    home.vault.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.vault.chmod(0o700)
    return home.vault


def private_folder(vault: Path, *names: str) -> Path:
    """Return a folder of the vault, made if need be."""
    folder = vault
    for name in names:
        folder = folder / name
        folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def keep_raw(vault: Path, vendor: str, delivered: Path) -> RawCopy:
    """Copy a delivered file to ``deliveries/<vendor>/<sha256><suffix>``, mode 0600.

    A copy, as inbox and vault may be on different disks, and as only a copy is sure to stay
    as it was hashed.

    Raises:
        SteerworksError: the file cannot be read.
    """
    folder = private_folder(vault, "deliveries", vendor)
    temporary = folder / ".taking-in.tmp"
    try:
        delivery_id, size = _copy(delivered, temporary)
        path = folder / f"{delivery_id}{delivered.suffix.lower()}"
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(folder)
    return RawCopy(path, delivery_id, size)


def expired_raw(home: Home, retention_days: int, now: float) -> list[Path]:
    """Return the raw deliveries that were taken in longer ago than they are to be kept, oldest first.

    Only the vendors' own files are meant: their rows in the lake and the map of workers stay.

    Args:
        home: whose vault.
        retention_days: how long they are to be kept.
        now: seconds since 1970.
    """
    taken_in = {path: path.stat().st_mtime for path in (home.vault / "deliveries").glob("*/*") if path.is_file()}
    old = [path for path, moment in taken_in.items() if now - moment > retention_days * SECONDS_A_DAY]
    return sorted(old, key=lambda path: (taken_in[path], path))


def _copy(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file and hash it meanwhile; return the SHA-256 and the number of the bytes that were copied."""
    sha256, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "wb") as kept, _readable(source) as incoming, ThreadPoolExecutor(1) as hashing:
        hashed: deque[Future[None]] = deque()
        while chunk := incoming.read(CHUNK_BYTES):
            hashed.append(hashing.submit(sha256.update, chunk))
            size += kept.write(chunk)
            if len(hashed) > CHUNKS_AHEAD:
                hashed.popleft().result()
    flush(target)
    return sha256.hexdigest(), size


def _readable(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except PermissionError:
        raise SteerworksError(
            # a file's name may hold a person's, and errors are kept by Dagster
            f"{path.parent}: this user may not read all files in it (`ls -l` shows which). Give it the right to "
            "(`chmod`, `chown`), and start again; the file stays in the inbox."
        ) from None
