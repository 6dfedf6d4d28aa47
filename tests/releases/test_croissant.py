"""Croissant metadata, held to by the program of those who made the format."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dagster_project.releases import read_manifest

pytestmark = pytest.mark.slow

NAMES = ("data", "preference", "annotations")
READ = """
import json, sys
import mlcroissant

def plain(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key.rpartition("/")[2]: plain(part) for key, part in value.items()}
    return None if value != value else value

dataset = mlcroissant.Dataset(sys.argv[1])
issues = dataset.metadata.ctx.issues
read = {name: [plain(record) for record in dataset.records(f"{name}/train")] for name in sys.argv[2:]}
print(json.dumps({"errors": list(issues.errors), "warnings": list(issues.warnings), "records": read}, default=str))
"""


@pytest.fixture(scope="module")
def release(small_release: Path) -> Path:
    return small_release / "home" / "releases" / "v0.1.0"


@pytest.fixture(scope="module")
def found(release: Path) -> dict[str, Any]:
    """What mlcroissant finds wrong, and every record that it reads; it has an environment of its own."""
    program = shutil.which("mlcroissant")
    if program is None:
        pytest.skip("mlcroissant is not installed: it brings a package that has no wheel; .ci/run installs it")
    python = Path(program).resolve().with_name("python")
    command = [python, "-c", READ, release / "croissant.json", *NAMES]
    read = subprocess.run(command, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    return dict(json.loads(read.stdout.splitlines()[-1]))


def test_mlcroissant_finds_nothing_wrong(found: dict[str, Any]) -> None:
    assert found["errors"] == []
    [warning] = found["warnings"]
    assert "datePublished" in warning, "a release knows no day"


@pytest.mark.parametrize("name", NAMES)
def test_mlcroissant_reads_every_row(release: Path, found: dict[str, Any], name: str) -> None:
    rows = pl.read_parquet(release / name / "train.parquet").to_dicts()
    assert len(rows) == len(found["records"][name])
    for record, row in zip(found["records"][name], rows, strict=True):
        assert record.keys() == row.keys()
        assert {column: value for column, value in record.items() if column != "submitted_at"} == {
            column: value for column, value in row.items() if column != "submitted_at"
        }


def test_every_table_is_listed_with_the_hash_of_the_manifest(release: Path) -> None:
    listed = json.loads((release / "croissant.json").read_text(encoding="utf-8"))["distribution"]
    hashes = read_manifest(release).hashes
    tables = {path for path in hashes if path.endswith((".parquet", ".jsonl"))}
    assert {file["contentUrl"] for file in listed} >= tables
    assert all(hashes[file["contentUrl"]] == file["sha256"] for file in listed)
