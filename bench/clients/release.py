"""Builds a release of a generated campaign, or copies its Parquet.

`python -m bench.clients.release build|copy FOLDER VERSION`. `copy` has DuckDB read each Parquet file of the release
that was built, and write it again in its own way, under the same compression. Prints, as JSON, how much there is.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from bench.campaign import settings_in
from dagster_project.lake import Lake, Session
from dagster_project.releases import build_release

COPY = "copy (from read_parquet('{source}')) to '{target}' (format parquet, compression zstd, compression_level 1)"
"""Level 1 is what the release's own files have."""


def build(folder: Path, version: str) -> dict[str, int]:
    """Build the release, without the checks of expectations that a Dagster run has before it."""
    settings = settings_in(folder)
    report = build_release(Lake(settings.home.lake), settings, version, lambda _table, _partition: [])
    data = sum(rows for path, rows in report.rows.items() if path.startswith("data/"))
    annotations = sum(rows for path, rows in report.rows.items() if path.startswith("annotations/"))
    return {"rows": data, "annotations": annotations, "bytes": _bytes(report.path), "files": report.files}


def copy(folder: Path, version: str) -> dict[str, int]:
    """Copy every Parquet file of the release."""
    release, copies = settings_in(folder).home.releases / version, folder / "copies"
    with Session() as session:
        for source in sorted(release.rglob("*.parquet")):
            target = copies / source.relative_to(release)
            target.parent.mkdir(parents=True, exist_ok=True)
            session.connection.execute(COPY.format(source=source, target=target))
    told = {"bytes": _bytes(copies)}
    shutil.rmtree(copies)
    return told


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


if __name__ == "__main__":
    print(json.dumps({"build": build, "copy": copy}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])))
