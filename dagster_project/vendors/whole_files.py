"""Writing files that others pick up: whole or not at all.

Belongs here: the one way in which this package puts a file down. Does not belong here: Parquet
(`lake`), or what the files say.
"""

from __future__ import annotations

import os
from pathlib import Path

from dagster_project.lake.parquet import flush

PUBLIC = 0o644
PRIVATE = 0o600


def write_whole(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)
