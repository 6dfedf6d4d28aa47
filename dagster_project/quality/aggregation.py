"""Other ways to one rating out of several: mean and median of all, Dawid-Skene, annotators with a bias and a variance.

Ratings come as three arrays of one length: the item rated (0 … items - 1), the annotator (0 … annotators - 1), and the
level given (0 … levels - 1). An item is one attribute of one response.
Belongs here: these models. Does not belong here: the policy's own consensus, which is ``sql/quality/consensus.sql``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

SMALLEST = 1e-10
"""The least probability, so that no logarithm is infinite."""
LEAST_VARIANCE = 0.05
"""In squared levels: nobody is taken for infallible, whose few ratings happen to be right."""


@dataclass(frozen=True)
class RatingsOf:
    """Ratings of items by annotators on a scale of some levels; every item and every annotator has one at least."""

    items: Numbers
    annotators: Numbers
    given: Numbers
    levels: int

    @cached_property
    def n_items(self) -> int:
        """Number of items."""
        return int(self.items.max()) + 1

    @cached_property
    def n_annotators(self) -> int:
        """Number of annotators."""
        return int(self.annotators.max()) + 1

    @cached_property
    def raters(self) -> Array:
        """Ratings of each item."""
        return np.bincount(self.items, minlength=self.n_items).astype(float)

    @cached_property
    def votes(self) -> Array:
        """How often each item was given each level, shape (items, levels)."""
        cells = self.items * self.levels + self.given
        return np.bincount(cells, minlength=self.n_items * self.levels).reshape(-1, self.levels).astype(float)


def mean_rating(ratings: RatingsOf) -> Array:
    """Return the mean of each item's ratings, in levels."""
    return np.asarray(np.bincount(ratings.items, ratings.given) / ratings.raters)


def median_rating(ratings: RatingsOf) -> Array:
    """Return the median of each item's ratings; of an even number the mean of the middle two."""
    below = np.cumsum(ratings.votes, axis=1)
    half = ratings.raters[:, None] / 2
    low, high = (below >= half).argmax(axis=1), (below > half).argmax(axis=1)
    return np.asarray((low + high) / 2)


def soft_labels(ratings: RatingsOf) -> tuple[Array, Array]:
    """Return the distribution of each item's ratings, shape (items, levels), and its entropy in bits."""
    shares = ratings.votes / ratings.raters[:, None]
    return shares, -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)


def dawid_skene(ratings: RatingsOf, iterations: int = 100, tolerance: float = 1e-5) -> Array:
    """Return the probability of each level of each item, shape (items, levels), by Dawid and Skene's EM.

    Each annotator has a matrix of how often a true level is given as another; levels have shares. From the votes'
    shares on, matrices and levels are estimated in turn until the evidence's lower bound per rating grows by less than
    ``tolerance``. Source: Dawid and Skene 1979, Applied Statistics 28; start, floor and end are crowd-kit's.
    """
    probabilities = ratings.votes / ratings.raters[:, None]
    seen = _SeenBy(ratings)
    errors, loss = seen.errors(probabilities)[0], -np.inf
    shares = probabilities.mean(axis=0)
    for _ in range(iterations):
        probabilities = _expected_levels(ratings, shares, errors)
        shares = probabilities.mean(axis=0)
        errors, counts = seen.errors(probabilities)
        bound = _lower_bound(ratings, probabilities, shares, errors, counts)
        if bound - loss < tolerance:
            break
        loss = bound
    return probabilities


class _SeenBy:
    """For each annotator and level given, the items: in that order, so that sums are of neighbours."""

    def __init__(self, ratings: RatingsOf) -> None:
        self._cells = ratings.annotators * ratings.levels + ratings.given
        self._items = ratings.items
        self._shape = (ratings.n_annotators, ratings.levels, ratings.levels)

    def errors(self, probabilities: Array) -> tuple[Array, Array]:
        """Return each annotator's matrix (given, true), and the counts that it is the shares of."""
        annotators, levels, _ = self._shape
        counts: Array = (
            np.stack(
                [
                    np.bincount(self._cells, probabilities[:, level][self._items], minlength=annotators * levels)
                    for level in range(levels)
                ],
                axis=-1,
            )
            .reshape(self._shape)
            .astype(float)
        )
        floored: Array = np.maximum(counts, SMALLEST)
        return floored / floored.sum(axis=1, keepdims=True), counts


def _expected_levels(ratings: RatingsOf, shares: Array, errors: Array) -> Array:
    logarithms = np.log(errors).reshape(-1, ratings.levels)
    cells = ratings.annotators * ratings.levels + ratings.given
    likelihoods = np.log(np.maximum(shares, SMALLEST)) + np.stack(
        [np.bincount(ratings.items, logarithms[:, level][cells]) for level in range(ratings.levels)], axis=-1
    )
    scaled = np.exp(likelihoods - likelihoods.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def _lower_bound(ratings: RatingsOf, probabilities: Array, shares: Array, errors: Array, counts: Array) -> float:
    joint = (counts * np.log(errors)).sum() + ratings.raters @ probabilities @ np.log(np.maximum(shares, SMALLEST))
    entropy = -(probabilities * np.log(np.maximum(probabilities, SMALLEST))).sum()
    return float((joint + entropy) / len(ratings.given))


@dataclass(frozen=True)
class AnnotatorModel:
    """Levels of items, and each annotator's bias and variance about them, in levels and squared levels."""

    levels: Array
    biases: Array
    variances: Array


def annotator_model(ratings: RatingsOf, iterations: int = 50, tolerance: float = 1e-6) -> AnnotatorModel:
    """Return the levels under a model of ratings as level + annotator's bias + noise of the annotator's variance.

    Levels are normal about a common mean; EM in turn weighs ratings by inverse variances of annotators and estimates
    biases and variances from what is left. Biases add up to nothing over all ratings. Source: the one-way case of
    Raykar and others 2010, Journal of Machine Learning Research 11, section 5, with a bias for each annotator.
    """
    given = ratings.given.astype(float)
    rated = np.bincount(ratings.annotators, minlength=ratings.n_annotators).astype(float)
    mean, spread = given.mean(), max(given.var(), LEAST_VARIANCE)
    biases, variances = np.zeros(ratings.n_annotators), np.full(ratings.n_annotators, spread / 2)
    levels = mean_rating(ratings)
    for _ in range(iterations):
        weights = 1 / variances
        precision = 1 / spread + np.bincount(ratings.items, weights[ratings.annotators])
        unbiased = (given - biases[ratings.annotators]) * weights[ratings.annotators]
        before, levels = levels, (mean / spread + np.bincount(ratings.items, unbiased)) / precision
        biases = np.bincount(ratings.annotators, given - levels[ratings.items]) / rated
        biases -= (biases * rated).sum() / rated.sum()
        squares = (given - levels[ratings.items] - biases[ratings.annotators]) ** 2 + 1 / precision[ratings.items]
        # Two ratings' worth of a common variance: of few ratings alone, a variance cannot be told.
        common = squares.mean()
        variances = np.maximum((np.bincount(ratings.annotators, squares) + 2 * common) / (rated + 2), LEAST_VARIANCE)
        mean, spread = levels.mean(), max(float(levels.var() + (1 / precision).mean()), LEAST_VARIANCE)
        if np.abs(levels - before).max() < tolerance:
            break
    return AnnotatorModel(levels, biases, variances)


def rounded(levels: Array, of: RatingsOf) -> Numbers:
    """Return levels rounded half up, and within the scale."""
    return np.clip(np.floor(levels + 0.5), 0, of.levels - 1).astype(np.int64)
