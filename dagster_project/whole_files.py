"""Files that others pick up: there whole, or not at all.

The one way in which Steerworks puts a file down. Belongs here: temporary names, flushing to the
disk, renaming, removing. Does not belong here: what the files say.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PUBLIC = 0o644
PRIVATE = 0o600


@contextmanager
def replacing(path: Path, mode: int = PUBLIC) -> Iterator[Path]:
    """Give a temporary name beside a path; what was written there takes the path's place at the end.

    It is flushed to the disk first. If the block raises, the path stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode))
        yield temporary
        flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes left in place of a path; only for whoever alone may be writing it."""
    for temporary in path.parent.glob(f".{path.name}.*.tmp"):
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write bytes as a file."""
    with replacing(path, mode) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write text as a file in UTF-8 with plain line feeds."""
    write_whole(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON that always has the same bytes: sorted keys, a line feed at the end."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; nothing if it is not there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have the disk hold a file's bytes, or a folder's names, before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
