"""A delivery made plain: out of gzip or zip, and in UTF-8, before anything reads rows from it.

Belongs here: compression and encodings, with their bounds. Does not belong here: formats and rows (`formats`).
What a delivery says about itself is not believed: its kind is told by its first bytes, names inside an archive
lead nowhere, and sizes are counted while unpacking.
"""

from __future__ import annotations

import codecs
import gzip
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal, cast

from dagster_project.vendors.canonical import Defect
from dagster_project.whole_files import PRIVATE

Kind = Literal["text", "parquet", "workbook"]
CHUNK_BYTES = 1 << 16
GIGABYTE = 10**9
HARMLESS_BYTES = 64 << 20
MOST_TIMES = 200
"""Ratings shrink five to thirty times; what grows more than this on its way out was made to grow."""
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
TEXTS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
UNKNOWN_FORMAT = Defect(
    "unknown_format",
    "the file is none of JSON Lines, JSON, CSV, Parquet and Excel's .xlsx, in UTF-8: deliver it as one of them.",
)
BOMB = Defect(
    "too_large_unpacked",
    "unpacked, the file is larger than `max_unpacked_gb` of vendors.yaml allows, or many times larger than packed: it "
    "was not read. Deliver it in parts.",
)
NOT_ONE_FILE = Defect(
    "not_one_file", "the archive does not hold exactly one file: deliver each file in an archive of its own, or plain."
)
BROKEN_ARCHIVE = Defect(
    "broken_archive", "the archive is damaged or has a password: nothing in it was read. Pack it again, without one."
)


@dataclass(frozen=True)
class Plain:
    """A plain file. ``is_cut``: it was unpacked as far as a broken-off archive goes, and no further."""

    path: Path
    kind: Kind
    suffix: str
    is_cut: bool = False


class _RefusedError(Exception):
    def __init__(self, defect: Defect) -> None:
        self.defect = defect
        super().__init__(defect.message)


@contextmanager
def made_plain(raw: Path, encoding: str, max_bytes: int) -> Iterator[Plain | Defect]:
    """Give a delivery as a plain file, or the reason why it is refused.

    What must be unpacked or put into UTF-8 lies beside the delivery, readable by its owner alone, until the block ends.

    Args:
        raw: the delivery in the vault.
        encoding: of texts that have no byte order mark.
        max_bytes: the most that it may hold unpacked.
    """
    unpacked, transcoded = raw.with_name(f".{raw.name}.unpacked"), raw.with_name(f".{raw.name}.utf-8")
    try:
        yield _plain(raw, unpacked, transcoded, encoding, max_bytes)
    except _RefusedError as error:
        yield error.defect
    finally:
        unpacked.unlink(missing_ok=True)
        transcoded.unlink(missing_ok=True)


def _plain(raw: Path, unpacked: Path, transcoded: Path, encoding: str, max_bytes: int) -> Plain:
    found = _unpack(raw, unpacked, max_bytes)
    if found.kind != "text":
        return found
    with found.path.open("rb") as file:
        start = file.read(4)
    marked = next((name for mark, name in MARKS if start.startswith(mark)), codecs.lookup(encoding).name)
    if marked in ("utf-8", "utf-8-sig"):
        _require_utf8(found)
        return found
    _transcode(found.path, transcoded, marked)
    return Plain(transcoded, "text", found.suffix, found.is_cut)


def _unpack(raw: Path, target: Path, max_bytes: int) -> Plain:
    with raw.open("rb") as file:
        start = file.read(4)
    if start.startswith(b"\x1f\x8b"):
        with gzip.open(raw) as stream:
            is_cut = _copy(stream, target, _counted(raw, max_bytes))
        return Plain(target, _kind(target), "", is_cut)
    if start == b"PK\x03\x04":
        return _unzip(raw, target, max_bytes)
    return Plain(raw, _kind(raw), raw.suffix)


def _kind(path: Path) -> Kind:
    with path.open("rb") as file:
        start = file.read(4)
    return "parquet" if start == b"PAR1" else "text"


def _unzip(raw: Path, target: Path, max_bytes: int) -> Plain:
    try:
        with zipfile.ZipFile(raw) as archive:
            names = [entry for entry in archive.infolist() if _is_a_file(entry)]
            if any(entry.filename.startswith("xl/") for entry in names):
                # openpyxl reads no further than these sizes: a lie breaks the archive's checksums
                _counted(raw, max_bytes)(sum(entry.file_size for entry in names))
                return Plain(raw, "workbook", ".xlsx")
            if len(names) != 1:
                raise _RefusedError(NOT_ONE_FILE)
            with archive.open(names[0]) as stream:
                is_cut = _copy(cast(zipfile.ZipExtFile, stream), target, _counted(raw, max_bytes))
            return Plain(target, _kind(target), PurePosixPath(names[0].filename).suffix.lower(), is_cut)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, ValueError):
        raise _RefusedError(BROKEN_ARCHIVE) from None


def _is_a_file(entry: zipfile.ZipInfo) -> bool:
    """Leave out folders, and what a Mac adds by itself."""
    path = PurePosixPath(entry.filename)
    return not (entry.is_dir() or "__MACOSX" in path.parts or path.name.startswith("."))


def _counted(raw: Path, max_bytes: int) -> Callable[[int], None]:
    """Return a check of how much came out of a packed file."""
    packed = raw.stat().st_size

    def check(unpacked: int) -> None:
        if unpacked > max_bytes or (unpacked > HARMLESS_BYTES and unpacked > MOST_TIMES * packed):
            raise _RefusedError(BOMB)

    return check


def _copy(stream: gzip.GzipFile | zipfile.ZipExtFile, target: Path, check: Callable[[int], None]) -> bool:
    """Unpack a stream; return whether it breaks off."""
    done = 0
    with _private(target) as file:
        try:
            while chunk := stream.read1(CHUNK_BYTES):
                done += len(chunk)
                check(done)
                file.write(chunk)
        except EOFError:
            return True
        except (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile):
            raise _RefusedError(BROKEN_ARCHIVE) from None
    return False


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "wb")


def _require_utf8(plain: Plain) -> None:
    """Raise unless a file is UTF-8; where it breaks off within a character, its last row tells."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = 0
    with plain.path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                is_text = plain.suffix in TEXTS
                defect = _wrong_encoding("UTF-8", done - waiting + error.start) if is_text else UNKNOWN_FORMAT
                raise _RefusedError(defect) from None
            done += len(chunk)


def _transcode(source: Path, target: Path, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with source.open("rb") as file, _private(target) as plain:
        while chunk := file.read(CHUNK_BYTES):
            try:
                plain.write(decoder.decode(chunk).encode())
            except UnicodeError:
                raise _RefusedError(_wrong_encoding(encoding, done)) from None
            done += len(chunk)


def _wrong_encoding(encoding: str, place: int) -> Defect:
    return Defect(
        "wrong_encoding",
        f"the file is not {encoding} at byte {place} (from 0): no row of it was read. "
        "Save it as UTF-8, and deliver it again; or name its `encoding` in a mapping in vendors.yaml.",
    )
