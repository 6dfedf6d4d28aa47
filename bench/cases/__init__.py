"""The cases, by the names that select them. Each yields rows as they are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.cases.again import again
from bench.cases.agreement import agreement
from bench.cases.cells import cells
from bench.cases.definitions import definitions
from bench.cases.intake import intake
from bench.cases.killed import kill, storm_kill
from bench.cases.memory import memory
from bench.cases.orchestrated import orchestrated
from bench.cases.pace import cap, faults, fixed, large, refused, storm, tail
from bench.cases.prompts import prompts
from bench.cases.release import release
from bench.figures import Row
from bench.run import Run

Case = Callable[[Run], Iterator[Row]]

CASES: dict[str, Case] = {
    "definitions": definitions,
    "fixed": fixed,
    "large": large,
    "tail": tail,
    "faults": faults,
    "cap": cap,
    "refused": refused,
    "kill": kill,
    "again": again,
    "storm": storm,
    "storm-kill": storm_kill,
    "orchestrated": orchestrated,
    "cells": cells,
    "memory": memory,
    "intake": intake,
    "agreement": agreement,
    "prompts": prompts,
    "release": release,
}

DEFAULT = (
    "definitions",
    "fixed",
    "large",
    "tail",
    "faults",
    "cap",
    "refused",
    "kill",
    "again",
    "storm-kill",
    "orchestrated",
)
"""What runs when no case is named; the others take long, and are run by name or with ``--full``."""
