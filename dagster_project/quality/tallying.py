"""Tallies of pairs: how often two annotators of a response gave which levels, added up panel by panel.

Of many panels with few annotators, what they gave together is counted, which is one number a response, and pairs are
taken from it in the end; else each pair is counted.
Belongs here: counting pairs of small whole numbers fast. Does not belong here: who is counted, and at which step
(`counts`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dagster_project.quality.ballots import Places, Scores

Counts = npt.NDArray[np.int64]


class PairTally:
    """Pairs of levels by cell and number of raters; who gave no score counts as one level more on the way."""

    def __init__(self, levels: int) -> None:
        self._levels, self._base = levels, levels + 1
        self._together: dict[int, list[tuple[Places, Counts]]] = defaultdict(list)
        self._paired: dict[int, list[tuple[Places, Counts]]] = defaultdict(list)

    def add(self, cell: Places, given: Scores) -> None:
        """Add what annotators gave to a response of tasks.

        Args:
            cell: shape (tasks,): where the response is counted.
            given: shape (annotators, tasks): steps above the lowest level; the number of levels without a score.
        """
        annotators, tasks = given.shape
        codes = self._base**annotators
        if annotators == 1 or codes * (int(cell.max()) + 1) <= tasks:
            self._together[annotators].append(_summed(cell * codes + self._code(given)))
            return
        raters = (given != self._levels).sum(axis=0, dtype=np.min_scalar_type(annotators))
        cells = (cell * (annotators + 1) + raters) * self._base**2
        pairs = [cells + self._code(pair) for pair in combinations(given, 2)]
        self._paired[annotators].append(_summed(np.concatenate(pairs)))
        if len(alone := np.flatnonzero(raters == 1)):
            self.add(cell[alone], given[:, alone].min(axis=0)[None])

    def pairs(self, cells: int) -> tuple[Places, ...]:
        """Return cell, number of raters, lower level, higher level, and how often.

        Responses with one rater count the score itself, as a pair with 1 rater. What is counted in a cell from
        ``cells`` on is counted so many cells before too.
        """
        found = [rows for annotators, parts in self._together.items() for rows in self._of_together(annotators, parts)]
        found += [rows for annotators, parts in self._paired.items() for rows in self._of_paired(annotators, parts)]
        cell, raters, first, second, count = (np.concatenate(column) for column in zip(*found, strict=True))
        sizes = (int(raters.max(initial=0)) + 1, self._levels, self._levels)
        code = ((cell * sizes[0] + raters) * sizes[1] + first) * sizes[2] + second
        later = cell >= cells
        earlier = code[later] - cells * math.prod(sizes)
        code, count = _summed(np.concatenate([code, earlier]), np.concatenate([count, count[later]]))
        return (*_parted(code, *sizes), count)

    def _code(self, columns: Sequence[Scores] | Scores) -> npt.NDArray[np.unsignedinteger]:
        """Return what annotators gave as one number for each task."""
        code = columns[0].astype(np.min_scalar_type(self._base ** len(columns) - 1))
        for column in columns[1:]:
            code = code * self._base + column
        return code

    def _of_together(self, annotators: int, parts: list[tuple[Places, Counts]]) -> Iterator[tuple[Places, ...]]:
        codes, count = _merged(parts)
        cell, *given = _parted(codes, *[self._base] * annotators)
        raters = np.sum([column < self._levels for column in given], axis=0)
        yield from self._between(cell, raters, given, count)
        alone, level = raters == 1, np.min(given, axis=0)
        yield cell[alone], raters[alone], level[alone], level[alone], count[alone]

    def _of_paired(self, annotators: int, parts: list[tuple[Places, Counts]]) -> Iterator[tuple[Places, ...]]:
        codes, count = _merged(parts)
        cell, raters, *given = _parted(codes, annotators + 1, self._base, self._base)
        yield from self._between(cell, raters, given, count)

    def _between(
        self, cell: Places, raters: Places, given: Sequence[Places], count: Counts
    ) -> Iterator[tuple[Places, ...]]:
        for one, other in combinations(given, 2):
            first, second = np.minimum(one, other), np.maximum(one, other)
            both = second < self._levels
            yield cell[both], raters[both], first[both], second[both], count[both]


def _parted(codes: Places, *sizes: int) -> tuple[Places, ...]:
    """Return what numbers were made of: a cell, and numbers below each of some sizes."""
    numbers = []
    for size in reversed(sizes):
        codes, number = np.divmod(codes, size)
        numbers.append(number)
    return (codes, *reversed(numbers))


def _merged(parts: list[tuple[Places, Counts]]) -> tuple[Places, Counts]:
    codes, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _summed(codes, counts)


def _summed(codes: Places, counts: Counts | None = None) -> tuple[Places, Counts]:
    """Return the codes that occur, sorted, and how often: as often as named, or their counts added up."""
    if codes.max(initial=0) <= 16 * len(codes):
        sums = np.bincount(codes, counts).astype(np.int64)
        found = np.flatnonzero(sums)
        return found, sums[found]
    found, places = np.unique(codes, return_inverse=True)
    return found, np.bincount(places, counts).astype(np.int64)
