"""Filter and statistics of parts of generated annotations, one after the other, each added to those before.

`python -m bench.clients.agreement FOLDER` does what `retained_annotations` and `agreement` do: fates of annotations,
counts at all steps and of all shuffles, and all figures with intervals from the counts of all parts together.
`--floor` only scans the same columns once. Prints, as JSON, how much there was and one figure.
"""

from __future__ import annotations

import argparse
import json
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
    total: pl.DataFrame | None = None
    for part in parts:
        counts = _counts(part)
        total = counts if total is None else added([total, counts])
    if total is not None:
        print(json.dumps(_told(total)))


def _counts(part: Path) -> pl.DataFrame:
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
        return count_agreement(decide_fates(session, POLICY, closed=True), POLICY)


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
