"""Prompt batches as they were delivered: ``inbox/prompts/<batch>/`` holds the file (or folder) and a note.

The note says the file's source, licence and place in the order of intake. The order never
changes, so that a duplicate is always the later one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from dagster_project.curation.prompt_files import files_of, read_rows
from dagster_project.curation.prompt_rows import PromptRowError, parse_row
from dagster_project.errors import SteerworksError
from dagster_project.identity import digest, file_sha256
from dagster_project.settings import Home
from dagster_project.settings.slugs import is_slug
from dagster_project.whole_files import flush, write_text

NOTE = "delivery.json"


class PromptDelivery(BaseModel):
    """One delivered prompt file or folder: where it lies, what it is, and its intake numbers."""

    model_config = ConfigDict(frozen=True)

    batch: str
    file: str
    sha256: str
    source: str
    licence: str
    rows: int
    first_number: int


def delivered_batches(home: Home) -> list[PromptDelivery]:
    """Return all deliveries in order of intake."""
    notes = (home.inbox / "prompts").glob(f"*/{NOTE}")
    deliveries = [PromptDelivery.model_validate_json(note.read_text(encoding="utf-8")) for note in notes]
    return sorted(deliveries, key=lambda delivery: delivery.first_number)


def find_delivery(home: Home, batch: str) -> PromptDelivery:
    """Return the delivery of a batch.

    Raises:
        SteerworksError: there is none.
    """
    delivery = next((known for known in delivered_batches(home) if known.batch == batch), None)
    if delivery is None:
        raise SteerworksError(
            f"no prompts were delivered as `{batch}`. Run `steerworks prompts add FILE --batch {batch}` first."
        )
    return delivery


def deliver_prompts(home: Home, path: Path, batch: str, source: str, licence: str) -> PromptDelivery:
    """Copy a prompt file or folder into the inbox as a batch; the same bytes again change nothing.

    Raises:
        SteerworksError: the file cannot be read as prompts, not one of its rows is one, the batch's name is no slug,
            source or licence are blank, or the batch exists already with other content.
    """
    if not is_slug(batch):
        raise SteerworksError(f"`{batch}` cannot name a batch: use lower-case letters, digits, `.` and `-`.")
    for name, told in (("source", source), ("licence", licence)):
        if not told.strip():
            raise SteerworksError(f"{path}: the {name} is blank. Say it: no prompt is released without one.")
    rows = _count_rows(path)
    folder = home.inbox / "prompts"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        known = delivered_batches(home)
        first = max((delivery.first_number + delivery.rows for delivery in known), default=1)
        delivery = PromptDelivery(
            batch=batch,
            file=path.name,
            sha256=delivery_sha256(path),
            source=source,
            licence=licence,
            rows=rows,
            first_number=first,
        )
        earlier = next((other for other in known if other.batch == batch), None)
        if earlier is not None:
            return _unchanged(earlier, delivery)
        _store(folder, path, delivery)
    return delivery


def prompt_file(home: Home, delivery: PromptDelivery) -> Path:
    """Return where a delivered file lies."""
    return home.inbox / "prompts" / delivery.batch / delivery.file


def delivery_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or over the names and bytes of a folder's files."""
    if not path.is_dir():
        return file_sha256(path)
    return digest([[file.relative_to(path).as_posix(), file_sha256(file)] for file in files_of(path)])


def _count_rows(path: Path) -> int:
    """Count the rows of a file that has at least one prompt: a batch of broken rows alone could never be mended."""
    rows, is_sound, first_defect = 0, False, ""
    for number, content, defect in read_rows(path):
        rows += 1
        if not is_sound:
            defect = defect or _defect(content)
            is_sound, first_defect = defect is None, first_defect or f"row {number}: {defect}"
    if rows == 0:
        raise SteerworksError(f"{path}: the file has no rows. Give a file with at least one prompt.")
    if not is_sound:
        raise SteerworksError(
            f"{path}: not one of its {rows} rows is a prompt, so nothing was taken in. {first_defect}. "
            "Mend the file, or rename its fields; docs/curation.md says what is read."
        )
    return rows


def _defect(content: Any) -> str | None:
    try:
        parse_row(content)
    except PromptRowError as broken:
        return str(broken)
    return None


def _unchanged(earlier: PromptDelivery, again: PromptDelivery) -> PromptDelivery:
    if earlier.model_copy(update={"first_number": again.first_number}) != again:
        raise SteerworksError(
            f"the batch `{again.batch}` was taken in already, with another file, source or licence "
            f"({earlier.file}, {earlier.rows} rows). Batches are only ever added: choose another name."
        )
    return earlier


def _store(folder: Path, path: Path, delivery: PromptDelivery) -> None:
    """Make the batch's folder under another name and rename it, so that it is there whole or not at all."""
    temporary = folder / f".{delivery.batch}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for file in files_of(path):
        copy = temporary / delivery.file / file.relative_to(path) if path.is_dir() else temporary / delivery.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        flush(copy)
    write_text(temporary / NOTE, delivery.model_dump_json(indent=2) + "\n")
    temporary.rename(folder / delivery.batch)
    flush(folder)
