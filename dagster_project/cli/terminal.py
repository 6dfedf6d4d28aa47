"""The terminal that the commands write to."""

from __future__ import annotations

import os
import sys

from rich.console import Console


def open_console() -> Console:
    """Return a console on a duplicate of standard output.

    Dagster turns standard output into a file while a step runs; on the duplicate, progress goes on
    being shown.
    """
    return Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))
