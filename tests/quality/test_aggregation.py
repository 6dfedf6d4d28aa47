"""Other ways to one rating: against crowd-kit's figures, and against the truth of simulated raters."""

from __future__ import annotations

import json
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from dagster_project.project import PROJECT_ROOT
from dagster_project.quality.aggregation import (
    RatingsOf,
    annotator_model,
    dawid_skene,
    mean_rating,
    median_rating,
    rounded,
    soft_labels,
)
from dagster_project.quality.pairs import annotator_pairs, pairs_of
from dagster_project.quality.statistics import ordinal_alpha

CROWD_KIT = {
    "sums": [15.789737106395247, 51.78406967944896, 26.938596595257486, 193.479200640877, 128.00839607898635],
    "labels": [15, 58, 22, 206, 115],
}
"""Of SummEval-OP's relevance by crowd-kit 1.4.2: probabilities of each level added up, and the likeliest levels."""


def simulated(seed: int, biased: float = 0.0, spammers: float = 0.0, items: int = 3000) -> tuple[RatingsOf, np.ndarray]:
    """Items with true levels 0 to 4, skewed to the top, five raters each of a crowd of 60 with noises of their own."""
    dice = np.random.default_rng(seed)
    truth = dice.choice(5, items, p=[0.06, 0.12, 0.22, 0.33, 0.27])
    crowd = 60
    noise, bias = dice.uniform(0.3, 1.3, crowd), np.where(dice.random(crowd) < biased, dice.choice([-1, 1], crowd), 0)
    spams = dice.random(crowd) < spammers
    annotators = np.concatenate([dice.choice(crowd, 5, replace=False) for _ in range(items)])
    numbers = np.repeat(np.arange(items), 5)
    meant = truth[numbers] + bias[annotators] + dice.normal(0, 1, len(numbers)) * noise[annotators]
    given = np.where(spams[annotators], dice.integers(0, 5, len(numbers)), np.clip(np.round(meant), 0, 4)).astype(int)
    return RatingsOf(numbers, annotators, given, 5), truth


def recovered(ratings: RatingsOf, truth: np.ndarray) -> dict[str, float]:
    """The share of true levels that each way finds."""
    found = {
        "majority": ratings.votes.argmax(axis=1),
        "mean": rounded(mean_rating(ratings), ratings),
        "median": rounded(median_rating(ratings), ratings),
        "dawid_skene": dawid_skene(ratings).argmax(axis=1),
        "annotator_model": rounded(annotator_model(ratings).levels, ratings),
    }
    return {name: float((levels == truth).mean()) for name, levels in found.items()}


CROWDS = {
    "honest, of unequal noise": (0.0, 0.0),
    "40 % biased by one level": (0.4, 0.0),
    "30 % guess": (0.0, 0.3),
    "40 % biased, 20 % guess": (0.4, 0.2),
}


@pytest.mark.parametrize("name", CROWDS)
def test_weighing_annotators_finds_more_true_levels_than_votes_do_as_the_documentation_says(name: str) -> None:
    biased, spammers = CROWDS[name]
    shares = recovered(*simulated(3, biased, spammers))
    assert shares["annotator_model"] > max(shares["mean"], shares["majority"])
    assert shares["dawid_skene"] > shares["majority"]
    if not spammers:
        assert shares["annotator_model"] > max(shares["median"], shares["dawid_skene"])
    line = f"| {name} | {' | '.join(f'{share:.3f}'.lstrip('0') for share in shares.values())} |"
    assert line in (PROJECT_ROOT / "docs" / "agreement.md").read_text(encoding="utf-8"), line


def test_the_annotator_model_finds_who_is_biased_and_who_guesses() -> None:
    items = np.repeat(np.arange(400), 4)
    annotators = np.tile(np.arange(4), 400)
    dice = np.random.default_rng(1)
    truth = dice.integers(1, 4, 400)
    given = np.stack([truth, truth, truth + 1, dice.integers(0, 5, 400)], axis=1).ravel()
    model = annotator_model(RatingsOf(items, annotators, given, 5))
    assert model.biases.argmax() == 2
    assert model.variances.argmax() == 3
    assert model.variances[0] < 0.3 < model.variances[3]


def test_mean_median_and_distribution_of_a_few_ratings() -> None:
    ratings = RatingsOf(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 2, 3, 0, 1]), np.array([1, 1, 2, 4, 3, 3]), 5)
    assert mean_rating(ratings).tolist() == [2.0, 3.0]
    assert median_rating(ratings).tolist() == [1.5, 3.0]
    shares, entropy = soft_labels(ratings)
    assert shares.tolist() == [[0, 0.5, 0.25, 0, 0.25], [0, 0, 0, 1, 0]]
    assert entropy.tolist() == [1.5, 0.0]


def test_dawid_skene_of_real_ratings_is_that_of_crowd_kit(shared_data: Path) -> None:
    rows = [json.loads(line) for line in (shared_data / "likert" / "summeval_op.jsonl").read_text().splitlines()]
    given = [(i, a, r["scores"]["relevance"] - 1) for i, row in enumerate(rows) for a, r in enumerate(row["ratings"])]
    ratings = RatingsOf(*np.array(given).T, levels=5)
    found = dawid_skene(ratings)
    assert found.sum(axis=0) == pytest.approx(CROWD_KIT["sums"], abs=1e-6)
    assert np.bincount(found.argmax(axis=1), minlength=5).tolist() == CROWD_KIT["labels"]


@pytest.mark.slow
def test_pairs_straight_from_ratings_give_the_alpha_of_krippendorff_and_the_kappas_of_scikit_learn() -> None:
    ratings, _ = simulated(5, items=400)
    matrix = np.full((ratings.n_annotators, ratings.n_items), np.nan)
    matrix[ratings.annotators, ratings.items] = ratings.given
    wanted = krippendorff.alpha(matrix, level_of_measurement="ordinal")
    assert float(ordinal_alpha(pairs_of(ratings))) == pytest.approx(wanted, abs=1e-9)
    found = annotator_pairs(ratings)
    for one, other, items, kappa in zip(found.first, found.second, found.items, found.quadratic_kappa, strict=True):
        both = ~np.isnan(matrix[one]) & ~np.isnan(matrix[other])
        assert both.sum() == items
        with np.errstate(all="ignore"):
            wanted = cohen_kappa_score(matrix[one][both], matrix[other][both], weights="quadratic", labels=range(5))
        assert kappa == pytest.approx(wanted, abs=1e-9, nan_ok=True)
