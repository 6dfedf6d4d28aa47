"""The `steerworks` command on a home that was prepared."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = Path(sys.executable).parent
"""Where the programs of this Python environment lie."""


def backfill() -> list[str]:
    """Return the command line that fills all missing cells."""
    return [str(SCRIPTS / "steerworks"), "backfill"]


def home_environment(home: Path) -> dict[str, str]:
    """Return the variables by which programs find a home, its configuration and its Dagster storage."""
    return {
        "STEERWORKS_HOME": str(home),
        "STEERWORKS_CONFIG": str(home / "config"),
        "DAGSTER_HOME": str(home / "dagster"),
        "COLUMNS": "120",
    }
