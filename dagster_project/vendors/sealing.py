"""Raw deliveries without what was withdrawn: a sealed copy in the place of the delivered file.

A sealed file, ``<sha256>.sealed.jsonl``, has the annotations that are left, a line each, by the names of the fields,
with their number and row in the delivered file. Whatever the format was, nobody else's ratings go with those that were
withdrawn; rows that could not be read do, as nobody can say whose they are. It is evidence, and not read again as a
delivery. Belongs here: that file. Does not belong here: the rows of the lake (`withdrawing`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from dagster_project.vendors.canonical import Defect
from dagster_project.vendors.formats import Found
from dagster_project.vendors.sorting import Sorter
from dagster_project.vendors.vault import RawCopy
from dagster_project.whole_files import PRIVATE, replacing

SEALED = ".sealed.jsonl"


def raw_copies(vault: Path, vendor: str) -> list[RawCopy]:
    """Return the raw deliveries of a vendor that the vault has, sealed or not."""
    folder = vault / "deliveries" / vendor
    files = sorted(path for path in folder.glob("[0-9a-f]*") if path.is_file())
    return [RawCopy(path, path.name.partition(".")[0], path.stat().st_size) for path in files]


def half_read(vault: Path, vendor: str) -> list[Path]:
    """Return what an intake that was killed left beside the raw deliveries; whoever asks holds the intake's lock."""
    return sorted(path for path in (vault / "deliveries" / vendor).glob(".*") if not path.name.startswith(".again-"))


def is_sealed(raw: Path) -> bool:
    """Say whether a file of the vault is a sealed copy."""
    return raw.name.endswith(SEALED)


def withdrawn_annotations(sorter: Sorter, raw: RawCopy) -> list[int]:
    """Return the numbers of the annotations in a raw delivery that must not be kept."""
    return [
        one.number
        for one in _found(sorter, raw)
        if not isinstance(one.cells, Defect) and sorter.is_withdrawn(one.cells)
    ]


def seal(sorter: Sorter, raw: RawCopy) -> None:
    """Have a sealed copy take the place of a raw delivery, with its age; safe to repeat after a kill."""
    age = raw.path.stat()
    sealed = raw.path.with_name(f"{raw.delivery_id}{SEALED}")
    with replacing(sealed, PRIVATE) as temporary, temporary.open("w", encoding="utf-8") as file:
        for one in _found(sorter, raw):
            if not isinstance(one.cells, Defect) and not sorter.is_withdrawn(one.cells):
                line = {"number": one.number, "row": one.row, "cells": one.cells}
                file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    os.utime(sealed, ns=(age.st_atime_ns, age.st_mtime_ns))  # how long it is kept counts from its delivery
    if raw.path != sealed:
        raw.path.unlink()


def _found(sorter: Sorter, raw: RawCopy) -> Iterator[Found]:
    if not is_sealed(raw.path):
        yield from sorter.found(raw)
        return
    with raw.path.open(encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            yield Found(line["number"], line["row"], line["cells"])
