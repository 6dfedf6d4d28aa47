"""Ballots: what annotators gave, as arrays, an annotator's ratings of a whole task at a time.

The set work of the policy is SQL. What is left is arithmetic on small panels of annotators (which of them agree best,
how often two of them gave which scores), done over and over for shuffled ratings: of that, arrays take a twentieth of
the time.
Belongs here: numbering tasks and annotators, and the arrays. Does not belong here: what is made of them (`selection`,
`shuffling`, `counts`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from dagster_project.lake import Session

Scores = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Steps = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

BUCKETS = 200
"""Tasks fall into so many buckets by a hash of their id; counts are kept apart by bucket, for intervals."""


@dataclass(frozen=True)
class Scale:
    """What is rated: attributes by name, which of them decide, and the scale's levels."""

    attributes: tuple[str, ...]
    decides: Mask
    lowest: int
    levels: int


@dataclass(frozen=True)
class Ballots:
    """n ballots, sorted by task and then by annotator, whose numbers follow their sorted ids.

    Attributes:
        task: shape (n,): number of the task.
        annotator: shape (n,): number of the annotator.
        scores: shape (responses, attributes, n): steps above the lowest level; the number of levels where there is no
            score.
        present: shape (responses, n): whether the annotator has rated the response at all.
        task_keys: by number of the task, a hash of its id.
        annotator_keys: by number of the annotator, a hash of the id.
        vendors: by number of the annotator, the number of the vendor.
    """

    scale: Scale
    task: Places
    annotator: Places
    scores: Scores
    present: Mask
    task_keys: npt.NDArray[np.uint64]
    annotator_keys: npt.NDArray[np.uint64]
    vendors: Places

    @cached_property
    def vendor(self) -> Places:
        """Shape (n,): the number of each ballot's vendor."""
        return self.vendors[self.annotator]

    @cached_property
    def buckets(self) -> Places:
        """Shape (tasks,): the bucket of each task."""
        return (self.task_keys % np.uint64(BUCKETS)).astype(np.int64)

    def place_of(self, task: Places, annotator: Places) -> Places:
        """Return where the ballots of these tasks and annotators stand; each must be there."""
        return np.searchsorted(self._codes(self.task, self.annotator), self._codes(task, annotator))

    def _codes(self, task: Places, annotator: Places) -> Places:
        return task.astype(np.int64) * len(self.annotator_keys) + annotator


def number_ratings(session: Session) -> pl.DataFrame:
    """Make ``numbered_tasks``, ``numbered_annotators`` and ``numbered_ratings`` from ``annotations``, ``rubric``.

    Returns:
        The numbered ratings.
    """
    for name in ("numbered_tasks", "numbered_annotators"):
        session.create(name, f"quality/{name}")
    ratings = session.query("quality/numbered_ratings")
    session.lend("numbered_ratings", ratings)
    return ratings


def load_ballots(session: Session, ratings: pl.DataFrame) -> Ballots:
    """Return the ballots of the ratings that `number_ratings` returned.

    Raises:
        ValueError: a score lies outside the scale, or a list of scores is not as long as the rubric.
    """
    scale = _scale(session)
    task, annotator, position = (ratings[name].to_numpy() for name in _KEYS)
    task_keys = session.query("quality/task_keys")["key"].to_numpy()
    annotators = session.query("quality/annotator_keys")
    annotator_keys, vendors = annotators["key"].to_numpy(), annotators["vendor"].to_numpy().astype(np.int64)
    codes = task.astype(np.int64) * len(annotator_keys) + annotator
    order = np.argsort(codes, kind="stable")
    first = _is_first(np.take(codes, order))
    seats = order[first]
    place = np.empty(len(codes), np.int32)
    place[order] = np.cumsum(first, dtype=np.int32) - 1
    rows = np.full((int(position.max(initial=1)), len(seats)), len(codes), np.int32)
    rows[position - 1, place] = np.arange(len(codes), dtype=np.int32)
    given = _given(ratings["scores"], scale)
    # All scores of an attribute side by side: whatever else works on them would turn them round first, each time.
    scores = np.ascontiguousarray(np.take(given, rows, axis=0).transpose(0, 2, 1))
    of_task, of_annotator = (numbers[seats].astype(np.int64) for numbers in (task, annotator))
    return Ballots(scale, of_task, of_annotator, scores, rows < len(codes), task_keys, annotator_keys, vendors)


_KEYS = ("task", "annotator", "position")


TASKS_AT_ONCE = 131_072
"""Tasks of a panel, at most: so many are worked on at a time."""


def panels(task: Places) -> Iterator[Places]:
    """Yield the places of tasks with the same number of ballots together, shape (ballots, tasks); tasks are sorted."""
    starts = np.flatnonzero(_is_first(task))
    sizes = np.diff(starts, append=len(task))
    for size in np.flatnonzero(np.bincount(sizes)):
        of = starts[sizes == size]
        for start in range(0, len(of), TASKS_AT_ONCE):
            yield np.arange(size)[:, None] + of[start : start + TASKS_AT_ONCE]


def _is_first(values: Places) -> Mask:
    """Say of each of sorted values whether it is the first of its kind."""
    first = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first


def _scale(session: Session) -> Scale:
    rows = session.query("quality/attribute_names")
    lowest, highest = (int(rows[name][0]) for name in ("lowest", "highest"))
    return Scale(tuple(rows["attribute"]), rows["decides"].to_numpy(), lowest, highest - lowest + 1)


ROWS_AT_ONCE = 65_536
"""Lists of scores that are turned into arrays at a time, so that what is needed on the way stays small."""


def _given(scores: pl.Series, scale: Scale) -> Scores:
    """Return lists of scores as steps above the lowest level, shape (rows + 1, attributes); the last has no score."""
    attributes = len(scale.attributes)
    if not (scores.list.len() == attributes).all():
        raise ValueError(f"some annotations do not have {attributes} scores, one for each attribute")
    given = np.full((len(scores) + 1, attributes), scale.levels, np.uint8)
    for start in range(0, len(scores), ROWS_AT_ONCE):
        some = scores.slice(start, ROWS_AT_ONCE)
        steps = (some.explode().cast(pl.Int16) - scale.lowest).fill_null(scale.levels).to_numpy()
        if not 0 <= steps.min() <= steps.max() <= scale.levels:
            raise ValueError(f"a score lies outside the scale from {scale.lowest} to {scale.lowest + scale.levels - 1}")
        given[start : start + len(some)] = steps.reshape(-1, attributes)
    return given
