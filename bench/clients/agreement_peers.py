"""One figure of one attribute by the usual means: `python -m bench.clients.agreement_peers NAME FOLDER`.

NAME is `pandas` (pandas with scikit-learn: quadratic kappa of all pairs), `krippendorff` (ordinal alpha, in its form of
counts by response) or `crowd-kit` (nominal alpha). Prints the figure as JSON, or null if the library is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

LEVELS = 5
NEEDED = {"pandas": "sklearn", "krippendorff": "krippendorff", "crowd-kit": "crowdkit"}


def main() -> None:
    """Compute the figure that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(NEEDED))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if importlib.util.find_spec(NEEDED[options.name]) is None:
        print(json.dumps(None))
        return
    with duckdb.connect() as connection:
        files = f"read_parquet('{options.folder}/annotations/*.parquet')"
        frame = connection.execute(f"select response_id, annotator, scores[1]::int as score from {files}").df()
    print(json.dumps(FIGURES[options.name](frame)))


def _pandas(frame: Any) -> float:
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415 - not every environment has it

    pairs = frame.merge(frame, on="response_id")
    pairs = pairs[pairs["annotator_x"] != pairs["annotator_y"]]
    return float(cohen_kappa_score(pairs["score_x"], pairs["score_y"], weights="quadratic"))


def _krippendorff(frame: Any) -> float:
    import krippendorff  # noqa: PLC0415 - not every environment has it

    counts = frame.groupby(["response_id", "score"]).size().unstack(fill_value=0).reindex(columns=range(LEVELS))
    values = counts.fillna(0).to_numpy()
    return float(krippendorff.alpha(value_counts=values, level_of_measurement="ordinal", value_domain=range(LEVELS)))


def _crowd_kit(frame: Any) -> float:
    from crowdkit.metrics.data import alpha_krippendorff  # noqa: PLC0415 - not every environment has it

    return float(
        alpha_krippendorff(frame.rename(columns={"response_id": "task", "annotator": "worker", "score": "label"}))
    )


FIGURES: dict[str, Callable[[Any], float]] = {
    "pandas": _pandas,
    "krippendorff": _krippendorff,
    "crowd-kit": _crowd_kit,
}

if __name__ == "__main__":
    main()
