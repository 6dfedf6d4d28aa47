"""The manifest of a release: what it is, and the hash, size, rows and schema of every file.

Belongs here: the file's shape, writing it, and checking a folder against it. Does not belong
here: how the files are made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dagster_project.errors import SteerworksError
from dagster_project.identity import file_sha256
from dagster_project.releases.folders import MANIFEST
from dagster_project.releases.raters import Raters
from dagster_project.releases.row_groups import RowGroup, broken_rows, describe_row_groups
from dagster_project.settings import Home


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ReleaseFile(_Frozen):
    """One file; ``rows``, ``columns`` (name to Arrow type; ``schema`` in the file), ``row_groups`` only of tables."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None
    columns: dict[str, str] | None = Field(default=None, alias="schema")
    row_groups: list[RowGroup] | None = None


class RubricSummary(_Frozen):
    """What the ratings mean."""

    name: str
    version: str
    attributes: list[str]
    deciding: list[str]
    lowest: int
    highest: int


class Manifest(_Frozen):
    """The whole file. ``lock`` is the hash of its inputs; ``raters`` say who rated; ``policies`` are by campaign."""

    version: str
    parent: str | None
    name: str
    licence: str
    simulated: bool
    publishable: bool
    campaigns: list[str]
    tasks: int
    raters: list[Raters] = Field(default_factory=list)
    rubric: RubricSummary
    policies: dict[str, dict[str, Any]]
    spec: dict[str, Any]
    lock: str
    code_version: str
    files: list[ReleaseFile]

    def with_file(self, file: ReleaseFile) -> Manifest:
        """Return the manifest with one more file, in order of their paths."""
        return self.model_copy(update={"files": sorted([*self.files, file], key=lambda known: known.path)})

    def as_json(self) -> dict[str, Any]:
        """Return the file's content."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each table by path."""
        return {file.path: file.rows for file in self.files if file.rows is not None}

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file by path."""
        return {file.path: file.sha256 for file in self.files}


def describe_files(folder: Path) -> list[ReleaseFile]:
    """Return a description of every file in a folder but the manifest, sorted by path; several are read at once."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(describe_file, folder), _paths(folder)))


def describe_file(folder: Path, path: str) -> ReleaseFile:
    """Return a description of one file of a folder; its bytes are read once."""
    file = folder / path
    if file.suffix != ".parquet":
        return ReleaseFile(path=path, sha256=file_sha256(file), bytes=file.stat().st_size)
    sha256, groups = describe_row_groups(file)
    schema = pq.read_schema(file)
    return ReleaseFile(
        path=path,
        sha256=sha256,
        bytes=file.stat().st_size,
        rows=sum(group.rows for group in groups),
        schema={field.name: str(field.type) for field in schema},
        row_groups=groups,
    )


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a release.

    Raises:
        SteerworksError: there is none, or it is not a manifest.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise SteerworksError(f"{path}: missing; {folder} is not a whole release.") from None
    except ValidationError as error:
        raise SteerworksError(f"{path}: not the manifest of a release ({error.error_count()} problems).") from None


def ancestors(home: Home, parent: str | None) -> Iterator[str]:
    """Yield a release's parent, its parent and so on, as far as they are in the home."""
    while parent is not None and (home.releases / parent / MANIFEST).exists():
        yield parent
        parent = read_manifest(home.releases / parent).parent


def verify(folder: Path) -> list[str]:
    """Return what is wrong with a release's files: nothing if each is as the manifest says."""
    try:
        expected = {file.path: file for file in read_manifest(folder).files}
    except SteerworksError as error:
        return [str(error)]
    present = set(_paths(folder))
    return [
        *(f"{folder / path}: missing" for path in sorted(expected.keys() - present)),
        *(f"{folder / path}: not in the manifest" for path in sorted(present - expected.keys())),
        *(
            f"{folder / path}: its bytes are not those that the manifest was written for"
            f"{_where(folder, expected[path])}"
            for path in sorted(expected.keys() & present)
            if file_sha256(folder / path) != expected[path].sha256
        ),
    ]


def publication_refusals(manifest: Manifest) -> list[str]:
    """Return why a release must not be published: nothing if it may."""
    if not manifest.simulated:
        return []
    return [
        f"{manifest.version} holds simulated ratings: they were made by a program that rates by dice, and not by "
        "people. Published, they would pass for human judgement. Build a release from campaigns that people rated."
    ]


def _where(folder: Path, file: ReleaseFile) -> str:
    """Say which rows of a broken table are concerned."""
    if file.row_groups is None:
        return ""
    ranges = [f"{first:,} to {last:,}" for first, last in broken_rows(folder / file.path, file.row_groups)]
    return f": rows {', '.join(ranges)} of {file.rows:,}" if ranges else ": no row, but what lies around them"


def _paths(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files if path != folder / MANIFEST)
