"""Tallies of pairs: how often two annotators of a response gave which levels, added up panel by panel.

Of a panel of few annotators, what they gave together is counted, whoever gave it: one number a response, from which
pairs are taken in the end. Of a larger panel, each pair is counted.
Belongs here: counting pairs of small whole numbers fast. Does not belong here: who is counted, and at which step
(`counts`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dagster_project.quality.ballots import Places, Scores
from dagster_project.quality.products import Array, product

Counts = npt.NDArray[np.int64]
Counted = tuple[Places, Counts]
"""Codes, and how often each of them occurs."""

MOST_TOGETHER = 200_000
"""In how many ways a panel can give levels, one annotator after the other, times pairs of levels, to count together."""


class PairTally:
    """Pairs of levels by attribute, cell and number of raters; no score counts as one level more on the way."""

    def __init__(self, attributes: int, levels: int) -> None:
        self._levels, self._base = levels, levels + 1
        self._together: list[dict[int, list[Counted]]] = [defaultdict(list) for _ in range(attributes)]
        self._paired: list[dict[int, list[Counted]]] = [defaultdict(list) for _ in range(attributes)]

    def add(self, cell: Places, given: Scores) -> None:
        """Add what annotators gave to a response of tasks.

        Args:
            cell: shape (tasks,): where the response is counted.
            given: shape (attributes, annotators, tasks): steps above the lowest level; the number of levels without a
                score.
        """
        annotators = given.shape[1]
        if self._base**annotators * self._levels**2 <= MOST_TOGETHER:
            self._add_together(cell, given)
        else:
            self._add_pairs(cell, given)

    def pairs(self, cells: int) -> tuple[Places, ...]:
        """Return attribute, cell, number of raters, lower level, higher level, and how often.

        Responses with one rater count the score itself, as a pair with 1 rater. What is counted in a cell from
        ``cells`` on is counted so many cells before too.
        """
        found = [self._pairs_of(attribute, cells) for attribute in range(len(self._together))]
        attribute = np.repeat(np.arange(len(found)), [len(of[0]) for of in found])
        return (attribute, *(np.concatenate(column) for column in zip(*found, strict=True)))

    def _add_together(self, cell: Places, given: Scores) -> None:
        annotators = given.shape[1]
        hands = _hands(annotators, self._levels)
        first = cell * len(hands.pairs)
        for found, of in zip(self._together, given, strict=True):
            found[annotators].append(_summed(np.take(hands.numbers, self._code(of)) + first))

    def _add_pairs(self, cell: Places, given: Scores) -> None:
        annotators = given.shape[1]
        for found, of in zip(self._paired, given, strict=True):
            raters = (of != self._levels).sum(axis=0, dtype=np.min_scalar_type(annotators))
            cells = (cell * (annotators + 1) + raters) * self._base**2
            alone = np.flatnonzero(raters == 1)
            level = of[:, alone].min(axis=0)
            pairs = [cells + self._code(pair) for pair in combinations(of, 2)]
            pairs.append(cells[alone] + self._code([level, level]))
            found[annotators].append(_summed(np.concatenate(pairs)))

    def _code(self, columns: Sequence[Scores] | Scores) -> npt.NDArray[np.unsignedinteger]:
        """Return what annotators gave as one number for each task."""
        code = columns[0].astype(np.min_scalar_type(self._base ** len(columns) - 1))
        for column in columns[1:]:
            code *= self._base
            code += column
        return code

    def _pairs_of(self, attribute: int, cells: int) -> tuple[Places, ...]:
        together, paired = self._together[attribute], self._paired[attribute]
        sizes = (max([*together, *paired]) + 1, self._levels, self._levels)
        found = [self._of_together(annotators, parts, sizes) for annotators, parts in together.items()]
        found += [self._of_paired(annotators, parts, sizes) for annotators, parts in paired.items()]
        code, count = _merged(found)
        later = np.searchsorted(code, cells * math.prod(sizes))
        code, count = _merged([(code, count), (code[later:] - cells * math.prod(sizes), count[later:])])
        return (*_parted(code, *sizes), count)

    def _of_together(self, annotators: int, parts: list[Counted], sizes: tuple[int, int, int]) -> Counted:
        hands = _hands(annotators, self._levels)
        codes, count = _merged(parts)
        cell, number = _parted(codes, len(hands.pairs))
        cells, place = np.unique(cell, return_inverse=True)
        held = np.zeros((len(cells), len(hands.pairs)))
        held[place, number] = count
        pairs = product(held, hands.pairs)
        place, pair = np.nonzero(pairs)
        return cells[place] * math.prod(sizes) + pair, pairs[place, pair].astype(np.int64)

    def _of_paired(self, annotators: int, parts: list[Counted], sizes: tuple[int, int, int]) -> Counted:
        codes, count = _merged(parts)
        cell, raters, one, other = _parted(codes, annotators + 1, self._base, self._base)
        first, second = np.minimum(one, other), np.maximum(one, other)
        both = second < self._levels
        code = ((cell * sizes[0] + raters) * sizes[1] + first) * sizes[2] + second
        return code[both], count[both]


@dataclass(frozen=True)
class _Hands:
    """What annotators can give together, whoever gives it.

    Attributes:
        numbers: by the code of what they gave one after the other, the number of the hand.
        pairs: shape (hands, (annotators + 1) * levels * levels): how often a hand of how many raters holds which two
            levels, the lower first; of one rater, the level itself.
    """

    numbers: Places
    pairs: Array


@cache
def _hands(annotators: int, levels: int) -> _Hands:
    bases = [levels + 1] * annotators
    given = np.sort(np.stack(_parted(np.arange(math.prod(bases)), *bases)[1:]), axis=0)
    _, first, numbers = np.unique(np.ravel_multi_index(tuple(given), bases), return_index=True, return_inverse=True)
    hands = given[:, first]
    raters = (hands < levels).sum(axis=0)
    pairs = np.zeros((len(first), annotators + 1, levels, levels))
    for one, other in combinations(hands, 2):
        both = np.flatnonzero(other < levels)
        pairs[both, raters[both], one[both], other[both]] += 1
    alone = np.flatnonzero(raters == 1)
    pairs[alone, 1, hands[0, alone], hands[0, alone]] = 1
    return _Hands(numbers, pairs.reshape(len(first), -1))


def _parted(codes: Places, *sizes: int) -> tuple[Places, ...]:
    """Return what numbers were made of: a cell, and numbers below each of some sizes."""
    numbers = []
    for size in reversed(sizes):
        codes, number = np.divmod(codes, size)
        numbers.append(number)
    return (codes, *reversed(numbers))


def _merged(parts: list[Counted]) -> Counted:
    codes, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _summed(codes, counts)


def _summed(codes: Places, counts: Counts | None = None) -> Counted:
    """Return the codes that occur, sorted, and how often: as often as named, or their counts added up."""
    if codes.max(initial=0) <= 16 * len(codes):
        sums = np.bincount(codes, counts).astype(np.int64)
        found = np.flatnonzero(sums)
        return found, sums[found]
    found, places = np.unique(codes, return_inverse=True)
    return found, np.bincount(places, counts).astype(np.int64)
