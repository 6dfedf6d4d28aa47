"""Counts that add up: how often two annotators of a response gave which scores, at each step, real and shuffled.

Every figure of agreement is computed from these counts (`statistics`), so what many campaigns or batches give together
takes only their counts, added. They are whole numbers; nothing is rounded on the way.
Belongs here: counting. Does not belong here: what is computed from counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from dagster_project.lake import Session
from dagster_project.quality.ballots import BUCKETS, Ballots, Mask, Places, Scores, Steps, panels
from dagster_project.quality.selection import choose
from dagster_project.quality.shuffling import Deck
from dagster_project.settings import AgreementPolicy

Counts = npt.NDArray[np.int64]
Panels = list[tuple[int, Places]]
"""For a response (0, 1 …), the places of the ballots of tasks with as many, shape (ballots, tasks)."""

STEPS = ("collected", "trusted", "closest", "retained")
COLLECTED, TRUSTED, CLOSEST, RETAINED = range(1, 5)
REAL = 0
"""Number of the shuffle that is none."""
AT_ONCE = 32_768
"""Tasks whose pairs are counted at a time, so that they stay in the processor's cache."""

KEYS = ["shuffle", "stage", "slice", "bucket", "attribute", "quantity", "slots", "raters", "first", "second"]


@dataclass(frozen=True)
class Filtered:
    """Ballots, the last step that each rating passes, shape (responses, n), and which ballots stood for selection."""

    ballots: Ballots
    steps: Steps
    stands: Mask


@dataclass(frozen=True)
class Slicing:
    """A division of all responses, by what figures are told apart.

    Attributes:
        names: of the slices; of all responses together the empty name.
        numbers: shape (responses, n): the slice of the response that each ballot rates.
        buckets: the number of buckets within each slice.
    """

    names: tuple[str, ...]
    numbers: Places
    buckets: int

    @classmethod
    def none(cls, ballots: Ballots) -> Slicing:
        """Keep all responses together."""
        return cls(("",), np.zeros(ballots.present.shape, np.int64), BUCKETS)

    def cells(self, ballots: Ballots) -> Places:
        """Return slice and bucket as one number, shape (responses, n)."""
        return self.numbers * self.buckets + ballots.bucket % self.buckets


def count_agreement(filtered: Filtered, policy: AgreementPolicy, *slicings: Slicing) -> pl.DataFrame:
    """Return all counts, together and by slice, one row for each of `KEYS` in no order, with their ``count``."""
    if not len(filtered.ballots.task):
        return NONE
    every = (Slicing.none(filtered.ballots), *slicings)
    trusted = filtered.steps.max(axis=0) >= TRUSTED
    deck = Deck(filtered.ballots, trusted)
    unchosen = np.where(filtered.ballots.present & trusted, TRUSTED, 0).astype(np.uint8)

    def counted(shuffle: int) -> pl.DataFrame:
        if shuffle == REAL:
            return pl.concat(_counts(filtered.ballots, filtered.steps, every, REAL, COLLECTED))
        dealt = filtered.ballots.permuted(deck.dealt(policy.seed, shuffle))
        steps = np.where(filtered.stands, choose(dealt, filtered.stands, policy), unchosen)
        return pl.concat(_counts(dealt, steps, every, shuffle, TRUSTED))

    # Arrays are worked on without the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return pl.concat(threads.map(counted, range(policy.shuffles + 1)))


