"""Prompt batches as they were delivered: ``inbox/prompts/<batch>/`` holds the file (or folder) and a note.

The note says the file's source, licence and place in the order of intake. The order never
changes, so that a duplicate is always the later one. Where prompts were withdrawn, a sealed copy without them has
taken the file's place, and the note knows both hashes.
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
from dagster_project.curation.sealing import SEALED, rows_of, seal, withdrawn_rows
from dagster_project.errors import SteerworksError
from dagster_project.identity import digest, file_sha256
from dagster_project.settings import Home
from dagster_project.settings.slugs import is_slug
from dagster_project.whole_files import flush, remove, write_text
from dagster_project.withdrawn import Register

NOTE = "delivery.json"


class PromptDelivery(BaseModel):
    """One delivered prompt file or folder: where it lies, what it is, and its intake numbers.

    ``withdrawn`` counts rows that a legal request took out; ``sealed`` is then the SHA-256 of the copy without them.
    """

    model_config = ConfigDict(frozen=True)

    batch: str
    file: str
    sha256: str
    source: str
    licence: str
    rows: int
    first_number: int
    withdrawn: int = 0
    sealed: str | None = None

    @property
    def stored(self) -> str:
        """The name of the file that is kept."""
        return f"{self.file}{SEALED}" if self.sealed else self.file


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

    Prompts that were withdrawn are left out of the copy: their rows are counted, and say no more.

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
        return _store(folder, path, delivery, Register.of_home(home))


def prompt_file(home: Home, delivery: PromptDelivery) -> Path:
    """Return where a delivered file lies, or its sealed copy."""
    return home.inbox / "prompts" / delivery.batch / delivery.stored


def withdrawn_from(home: Home, delivery: PromptDelivery, register: Register) -> dict[int, str]:
    """Return the rows of a delivery that the register refuses and that are still there: number and prompt id."""
    return dict(withdrawn_rows(rows_of(prompt_file(home, delivery)), register))


def seal_delivery(home: Home, batch: str, register: Register) -> PromptDelivery:
    """Have a sealed copy without withdrawn prompts take the place of a delivered file; safe to repeat after a kill."""
    with FileLock(home.inbox / "prompts" / ".lock"):
        delivery = find_delivery(home, batch)
        sealed = _sealed(home.inbox / "prompts" / batch, delivery, register)
        if sealed.sealed:
            remove(home.inbox / "prompts" / batch / sealed.file)
        return sealed


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
    as_delivered = {name: getattr(again, name) for name in ("first_number", "withdrawn", "sealed")}
    if earlier.model_copy(update=as_delivered) != again:
        raise SteerworksError(
            f"the batch `{again.batch}` was taken in already, with another file, source or licence "
            f"({earlier.file}, {earlier.rows} rows). Batches are only ever added: choose another name."
        )
    return earlier


def _store(folder: Path, path: Path, delivery: PromptDelivery, register: Register) -> PromptDelivery:
    """Make the batch's folder under another name and rename it, so that it is there whole or not at all."""
    temporary = folder / f".{delivery.batch}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for file in files_of(path):
        copy = temporary / delivery.file / file.relative_to(path) if path.is_dir() else temporary / delivery.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        flush(copy)
    stored = _sealed(temporary, delivery, register)
    if stored.sealed:
        remove(temporary / delivery.file)
    else:
        _write_note(temporary, stored)
    temporary.rename(folder / delivery.batch)
    flush(folder)
    return stored


def _sealed(folder: Path, delivery: PromptDelivery, register: Register) -> PromptDelivery:
    """Seal what lies in a batch's folder if a prompt of it was withdrawn; return the delivery as it is then."""
    stored = folder / delivery.stored
    out = frozenset(number for number, _ in withdrawn_rows(rows_of(stored), register))
    if not out:
        return delivery
    copy = seal(folder / delivery.file, rows_of(stored), out)
    counts = {"withdrawn": delivery.withdrawn + len(out), "sealed": file_sha256(copy)}
    sealed = delivery.model_copy(update=counts)
    _write_note(folder, sealed)
    return sealed


def _write_note(folder: Path, delivery: PromptDelivery) -> None:
    write_text(folder / NOTE, delivery.model_dump_json(indent=2) + "\n")
