"""One figure of ratings in memory, by this project or by the usual library, and what it took once all is imported.

`python -m bench.clients.agreement_small FIGURE ours|library`, where FIGURE is `alpha` (ordinal alpha of 800 thousand
ratings; krippendorff, in its form of a matrix), `kappa` (mean quadratic kappa of all two annotators, of 85 thousand
ratings; scikit-learn in a loop) or `dawid-skene` (sum of the probabilities of the highest level, of 800 thousand
ratings; crowd-kit). Prints JSON: `seconds` of wall time, `cpu` seconds and `figure`; null if there is no such library.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

LEVELS = 5
ITEMS = {"alpha": (200_000, 1_000), "kappa": (21_362, 200), "dawid-skene": (200_000, 1_000)}
"""Items, of three to five ratings each, and annotators."""
NEEDED = {"alpha": "krippendorff", "kappa": "sklearn", "dawid-skene": "crowdkit"}


def main() -> None:
    """Compute what the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("figure", choices=sorted(ITEMS))
    parser.add_argument("by", choices=("ours", "library"))
    options = parser.parse_args()
    if options.by == "library" and importlib.util.find_spec(NEEDED[options.figure]) is None:
        print(json.dumps(None))
        return
    ratings = simulated(*ITEMS[options.figure])
    compute = {"ours": OURS, "library": LIBRARIES}[options.by][options.figure]()
    wall, cpu = time.perf_counter(), time.process_time()
    figure = compute(ratings)
    took = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**took, "figure": figure}))


class Simulated(NamedTuple):
    """Ratings as arrays of one length: item, annotator and level, each from 0."""

    items: Any
    annotators: Any
    given: Any


def simulated(items: int, crowd: int) -> Simulated:
    """Return skewed ratings by annotators of unequal noise, the same at every call."""
    dice = np.random.default_rng(1)
    truth, raters = dice.choice(LEVELS, items, p=[0.06, 0.12, 0.22, 0.33, 0.27]), dice.integers(3, 6, items)
    numbers = np.repeat(np.arange(items), raters)
    place = np.arange(len(numbers)) - np.repeat(np.cumsum(raters) - raters, raters)
    annotators = (
        dice.integers(0, crowd, items)[numbers] + place * dice.integers(1, crowd // 5, items)[numbers]
    ) % crowd
    noise = dice.uniform(0.3, 1.1, crowd)[annotators]
    given = np.clip(np.round(truth[numbers] + dice.normal(0, 1, len(numbers)) * noise), 0, LEVELS - 1)
    return Simulated(numbers, annotators, given.astype(np.int64))


Compute = Callable[[Simulated], float]


def _our_alpha() -> Compute:
    from dagster_project.quality.aggregation import RatingsOf  # noqa: PLC0415 - the other side runs without it
    from dagster_project.quality.pairs import pairs_of  # noqa: PLC0415
    from dagster_project.quality.statistics import ordinal_alpha  # noqa: PLC0415

    return lambda ratings: float(ordinal_alpha(pairs_of(RatingsOf(*ratings, LEVELS))))


def _our_kappa() -> Compute:
    from dagster_project.quality.aggregation import RatingsOf  # noqa: PLC0415
    from dagster_project.quality.pairs import annotator_pairs  # noqa: PLC0415

    return lambda ratings: float(np.nanmean(annotator_pairs(RatingsOf(*ratings, LEVELS)).quadratic_kappa))


def _our_dawid_skene() -> Compute:
    import scipy.sparse  # noqa: F401, PLC0415 - imported where it is used, which would be while the clock runs

    from dagster_project.quality.aggregation import RatingsOf, dawid_skene  # noqa: PLC0415

    return lambda ratings: float(dawid_skene(RatingsOf(*ratings, LEVELS))[:, -1].sum())


def _krippendorff() -> Compute:
    import krippendorff  # noqa: PLC0415 - not every environment has it

    def alpha(ratings: Simulated) -> float:
        matrix = np.full((ratings.annotators.max() + 1, ratings.items.max() + 1), np.nan)
        matrix[ratings.annotators, ratings.items] = ratings.given
        return float(krippendorff.alpha(matrix, level_of_measurement="ordinal"))

    return alpha


def _scikit_learn() -> Compute:
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415 - heavy, and for this alone

    def kappa(ratings: Simulated) -> float:
        rated = [dict[int, int]() for _ in range(ratings.annotators.max() + 1)]
        for item, annotator, given in zip(ratings.items, ratings.annotators, ratings.given, strict=True):
            rated[annotator][item] = given
        kappas = []
        for one in range(len(rated)):
            for other in range(one + 1, len(rated)):
                common = sorted(rated[one].keys() & rated[other].keys())
                pairs = [(rated[one][item], rated[other][item]) for item in common]
                if len({level for pair in pairs for level in pair}) > 1:
                    kappas.append(
                        cohen_kappa_score(*zip(*pairs, strict=True), weights="quadratic", labels=range(LEVELS))
                    )
        return float(np.mean(kappas))

    return kappa


def _crowd_kit() -> Compute:
    import pandas as pd  # noqa: PLC0415 - heavy, and for this alone
    from crowdkit.aggregation import DawidSkene  # noqa: PLC0415 - not every environment has it

    def highest(ratings: Simulated) -> float:
        frame = pd.DataFrame({"task": ratings.items, "worker": ratings.annotators, "label": ratings.given})
        return float(DawidSkene(n_iter=100).fit_predict_proba(frame)[LEVELS - 1].sum())

    return highest


OURS: dict[str, Callable[[], Compute]] = {
    "alpha": _our_alpha,
    "kappa": _our_kappa,
    "dawid-skene": _our_dawid_skene,
}
LIBRARIES: dict[str, Callable[[], Compute]] = {
    "alpha": _krippendorff,
    "kappa": _scikit_learn,
    "dawid-skene": _crowd_kit,
}

if __name__ == "__main__":
    main()