def count_slots(session: Session, filtered: Filtered) -> pl.DataFrame:
    """Return the counts of each pair of fixed annotators, in the same shape, from what `number_ratings` made."""
    responses, places = np.nonzero(filtered.ballots.present)
    of = {
        "task": filtered.ballots.task[places].astype(np.int32),
        "annotator": filtered.ballots.annotator[places].astype(np.int32),
        "position": (responses + 1).astype(np.int8),
        "step": filtered.steps[responses, places],
    }
    session.frame("steps", pl.DataFrame(of))
    found = [
        session.query("quality/slot_counts", {"step": step, "buckets": BUCKETS}).with_columns(step=pl.lit(step))
        for step in range(COLLECTED, RETAINED + 1)
    ]
    names = dict(enumerate(filtered.ballots.scale.attributes, 1))
    return pl.concat(found).select(
        pl.lit(REAL, pl.Int32).alias("shuffle"),
        pl.col("step").replace_strict(dict(enumerate(STEPS, 1)), return_dtype=pl.String).alias("stage"),
        pl.lit("").alias("slice"),
        pl.col("bucket").cast(pl.Int32),
        pl.col("position").replace_strict(names, return_dtype=pl.String).alias("attribute"),
        pl.lit("slots").alias("quantity"),
        "slots",
        pl.lit(2, pl.Int32).alias("raters"),
        pl.col("first", "second").cast(pl.Int32),
        pl.col("count").cast(pl.Int64),
    )


