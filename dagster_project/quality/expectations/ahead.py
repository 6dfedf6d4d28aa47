"""Checking partitions ahead, in a process beside the one that makes them.

Great Expectations takes a quarter of a second of a processor for a partition. Where models are asked for hundreds of
cells, that time is spent while they answer: the check that follows finds what was found for the same bytes.

Belongs here: the process, and what it is told. Does not belong here: checking (`run`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake, Partition
from dagster_project.quality.expectations.run import check_partition
from dagster_project.quality.expectations.suites import load_suites
from dagster_project.settings import PROJECT_ROOT

SILENT_SECONDS = 5.0
PIPE_BYTES = 1 << 20
"""Some thousand partitions: whoever makes them must not wait for those who check."""
POLITENESS = 10
"""What makes partitions goes first where there are few processors."""


class ChecksAhead:
    """Checks partitions of a table as they are made; use as a context manager.

    Leaving it waits until all are checked; an exception does not wait. If the process fails, whatever it has not
    checked is left to the check that follows.

    Args:
        lake: where the partitions lie, and findings are kept.
        table: of the partitions.
        say: called if the checks take longer than what they are of.
    """

    def __init__(self, lake: Lake, table: str, say: Callable[[str], None]) -> None:
        self._lake = lake
        self._table = table
        self._say = say
        self._first: Partition | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def check(self, partition: Partition) -> None:
        """Have a partition checked soon; a single one is left to the check that follows."""
        if self._process:
            self._ask_for(partition)
        elif self._first is None:
            self._first = partition
        else:
            self._process = _start(self._lake, self._table)
            self._ask_for(self._first)
            self._ask_for(partition)

    def _ask_for(self, partition: Partition) -> None:
        if self._process and self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(dict(partition)).encode() + b"\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._process:
            return
        try:
            if kind is None:
                self._wait(self._process)
        finally:
            self._process.kill()
            self._process.communicate()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(SILENT_SECONDS)
        except subprocess.TimeoutExpired:
            self._say(f"waiting until all that was made of `{self._table}` is checked")
            process.wait()


def _start(lake: Lake, table: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", __name__, str(lake.root), table, str(os.getpid())],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        pipesize=PIPE_BYTES,
        start_new_session=True,  # Ctrl-C is for whoever started it, and ends this one through its input
    )


def main() -> None:
    """Check the partitions that are named, one JSON object a line, until no more come or their maker is gone."""
    root, table, maker = sys.argv[1:]
    os.nice(POLITENESS)
    lake, suites = Lake(Path(root)), load_suites(PROJECT_ROOT / "expectations")
    for line in sys.stdin.buffer:
        if os.getppid() != int(maker):
            return
        with suppress(SteerworksError):
            check_partition(lake, table, json.loads(line), suites)


if __name__ == "__main__":
    main()
