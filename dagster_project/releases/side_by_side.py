"""Writing several files at once, each in the order of its rows: encoding and compressing takes most of a build.

Belongs here: who waits for whom. Does not belong here: what is written. The bytes of a file do not depend on how many
are written beside it, as all of its rows come one portion after the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class SideBySide:
    """Takes portions of files; use as a context manager, inside that of the files."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._last: dict[str, Future[None]] = {}

    def __enter__(self) -> Self:
        return self

    def write(self, path: str, portion: Callable[[], None]) -> None:
        """Have a portion of a file written once the one before it is; so at most one portion a file is in memory.

        Raises:
            Exception: as the portion before it did.
        """
        if path in self._last:
            self._last[path].result()
        self._last[path] = self._pool.submit(portion)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        if error is None:
            for written in self._last.values():
                written.result()
