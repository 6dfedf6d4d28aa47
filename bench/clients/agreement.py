"""Filter and statistics of parts of generated annotations, two at a time, whose counts are added up.

`python -m bench.clients.agreement FOLDER` does what `retained_annotations` and `agreement` do: fates of annotations,
counts at all steps and of all shuffles, and all figures with intervals from the counts of all parts together.
`--floor` only scans the same columns once. Prints, as JSON, how much there was, how much is kept, and some figures.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from bench.ratings import ATTRIBUTES
from dagster_project.lake import Session
from dagster_project.quality.agreement import figures_from
from dagster_project.quality.counts import added, count_agreement
from dagster_project.quality.retention import decide_fates
from dagster_project.settings import AgreementPolicy

POLICY = AgreementPolicy()
RUBRIC = pl.DataFrame(
    [
        {"attribute": f"a{n}", "position": n, "decides": n == 1, "lowest": 0, "highest": 4}
        for n in range(1, ATTRIBUTES + 1)
    ]
)

PARTS_AT_ONCE = 2
"""While DuckDB reads one part on one processor, another part is counted on the other."""
ADDED_AT_ONCE = 4
"""Counts of parts that wait to be added up; all at once would take the more memory, the more parts there are."""


def main() -> None:
    """Read the parts of a folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--floor", action="store_true")
    options = parser.parse_args()
    parts = sorted((options.folder / "annotations").glob("*.parquet"))
    if options.floor:
        print(json.dumps({"annotations": sum(_scan(part) for part in parts)}))
        return
    kept, counts = 0, list[pl.DataFrame]()
    with ThreadPoolExecutor(PARTS_AT_ONCE) as threads:
        for kept_of_part, counts_of_part in threads.map(_kept_and_counts, parts):
            kept += kept_of_part
            counts.append(counts_of_part)
            if len(counts) > ADDED_AT_ONCE:
                counts = [added(counts)]
    print(json.dumps({"kept": kept, **_told(added(counts))}))


def _kept_and_counts(part: Path) -> tuple[int, pl.DataFrame]:
    with Session() as session:
        session.frame("rubric", RUBRIC)
        folder = part.parent.parent
        files = {
            "annotations": part,
            "annotation_tasks": folder / "tasks" / part.name,
            "annotator_quality": folder / "annotators.parquet",
        }
        for name, path in files.items():
            session.connection.execute(f"create view {name} as from read_parquet('{path}')")
        filtered = decide_fates(session, POLICY, closed=True)
        kept = session.connection.execute("select count(*) from fates where stage = 'kept'").fetchall()[0][0]
        return kept, count_agreement(filtered, POLICY)


def _scan(part: Path) -> int:
    with Session() as session:
        columns = "max(task_id), max(annotator), max(position), max(len(flags)), sum(list_sum(scores)), count(*)"
        rows = session.connection.execute(f"select {columns} from read_parquet('{part}')").fetchall()
        return int(rows[0][-1])


def _told(counts: pl.DataFrame) -> dict[str, float]:
    figures = figures_from(counts, RUBRIC, POLICY, fixed_slots=False)
    collected = counts.filter(stage="collected", quantity="annotations")["count"].sum()
    kappas = figures.filter(statistic="quadratic_kappa", attribute="a1")
    alpha = figures.filter(statistic="ordinal_alpha", attribute="a1", stage="collected")["value"].item()
    return {
        "annotations": float(collected),
        "kappa": kappas.filter(stage="collected")["value"].item(),
        "kappa retained": kappas.filter(stage="retained")["value"].item(),
        "lift": kappas.filter(stage="retained")["lift"].item(),
        "alpha": alpha,
    }


if __name__ == "__main__":
    main()