def added(counts: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the counts of several campaigns or batches as those of one, in no order."""
    return pl.concat(counts).group_by(KEYS).agg(pl.col("count").sum())


def _counts(
    ballots: Ballots, steps: Steps, slicings: Sequence[Slicing], shuffle: int, from_step: int
) -> Iterator[pl.DataFrame]:
    # All that pass step 3 in a task pass it together, so those who pass step 4 too are counted once.
    passing = {step: steps >= step if step < CLOSEST else steps == step for step in range(from_step, RETAINED + 1)}
    panels_of = {step: _panels(ballots, of) for step, of in passing.items()}
    for slicing in slicings:
        for step in range(from_step, RETAINED + 1):
            yield from _sizes(ballots, steps >= step, slicing, shuffle, step)
        found = {step: _pairs(ballots, of, slicing) for step, of in panels_of.items()}
        found[CLOSEST] = [_sum(*tables) for tables in zip(found[CLOSEST], found[RETAINED], strict=True)]
        for step, tables in found.items():
            for attribute, table in zip(ballots.scale.attributes, tables, strict=True):
                yield _rows(table, slicing, shuffle, step, attribute)


def _pairs(ballots: Ballots, panels_of: Panels, slicing: Slicing) -> list[Counts]:
    """Return for each attribute how often two annotators of a panel gave which levels to its response.

    Tables are of shape (cells, raters, levels, levels), for the cells of a slicing. Of an unordered pair the lower
    level comes first. Responses with one rater count the score itself, as (…, 1, level, level).
    """
    cells = slicing.cells(ballots)
    most = max((len(places) for _, places in panels_of), default=1)
    tables = []
    for position in range(len(ballots.scale.attributes)):
        table = _PairTable(len(slicing.names) * slicing.buckets, most, ballots.scale.levels)
        for response, places in panels_of:
            for start in range(0, places.shape[1], AT_ONCE):
                some = places[:, start : start + AT_ONCE]
                table.add(ballots.scores[response, position][some], cells[response][some[0]])
        tables.append(table.unordered())
    return tables


def _panels(ballots: Ballots, passing: Mask) -> Panels:
    """Return, for each response, the places of the passing ballots of tasks with as many of them, (ballots, tasks)."""
    found: Panels = []
    for response, of in enumerate(passing):
        if response and np.array_equal(of, passing[response - 1]):
            found += [(response, places) for before, places in found if before == response - 1]
        else:
            seats = np.flatnonzero(of)
            found += [(response, np.ascontiguousarray(seats[places].T)) for places in panels(ballots.task[seats])]
    return found


class _PairTable:
    """Ordered pairs of levels by cell and number of raters; who gave no score counts as one level more."""

    def __init__(self, cells: int, most_raters: int, levels: int) -> None:
        self._levels = levels
        self._pairs = np.zeros((cells, most_raters + 1, levels + 1, levels + 1), np.int64)
        self._alone = np.zeros((cells, levels + 1), np.int64)

    def add(self, given: Scores, cell: Places) -> None:
        """Add the pairs of some panels: ``given`` is of shape (raters, tasks), ``cell`` of shape (tasks,)."""
        raters = (given != self._levels).sum(axis=0, dtype=np.uint16)
        cells = (cell * self._pairs.shape[1] + raters) * (self._levels + 1) ** 2
        firsts, seconds = cells + given * np.int64(self._levels + 1), given.astype(np.int64)
        for one, other in combinations(range(len(given)), 2):
            _tally(self._pairs, firsts[one] + seconds[other])
        alone = np.flatnonzero(raters == 1)
        _tally(self._alone, cell[alone] * (self._levels + 1) + seconds[:, alone].min(axis=0, initial=self._levels))

    def unordered(self) -> Counts:
        """Return the counts of levels that were given."""
        between = self._pairs[:, :, : self._levels, : self._levels]
        pairs = np.triu(between) + np.triu(between.swapaxes(-1, -2), 1)
        level = np.arange(self._levels)
        pairs[:, 1, level, level] = self._alone[:, : self._levels]
        return pairs


def _tally(table: Counts, cells: Places) -> None:
    """Add one to each cell, by its number in the whole table, as often as it is named."""
    flat = table.reshape(-1)
    if len(flat) > 4 * len(cells):
        np.add.at(flat, cells, 1)
    else:
        flat += np.bincount(cells, minlength=len(flat))


def _sum(one: Counts, other: Counts) -> Counts:
    """Return the sum of two tables, of which one may know more raters."""
    table = np.zeros((len(one), max(one.shape[1], other.shape[1]), *one.shape[2:]), np.int64)
    for part in (one, other):
        table[:, : part.shape[1]] += part
    return table


def _rows(table: Counts, slicing: Slicing, shuffle: int, step: int, attribute: str) -> pl.DataFrame:
    cell, raters, first, second = np.nonzero(table)
    numbers = {"raters": raters, "first": first, "second": second}
    return _keyed(slicing, shuffle, step, attribute, "pairs", cell, table[cell, raters, first, second], numbers)


def _sizes(ballots: Ballots, passing: Mask, slicing: Slicing, shuffle: int, step: int) -> Iterator[pl.DataFrame]:
    """Yield the annotations and, of all responses together, the tasks that pass a step."""
    size = len(slicing.names) * slicing.buckets
    cells = slicing.cells(ballots)
    found = {"annotations": np.bincount(cells[passing], minlength=size)}
    if slicing.names == ("",):
        left = np.flatnonzero(passing.any(axis=0))
        first = left[np.diff(ballots.task[left], prepend=-1) > 0]
        found["tasks"] = np.bincount(ballots.bucket[first], minlength=size)
    for quantity, count in found.items():
        yield _keyed(slicing, shuffle, step, "*", quantity, np.arange(size), count)


def _keyed(
    slicing: Slicing,
    shuffle: int,
    step: int,
    attribute: str,
    quantity: str,
    cell: Places,
    count: Counts,
    numbers: Mapping[str, Places] = MappingProxyType({}),
) -> pl.DataFrame:
    """Return counts with all their keys, in one shape; numbers that a quantity does not have are 0."""
    part, bucket = np.divmod(cell, slicing.buckets)
    nothing = np.zeros(len(cell), np.int64)
    columns = {"bucket": bucket, **{name: numbers.get(name, nothing) for name in ("raters", "first", "second")}}
    return pl.DataFrame(
        {name: values.astype(np.int32) for name, values in columns.items()}
        | {"slice": pl.Series(slicing.names, dtype=pl.String).gather(part), "count": count}
    ).select(
        pl.lit(shuffle, pl.Int32).alias("shuffle"),
        pl.lit(STEPS[step - 1]).alias("stage"),
        "slice",
        "bucket",
        pl.lit(attribute).alias("attribute"),
        pl.lit(quantity).alias("quantity"),
        pl.lit("").alias("slots"),
        "raters",
        "first",
        "second",
        "count",
    )


NONE = pl.DataFrame(
    schema={
        "shuffle": pl.Int32,
        "stage": pl.String,
        "slice": pl.String,
        "bucket": pl.Int32,
        "attribute": pl.String,
        "quantity": pl.String,
        "slots": pl.String,
        "raters": pl.Int32,
        "first": pl.Int32,
        "second": pl.Int32,
        "count": pl.Int64,
    }
)
"""No counts."""
