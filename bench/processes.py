"""Programs in processes of their own, measured from fork to exit.

Peak memory comes from the kernel, which lets a child begin with the peak of the process that forked it. So this
module, and all that the benchmark's own process imports, is standard library only and stays small.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

PROJECT_ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 3600.0
"""A program that takes longer is taken to hang, and is killed."""
_OWN_AND_CHILDRENS_TICKS = slice(11, 15)
"""Of what proc(5) says after a program's name: utime, stime, cutime, cstime."""


@dataclass(frozen=True)
class Finished:
    """What a program took, its children that it waited for included: seconds, CPU seconds (user and system), MB."""

    wall: float
    cpu: float
    rss: float
    exit_code: int
    output: str
    errors: str

    @property
    def problem(self) -> str:
        """Why it failed, in its own last words; nothing if it did not."""
        if self.exit_code == 0:
            return ""
        if self.exit_code < 0:
            return f"ended by signal {-self.exit_code}"
        return (self.errors.strip().splitlines() or [f"exit code {self.exit_code}"])[-1]


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module."""
    return [sys.executable, "-m", module, *arguments]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of all programs: they import this clone, whatever is installed, and compile it once."""
    return {**os.environ, "PYTHONPATH": str(PROJECT_ROOT), "PYTHONDONTWRITEBYTECODE": "", **(extra or {})}


class Running:
    """A program that runs; leaving the context ends it."""

    def __init__(self, arguments: Sequence[str], extra_environment: Mapping[str, str] | None = None) -> None:
        self._output, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            arguments,
            stdout=self._output,
            stderr=self._errors,
            cwd=PROJECT_ROOT,
            env=environment(extra_environment),
        )
        self._finished: Finished | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._finished is None:
            self.kill()
            self.wait()
        self._output.close()
        self._errors.close()

    def cpu_so_far(self) -> float | None:
        """Return the CPU seconds it took until now, in steps of a clock tick; None if it has ended."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return sum(map(int, fields[_OWN_AND_CHILDRENS_TICKS])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def has_ended(self) -> bool:
        """Say whether it has ended, without waiting."""
        return self._finished is not None or self._reap(os.WNOHANG)

    def wait(self, limit_seconds: float = LIMIT_SECONDS) -> Finished:
        """Return what it took, when it has ended."""
        hangs = threading.Timer(limit_seconds, self.kill)
        hangs.start()
        try:
            while not self.has_ended():
                self._reap(0)
        finally:
            hangs.cancel()
        assert self._finished is not None  # noqa: S101 - for the type checker
        return self._finished

    def _reap(self, options: int) -> bool:
        ended, status, usage = os.wait4(self._process.pid, options)
        if not ended:
            return False
        wall = time.perf_counter() - self.began
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._finished = Finished(
            wall,
            cpu=usage.ru_utime + usage.ru_stime,
            rss=usage.ru_maxrss / 1024,
            exit_code=self._process.returncode,
            output=_text(self._output),
            errors=_text(self._errors),
        )
        return True


def run(arguments: Sequence[str], extra_environment: Mapping[str, str] | None = None) -> Finished:
    """Run a program to its end."""
    with Running(arguments, extra_environment) as running:
        return running.wait()


def run_well(arguments: Sequence[str], extra_environment: Mapping[str, str] | None = None) -> str:
    """Run a program of the benchmark's own, and return what it says.

    Raises:
        RuntimeError: it failed.
    """
    finished = run(arguments, extra_environment)
    if finished.exit_code:
        raise RuntimeError(f"{' '.join(arguments[1:4])} failed: {finished.errors or finished.problem}")
    return finished.output


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
