"""Other ways to one rating out of several: mean and median of all, Dawid-Skene, annotators with a bias and a variance.

Ratings come as three arrays of one length: the item rated (0 … items - 1), the annotator (0 … annotators - 1), and the
level given (0 … levels - 1). An item is one attribute of one response.
Belongs here: these models. Does not belong here: the policy's own consensus, which is ``sql/quality/consensus.sql``.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
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
    parts = [_Part(ratings, start) for start in range(0, ratings.n_items, ITEMS_AT_ONCE)]
    seen = _added([part.seen(part.votes / part.raters[:, None], 0.0) for part in parts])
    loss = -np.inf
    # Arrays are worked on without the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in range(iterations):
            priors, errors = np.log(np.maximum(seen.shares, SMALLEST)), np.log(seen.errors(ratings.levels))
            seen = _added(list(threads.map(lambda part, p=priors, e=errors: part.expected(p, e), parts)))
            bound = seen.bound(ratings.levels)
            if bound - loss < tolerance:
                break
            loss = bound
    return np.concatenate([part.probabilities for part in parts])


ITEMS_AT_ONCE = 131_072


@dataclass(frozen=True)
class _Seen:
    """What probabilities of levels make of annotators, added up over items.

    Attributes:
        counts: shape (annotators * levels given, true levels): expected numbers of ratings.
        items: shape (levels,): expected numbers of items.
        ratings: shape (levels,): expected numbers of ratings of items of each level.
        entropy: of the probabilities.
    """

    counts: Array
    items: Array
    ratings: Array
    entropy: float

    @property
    def shares(self) -> Array:
        """Shares of levels among items."""
        return np.asarray(self.items / self.items.sum())

    def errors(self, levels: int) -> Array:
        """Return each annotator's shares of levels given, of each true level, in the shape of ``counts``."""
        floored: Array = np.maximum(self.counts, SMALLEST).reshape(-1, levels, levels)
        return np.asarray((floored / floored.sum(axis=1, keepdims=True)).reshape(self.counts.shape))

    def bound(self, levels: int) -> float:
        """Return the evidence's lower bound, per rating."""
        of_errors = float(np.vdot(self.counts, np.log(self.errors(levels))))
        of_shares = float(self.ratings @ np.log(np.maximum(self.shares, SMALLEST)))
        return (of_errors + of_shares + self.entropy) / float(self.ratings.sum())


def _added(parts: list[_Seen]) -> _Seen:
    return _Seen(
        np.sum([part.counts for part in parts], axis=0),
        np.sum([part.items for part in parts], axis=0),
        np.sum([part.ratings for part in parts], axis=0),
        sum(part.entropy for part in parts),
    )


class _Part:
    """Some of the items: a matrix of items by annotators' levels says who gave what, and one the other way round."""

    def __init__(self, ratings: RatingsOf, start: int) -> None:
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - heavy, and for this alone

        of = slice(start, start + ITEMS_AT_ONCE)
        self.votes, self.raters = ratings.votes[of], ratings.raters[of]
        chosen = (ratings.items >= start) & (ratings.items < start + ITEMS_AT_ONCE)
        cells = (ratings.annotators * ratings.levels + ratings.given)[chosen]
        size = (len(self.votes), ratings.n_annotators * ratings.levels)
        self._gave = csr_matrix((np.ones(len(cells)), (ratings.items[chosen] - start, cells)), shape=size)
        self._given = self._gave.T.tocsr()
        self.probabilities: Array = self.votes

    def seen(self, probabilities: Array, entropy: float) -> _Seen:
        """Return what probabilities, shape (items, levels), make of annotators."""
        self.probabilities = probabilities
        counts = np.asarray(self._given @ probabilities)
        return _Seen(counts, probabilities.sum(axis=0), self.raters @ probabilities, entropy)

    def expected(self, priors: Array, errors: Array) -> _Seen:
        """Return what the probabilities that follow from logarithms of shares and errors make of annotators.

        With w = exp(x), x the log likelihood less its highest, and p = w / sum(w), the entropy is
        log sum(w) - sum(p x).
        """
        # Levels come first here: sums over the first axis run along memory.
        x = np.ascontiguousarray((self._gave @ errors).T)
        x += priors[:, None]
        x -= x.max(axis=0)
        w = np.exp(x)
        total = w.sum(axis=0)
        w /= total
        return self.seen(np.ascontiguousarray(w.T), float(np.log(total).sum() - np.vdot(w, x)))


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
