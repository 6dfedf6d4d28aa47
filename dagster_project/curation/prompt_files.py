"""Reading prompts row by row from what they come in, never more than some thousand rows at a time.

Understood are JSON Lines, a JSON list (as ShareGPT is passed around), Parquet, each of the first two
also as .gz, and the folder that Hugging Face's ``save_to_disk`` makes, of one data set or of several
splits. Belongs here: rows out of files. Does not belong here: what a row says (`prompt_rows`).
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.errors import SteerworksError

Row = tuple[int, Any, str | None]
"""Row number from 1, the row's content, and the rule it breaks already as text (or None)."""

SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz", ".parquet")
STATE, SPLITS = "state.json", "dataset_dict.json"
ROWS_AT_ONCE = 4096
CHARACTERS_AT_ONCE = 1 << 20
_HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
"""As JSON spells one; two together are a whole character."""


def read_rows(path: Path) -> Iterator[Row]:
    """Yield every row of a prompt file or folder; a row that cannot be read carries its defect.

    Raises:
        SteerworksError: it is absent, empty, of another kind, or broken as a whole.
    """
    if path.is_dir():
        return _numbered(row for files in _arrow_files(path) for row in _arrow_rows(files))
    if not path.is_file():
        raise SteerworksError(f"{path}: no such file.")
    if path.stat().st_size == 0:
        raise SteerworksError(f"{path}: the file is empty. Give a file with at least one prompt.")
    suffix = suffix_of(path)
    if suffix not in {one.removesuffix(".gz") for one in SUFFIXES}:
        raise SteerworksError(f"{path}: prompts come as {', '.join(SUFFIXES)}, not as `{path.suffix}`. Convert it.")
    if suffix == ".parquet":
        return _numbered(_parquet_rows(path))
    return _json_rows(path)


def suffix_of(path: Path) -> str:
    """Return a file's suffix, looking through ``.gz``."""
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Give a file's bytes, those of a ``.gz`` decompressed as they are read."""
    with path.open("rb") as file:
        if path.suffix != ".gz":
            yield file
            return
        with gzip.open(file) as unpacked:
            yield cast(IO[bytes], unpacked)


def files_of(path: Path) -> list[Path]:
    """Return the files that a delivery consists of, sorted: the file itself, or those of a folder."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _json_rows(path: Path) -> Iterator[Row]:
    try:
        with opened(path) as file:
            yield from _listed_rows(path, file) if suffix_of(path) == ".json" else _line_rows(file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SteerworksError(f"{path}: a broken .gz file: {error}. Compress it again.") from None


def _line_rows(file: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip()
        if not text:
            continue
        try:
            spelt = text.decode("utf-8")
            yield _checked(number, json.loads(spelt), spelt)
        except UnicodeDecodeError as error:
            yield number, None, f"wrong_encoding: not UTF-8 at byte {error.start} of the row; save it as UTF-8"
        except json.JSONDecodeError as error:
            yield number, None, f"not_json: {error.msg} at character {error.pos + 1}"
        except RecursionError:
            yield number, None, "not_json: it is nested too deeply"


def _listed_rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    """Yield the values of a JSON list, one after the other, as the file is read."""
    decoder, text, ended, number = json.JSONDecoder(), "", False, 0
    pieces = _characters(path, file)
    text = next(pieces, "").lstrip()
    if not text.startswith("["):
        raise SteerworksError(f"{path}: a .json file of prompts is one list. Call it .jsonl if it has a row a line.")
    text = text[1:]
    while True:
        text = text.lstrip(" \t\r\n,")
        if text.startswith("]"):
            return
        try:
            value, end = decoder.raw_decode(text)
        except json.JSONDecodeError as error:
            if ended:
                raise SteerworksError(f"{path}: not JSON after row {number}: {error.msg}. Write it again.") from None
            # Twice as much each time, so that one long row is not read again for each piece of it.
            more = "".join(piece for piece, _ in zip(pieces, range(1 + len(text) // CHARACTERS_AT_ONCE), strict=False))
            text, ended = text + more, not more
            continue
        number += 1
        yield _checked(number, value, text[:end])
        text = text[end:]


def _checked(number: int, value: Any, spelt: str) -> Row:
    """Return a row, or its defect where it holds half of a character, which JSON can spell and UTF-8 cannot."""
    if not _HALF_A_CHARACTER.search(spelt):
        return number, value, None
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return number, None, "wrong_encoding: it holds half of a character (a lone surrogate); write it again"
    return number, value, None


def _characters(path: Path, file: IO[bytes]) -> Iterator[str]:
    import codecs  # noqa: PLC0415 - only for lists

    reader = codecs.getreader("utf-8-sig")(file)
    try:
        while piece := reader.read(CHARACTERS_AT_ONCE):
            yield piece
    except UnicodeDecodeError as error:
        raise SteerworksError(f"{path}: not UTF-8 ({error.reason}). Save it as UTF-8.") from None


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise SteerworksError(f"{path}: not a Parquet file: {error}. Write it again.") from None
    with file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
            yield from batch.to_pylist()


def _arrow_files(folder: Path) -> Iterator[list[Path]]:
    """Yield the files of each data set in a folder, in the order that its makers wrote down."""
    if (folder / SPLITS).is_file():
        for split in _told(folder / SPLITS)["splits"]:
            yield from _arrow_files(folder / split)
        return
    if not (folder / STATE).is_file():
        raise SteerworksError(
            f"{folder}: a folder of prompts is one that Hugging Face's `save_to_disk` made, with {STATE} or {SPLITS}. "
            "Give a file, or save the data set there."
        )
    state = _told(folder / STATE)
    if state.get("_indices_data_files"):
        raise SteerworksError(
            f"{folder}: it only points into other rows. Call `flatten_indices` before `save_to_disk`."
        )
    yield [folder / entry["filename"] for entry in state["_data_files"]]


def _told(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SteerworksError(f"{path}: not JSON: {error}. Save the data set again.") from None


def _arrow_rows(files: list[Path]) -> Iterator[dict[str, Any]]:
    for path in files:
        try:
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
                for batch in stream:
                    for begin in range(0, batch.num_rows, ROWS_AT_ONCE):
                        yield from batch.slice(begin, ROWS_AT_ONCE).to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise SteerworksError(f"{path}: not an Arrow stream: {error}. Save the data set again.") from None


def _numbered(rows: Iterator[dict[str, Any]]) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        yield number, {key: value for key, value in row.items() if value is not None}, None
