"""Room on the disk that is kept for the answers under way, should it fill up: they are paid for.

Belongs here: setting the room aside, and giving it back. Does not belong here: writing answers (`journal`), and
having nothing more sent (`engine`).
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from dagster_project.errors import SteerworksError

RESERVE_BYTES = 16 << 20
"""Long answers to a thousand requests."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Reserve:
    """Room that a process sets aside where journals lie; the disk has it back when the process ends, however it does.

    Args:
        folder: of the journals.
        on_full: called with what to tell the user when the disk is full.
    """

    def __init__(self, folder: Path, on_full: Callable[[SteerworksError], None]) -> None:
        self._folder = folder
        self._on_full = on_full
        self._file: IO[bytes] | None = None

    def set_aside(self) -> None:
        """Take the room, unless it is taken.

        Raises:
            SteerworksError: there is not so much.
        """
        if self._file:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - for as long as there is something to ask
            os.posix_fallocate(self._file.fileno(), 0, RESERVE_BYTES)
        except OSError as error:
            self.close()
            raise SteerworksError(
                f"{self._folder}: {RESERVE_BYTES >> 20} MB cannot be set aside for answers ({error.strerror}). Free or "
                "repair the disk, and start again."
            ) from error

    def give_back(self, error: OSError) -> bool:
        """Give the room back if an error says that the disk is full; say whether it is worth trying again."""
        if error.errno not in _FULL or not self._file:
            return False
        self.close()
        self._on_full(
            SteerworksError(
                f"{self._folder}: the disk is full ({error.strerror}), so nothing more is sent. Free some room, and "
                "start again: the answers until then, also those that were under way, are kept."
            )
        )
        return True

    def close(self) -> None:
        """Set nothing aside any more."""
        if self._file:
            self._file.close()
            self._file = None
