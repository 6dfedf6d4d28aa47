"""Other ways to one rating out of several: mean and median of all, Dawid-Skene, annotators with a bias and a variance.

Ratings come as three arrays of one length: the item rated (0 … items - 1), the annotator (0 … annotators - 1), and the
level given (0 … levels - 1). An item is one attribute of one response.
Belongs here: these models. Does not belong here: the policy's own consensus, which is ``sql/quality/consensus.sql``.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

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
    parts = _parts(ratings)
    seen = _added([part.started() for part in parts])
    reached = -np.inf
    # Arrays are worked on without the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in range(iterations):
            before, seen = seen, _added(list(threads.map(lambda part, by=seen: part.expected(by), parts)))
            bound = seen.bound(before)
            if bound - reached < tolerance:
                break
            reached = bound
    return np.concatenate([part.probabilities for part in parts])


ITEMS_AT_ONCE = 32_768
"""Items, at most, whose probabilities are worked on at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class _Seen:
    """What probabilities of levels make of annotators, added up over items.

    Attributes:
        counts: shape (annotators * levels given, true levels): expected numbers of ratings.
        items: shape (levels,): expected numbers of items.
        evidence: the logarithm of the ratings' likelihood, by which the probabilities were found.
    """

    counts: Array
    items: Array
    evidence: float

    @cached_property
    def shares(self) -> Array:
        """Logarithms of the shares of levels among items."""
        return np.asarray(np.log(np.maximum(self.items / self.items.sum(), SMALLEST)))

    @cached_property
    def errors(self) -> Array:
        """Logarithms of each annotator's shares of levels given, of each true level, in the shape of ``counts``."""
        floored: Array = np.maximum(self.counts, SMALLEST).reshape(-1, len(self.items), len(self.items))
        return np.asarray(np.log(floored / floored.sum(axis=1, keepdims=True)).reshape(self.counts.shape))

    def bound(self, before: _Seen) -> float:
        """Return the evidence's lower bound, per rating.

        The probabilities' entropy is the evidence less what they expect of the logarithms by which they were found,
        those of ``before``. As crowd-kit has it, a level's share counts once a rating and not once an item.
        """
        entropy = self.evidence - (self.counts * before.errors).sum() - (self.items * before.shares).sum()
        of_ratings = (self.counts * (self.errors + self.shares)).sum()
        return float((of_ratings + entropy) / self.counts.sum())


def _added(parts: list[_Seen]) -> _Seen:
    return _Seen(
        np.sum([part.counts for part in parts], axis=0),
        np.sum([part.items for part in parts], axis=0),
        sum(part.evidence for part in parts),
    )


class _Part:
    """Some of the items: ``gave``, a matrix of items by annotators' levels, says who gave what."""

    def __init__(self, gave: csr_matrix, votes: Array) -> None:
        self._gave, self._given = gave, gave.T.tocsr()
        self._votes = votes
        self.probabilities: Array = votes

    def started(self) -> _Seen:
        """Return what the votes' shares make of annotators."""
        votes = np.ascontiguousarray(self._votes.T)
        return self._seen(votes / votes.sum(axis=0), 0.0)

    def expected(self, by: _Seen) -> _Seen:
        """Return what the probabilities that follow from shares and errors make of annotators."""
        likelihood = np.ascontiguousarray((self._gave @ by.errors).T)
        likelihood += by.shares[:, None]
        highest = likelihood.max(axis=0)
        likelihood -= highest
        weights = np.exp(likelihood, out=likelihood)
        total = weights.sum(axis=0)
        weights /= total
        return self._seen(weights, float(highest.sum() + np.log(total).sum()))

    def _seen(self, probabilities: Array, evidence: float) -> _Seen:
        """Keep and add up probabilities of shape (levels, items), whose sums run along memory."""
        self.probabilities = np.ascontiguousarray(probabilities.T)
        return _Seen(np.asarray(self._given @ self.probabilities), probabilities.sum(axis=1), evidence)


def _parts(ratings: RatingsOf) -> list[_Part]:
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - heavy, and for this alone

    cells = ratings.annotators * ratings.levels + ratings.given
    size = (ratings.n_items, ratings.n_annotators * ratings.levels)
    gave = csr_matrix((np.ones(len(cells)), (ratings.items, cells)), shape=size)
    # An even number of equal parts keeps two processors busy to the end.
    n = 2 * math.ceil(ratings.n_items / (2 * ITEMS_AT_ONCE))
    edges = [part * ratings.n_items // n for part in range(n + 1)]
    return [_Part(gave[start:end], ratings.votes[start:end]) for start, end in pairwise(edges)]


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
