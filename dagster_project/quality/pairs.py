"""Pairs of ratings straight from ratings that are in memory at once, for every statistic of `statistics`.

Belongs here: counting pairs of a few million ratings, over all annotators or for each two of them. Does not belong
here: counts that are kept and added up (`counts`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dagster_project.quality.aggregation import Array, Numbers, RatingsOf
from dagster_project.quality.statistics import Pairs, kappa_of_two


@dataclass(frozen=True)
class AnnotatorPairs:
    """Each two annotators who rated an item both, and how often one gave one level and the other another.

    Attributes:
        first: shape (pairs,): the lower number of the two annotators.
        second: shape (pairs,): the higher number.
        counts: shape (pairs, levels, levels): items, by the level of the first and that of the second.
    """

    first: Numbers
    second: Numbers
    counts: Array

    @property
    def items(self) -> Array:
        """Items that both rated, shape (pairs,)."""
        return np.asarray(self.counts.sum(axis=(1, 2)))

    @property
    def quadratic_kappa(self) -> Array:
        """Cohen's kappa with quadratic weights of each two annotators; NaN where it is undefined."""
        return kappa_of_two(self.counts, 2)


def pairs_of(ratings: RatingsOf) -> Pairs:
    """Return the pairs of all annotators: products of an item's votes, less each rating with itself."""
    votes, raters = ratings.votes, ratings.raters.astype(int)
    sizes = tuple(int(m) for m in np.flatnonzero(np.bincount(raters)) if m > 1) or (2,)
    tables = []
    for m in sizes:
        of = votes[raters == m]
        tables.append(of.T @ of - np.diag(of.sum(axis=0)))
    return Pairs(sizes, np.stack(tables), votes[raters == 1].sum(axis=0))


def annotator_pairs(ratings: RatingsOf) -> AnnotatorPairs:
    """Return each two annotators who have an item in common; an annotator rates an item once."""
    order = np.lexsort((ratings.annotators, ratings.items))
    items, annotators, given = (values[order] for values in (ratings.items, ratings.annotators, ratings.given))
    found = [np.zeros((0, 2), np.int64)]
    for apart in range(1, int(ratings.raters.max(initial=0))):
        same = np.flatnonzero(items[apart:] == items[:-apart])
        found.append(np.stack([same, same + apart], axis=1))
    one, other = np.concatenate(found).T
    two, number = np.unique(annotators[one] * ratings.n_annotators + annotators[other], return_inverse=True)
    cells = (number * ratings.levels + given[one]) * ratings.levels + given[other]
    counts = np.bincount(cells, minlength=len(two) * ratings.levels**2).reshape(-1, ratings.levels, ratings.levels)
    return AnnotatorPairs(two // ratings.n_annotators, two % ratings.n_annotators, counts.astype(float))
