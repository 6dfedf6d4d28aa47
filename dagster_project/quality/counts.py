"""Counts that add up: how often two annotators of a response gave which scores, at each step, real and shuffled.

Every figure of agreement is computed from these counts (`statistics`), so what many campaigns or batches give together
takes only their counts, added. They are whole numbers; nothing is rounded on the way.
Belongs here: counting. Does not belong here: what is computed from counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from dagster_project.lake import Session
from dagster_project.quality.ballots import BUCKETS, Ballots, Mask, Places, Scores, Steps, panels
from dagster_project.quality.selection import picked, select
from dagster_project.quality.shuffling import Deck
from dagster_project.quality.tallying import Counts, PairTally
from dagster_project.settings import AgreementPolicy

STEPS = ("collected", "trusted", "closest", "retained")
COLLECTED, TRUSTED, CLOSEST, RETAINED = range(1, 5)
QUANTITIES = ("annotations", "tasks", "pairs")
REAL = 0
"""Number of the shuffle that is none."""

KEYS = ["shuffle", "stage", "slice", "bucket", "attribute", "quantity", "slots", "raters", "first", "second"]


@dataclass(frozen=True)
class Filtered:
    """Ballots, the last step that each rating passes, shape (responses, n), and which ballots stood for selection.

    Of a task, all ballots that pass step `TRUSTED` stand, or none.
    """

    ballots: Ballots
    steps: Steps
    stands: Mask


@dataclass(frozen=True)
class Slicing:
    """A division of all responses, by what figures are told apart.

    Attributes:
        names: of the slices; of all responses together the empty name.
        numbers: shape (responses, tasks): the slice of each response.
        buckets: the number of buckets within each slice.
    """

    names: tuple[str, ...]
    numbers: Places
    buckets: int

    @classmethod
    def none(cls, ballots: Ballots) -> Slicing:
        """Keep all responses together."""
        return cls(("",), np.zeros((len(ballots.present), len(ballots.task_keys)), np.int64), BUCKETS)

    @property
    def size(self) -> int:
        """The number of cells: of slices and their buckets."""
        return len(self.names) * self.buckets

    def cells(self, ballots: Ballots) -> Places:
        """Return slice and bucket of each response as one number, shape (responses, tasks)."""
        return self.numbers * self.buckets + ballots.buckets % self.buckets


def count_agreement(filtered: Filtered, policy: AgreementPolicy, *slicings: Slicing) -> pl.DataFrame:
    """Return all counts, together and by slice, one row for each of `KEYS` in no order, with their ``count``."""
    ballots = filtered.ballots
    if not len(ballots.task):
        return NONE
    every = [(slicing, slicing.cells(ballots)) for slicing in (Slicing.none(ballots), *slicings)]
    trusted = filtered.steps.max(axis=0) >= TRUSTED
    seats = [(one, list(_seats(ballots, trusted & (filtered.stands == one)))) for one in (False, True)]
    deck = Deck(ballots, trusted)

    def dealt(shuffle: int) -> Iterator[_Panel]:
        return _dealt(ballots, deck.dealt(policy.seed, shuffle), seats, policy)

    def counted(shuffle: int) -> pl.DataFrame:
        tallies = [_Tally(ballots, slicing, cells) for slicing, cells in every]
        for panel in _real(filtered) if shuffle == REAL else dealt(shuffle):
            for tally in tallies:
                tally.add(panel)
        return pl.concat([tally.rows(shuffle) for tally in tallies])

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


@dataclass(frozen=True)
class _Panel:
    """What as many annotators each gave to one response of tasks.

    Attributes:
        response: its number, 0 ...
        steps: the steps that are counted here.
        last: shape (tasks,), or one number: which of those steps the annotators pass last, as a place in ``steps``.
        task: shape (tasks,): numbers of the tasks.
        annotations: shape (tasks,): how many of the annotators have rated the response at all.
        given: shape (attributes, annotators, tasks): their scores.
    """

    response: int
    steps: tuple[int, ...]
    last: Places | int
    task: Places
    annotations: Places | npt.NDArray[np.uint16]
    given: Scores


def _real(filtered: Filtered) -> Iterator[_Panel]:
    """Yield the panels of all steps. All that pass step 3 in a task pass it together, so step 4 is counted with it."""
    ballots = filtered.ballots
    for steps in (COLLECTED,), (TRUSTED,), (CLOSEST, RETAINED):
        for response, passing in enumerate(filtered.steps >= steps[0]):
            for places in _seats(ballots, passing):
                last = np.minimum(np.take(filtered.steps[response], places[0]), steps[-1]).astype(np.int64) - steps[0]
                annotations = np.full(places.shape[1], len(places))
                given = np.take(ballots.scores[response], places, axis=1)
                yield _Panel(response, steps, last, np.take(ballots.task, places[0]), annotations, given)


def _seats(ballots: Ballots, taken: Mask) -> Iterator[Places]:
    """Yield the places of the ballots taken, of tasks with as many together, shape (ballots, tasks)."""
    places = np.flatnonzero(taken)
    yield from (np.take(places, within) for within in panels(np.take(ballots.task, places)))


def _dealt(
    ballots: Ballots, source: Places, seats: list[tuple[bool, list[Places]]], policy: AgreementPolicy
) -> Iterator[_Panel]:
    """Yield the panels of dealt ballots at the seats of the trusted, and of those selected where seats stand."""
    for stands, of in ((stands, of) for stands, some in seats for of in some):
        # A ballot is dealt to whoever rated the same responses.
        task, present = np.take(ballots.task, of[0]), np.take(ballots.present, of, axis=1)
        given = np.take(ballots.scores, np.take(source, of), axis=2)
        for response, scores in enumerate(given):
            yield _Panel(response, (TRUSTED,), 0, task, _rated(present[response]), scores)
        if not stands:
            continue
        selection = select(given, ballots.scale, policy)
        last = np.where(selection.disputed, 0, 1)
        for responses, members in selection.sets:
            for response in responses:
                annotations = _rated(picked(present[response], members))
                scores = picked(given[response], members)
                yield _Panel(response, (CLOSEST, RETAINED), last, task, annotations, scores)


def _rated(present: Mask) -> npt.NDArray[np.uint16]:
    """Return how many annotators of each task have rated a response, shape (tasks,), of shape (annotators, tasks)."""
    return np.asarray(present.sum(axis=0, dtype=np.uint16))


class _Tally:
    """Counts of a slicing's cells by step: annotations, tasks, and each attribute's pairs."""

    def __init__(self, ballots: Ballots, slicing: Slicing, cells: Places) -> None:
        self._ballots, self._slicing, self._cells = ballots, slicing, cells
        self._annotations = np.zeros((len(STEPS), slicing.size), np.int64)
        self._passing = np.zeros((len(STEPS), len(ballots.task_keys)), bool)
        self._pairs: dict[tuple[int, ...], PairTally] = {}

    def add(self, panel: _Panel) -> None:
        """Add a panel, of which each task is counted at the last step that it passes."""
        cell = panel.last * self._slicing.size + np.take(self._cells[panel.response], panel.task)
        annotations = self._annotations[panel.steps[0] - 1 : panel.steps[-1]].reshape(-1)
        annotations += np.bincount(cell, panel.annotations, len(annotations)).astype(np.int64)
        passing = (panel.steps[0] - 1 + panel.last) * self._passing.shape[1] + panel.task
        self._passing.reshape(-1)[passing] |= panel.annotations > 0
        scale = self._ballots.scale
        tally = self._pairs.setdefault(panel.steps, PairTally(len(scale.attributes), scale.levels))
        tally.add(cell, panel.given)

    def rows(self, shuffle: int) -> pl.DataFrame:
        """Return the counts with all their keys, of the steps that a shuffle has."""
        first = COLLECTED - 1 if shuffle == REAL else TRUSTED - 1
        self._annotations[CLOSEST - 1] += self._annotations[RETAINED - 1]
        self._passing[CLOSEST - 1] |= self._passing[RETAINED - 1]
        found = [self._sizes("annotations", self._annotations, first)]
        if self._slicing.names == ("",):
            buckets = self._ballots.buckets
            tasks = np.stack([np.bincount(buckets[passing], minlength=BUCKETS) for passing in self._passing])
            found.append(self._sizes("tasks", tasks, first))
        for steps, tally in self._pairs.items():
            attribute, cell, *pair, count = tally.pairs(self._slicing.size)
            cell += (steps[0] - 1) * self._slicing.size
            found.append(self._keyed("pairs", attribute + 1, cell, count, pair))
        return self._named(shuffle, pl.concat(found))

    def _sizes(self, quantity: str, counts: Counts, first: int) -> pl.DataFrame:
        of = counts[first:].ravel()
        nothing = np.zeros(of.size, np.int64)
        cell = np.arange(counts.size - of.size, counts.size)
        return self._keyed(quantity, nothing, cell, of, [nothing] * 3)

    def _keyed(
        self, quantity: str, attribute: Places, cell: Places, count: Counts, pair: Sequence[Places]
    ) -> pl.DataFrame:
        """Return counts with their keys but the shuffle, as numbers; 0 is what a quantity does not have."""
        stage, within = np.divmod(cell, self._slicing.size)
        part, bucket = np.divmod(within, self._slicing.buckets)
        of = np.full(len(cell), QUANTITIES.index(quantity))
        columns = ("stage", "slice", "bucket", "attribute", "quantity", "raters", "first", "second", "count")
        return pl.DataFrame(dict(zip(columns, (stage, part, bucket, attribute, of, *pair, count), strict=True)))

    def _named(self, shuffle: int, counts: pl.DataFrame) -> pl.DataFrame:
        """Return counts with all their keys, by name where they have names."""
        names = {
            "stage": STEPS,
            "slice": self._slicing.names,
            "attribute": ("*", *self._ballots.scale.attributes),
            "quantity": QUANTITIES,
        }
        named = [pl.lit(pl.Series(of, dtype=pl.String)).gather(pl.col(key)).alias(key) for key, of in names.items()]
        others = (pl.lit(shuffle).alias("shuffle"), pl.lit("").alias("slots"))
        return counts.with_columns(*named, *others).select(NONE.columns).cast(NONE.schema)


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
