"""Everything that a home says, whatever it is kept in: packed files unpacked, tables and databases as text."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq


def mentions(root: Path, wanted: Iterable[str]) -> dict[str, set[str]]:
    """Return the files under a folder that hold any of some texts, by the text, whether in their names or in them."""
    found: dict[str, set[str]] = {}
    needles = {text: _spellings(text) for text in wanted}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        contents = [name.encode(), *_contents(path)]
        for text, spellings in needles.items():
            if any(spelling in content for content in contents for spelling in spellings):
                found.setdefault(text, set()).add(name)
    return found


def _spellings(text: str) -> set[bytes]:
    """A text as it stands, and with the escapes of JSON."""
    return {text.encode(), text.encode("unicode_escape"), text.replace('"', '\\"').encode()}


def _contents(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif content.startswith(b"PAR1"):
        table = pq.read_table(path, partitioning=None)
        yield str(table.to_pylist()).encode()
        yield str(table.schema.metadata).encode()
    elif content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as file:
            yield "\n".join(file.iterdump()).encode()
