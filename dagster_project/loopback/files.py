"""The files of the Batch API: uploaded by clients or written by batches, on disk until the server ends.

Belongs here: keeping bytes and the objects that describe them. Does not belong here: what is in them.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

from dagster_project.loopback.counters import Body


class Files:
    """File objects by id, in the shape that OpenAI gives them."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="loopback-models-")
        self._objects: dict[str, Body] = {}

    def close(self) -> None:
        """Delete all files."""
        self._folder.cleanup()

    def new(self) -> str:
        """Return an id, which no file of an earlier server had; `publish` makes it known once its bytes are written."""
        return f"file-{secrets.token_hex(12)}"

    def path(self, file_id: str) -> Path:
        """Return where a file's bytes are."""
        return Path(self._folder.name) / file_id

    def publish(self, file_id: str, filename: str, purpose: str) -> Body:
        """Make a file known, and return its object."""
        self._objects[file_id] = {
            "id": file_id,
            "object": "file",
            "bytes": self.path(file_id).stat().st_size,
            "created_at": int(time.time()),
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
        }
        return self._objects[file_id]

    def add(self, content: IO[bytes], filename: str, purpose: str) -> Body:
        """Keep a copy of an open file, and return its object."""
        file_id = self.new()
        with self.path(file_id).open("wb") as copy:
            shutil.copyfileobj(content, copy)
        return self.publish(file_id, filename, purpose)

    def get(self, file_id: str) -> Body | None:
        """Return a file's object, if it is known."""
        return self._objects.get(file_id)

    def delete(self, file_id: str) -> None:
        """Forget a file; whoever has it open may still read it."""
        del self._objects[file_id]
        self.path(file_id).unlink()
