"""Steps 4 and 5 of the agreement policy on whatever stands for selection: real ratings, preferences, shuffled ratings.

All sets of annotators that could be kept are weighed at once, for all tasks with as many annotators. A set's cost is
the sum of its pairs' distances, the deciding attributes first and then all of them, as one whole number; the
first of the cheapest sets is kept, sets being in the order of their annotators' sorted ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dagster_project.quality.ballots import Ballots, Mask, Places, Scale, Scores, Steps, panels
from dagster_project.settings import AgreementPolicy

T = TypeVar("T", bound=np.generic)

MOST_SETS = comb(15, 7)
"""Sets that are weighed for one task: all of them for up to 15 annotators, which is as many as a policy can order."""
AT_ONCE = 262_144
"""Costs of pairs in sets that are added up at a time, so that they stay in the processor's cache."""
DECIDING = 2.0**26
"""What a deciding step weighs beside a step in any attribute: more than all of those can add up to.

Sums of both stay below 2^53, so that doubles hold them exactly.
"""
TRUSTED, CLOSEST, RETAINED = 2, 3, 4
"""Steps that a ballot can pass last, of those that stand for selection; 1 is `collected`."""


@dataclass(frozen=True)
class Selection:
    """Which ballots are kept of tasks with as many of them.

    Attributes:
        sets: the responses that one set serves (all of a task, or each by itself), and the set: numbers of ballots
            within their task, shape (ballots kept, tasks), in their order.
        disputed: shape (tasks,): whether those kept are too far apart on any response.
    """

    sets: list[tuple[list[int], Places]]
    disputed: Mask


def choose(ballots: Ballots, stands: Mask, policy: AgreementPolicy) -> Steps:
    """Return the last step that each rating of the ballots that stand passes, shape (responses, n); else 0."""
    steps: Steps = np.zeros(ballots.present.shape, np.uint8)
    standing = np.flatnonzero(stands)
    for places in panels(ballots.task[standing]):
        seats = standing[places]
        steps[:, seats] = TRUSTED
        selection = select(np.take(ballots.scores, seats, axis=2), ballots.scale, policy)
        last = np.where(selection.disputed, CLOSEST, RETAINED)
        for responses, members in selection.sets:
            for response in responses:
                steps[response, picked(seats, members)] = last
    return np.where(ballots.present, steps, 0)


def select(given: Scores, scale: Scale, policy: AgreementPolicy) -> Selection:
    """Return what steps 4 and 5 keep of scores, shape (responses, attributes, ballots, tasks)."""
    sets = [(unit, _closest_of(given[unit], scale, policy)) for unit in _units(len(given), policy)]
    wide = [
        _is_wide(picked(given[response][scale.decides], members), scale.levels, policy.max_range)
        for unit, members in sets
        for response in unit
    ]
    return Selection(sets, np.any(wide, axis=0))


def picked(values: npt.NDArray[T], members: Places) -> npt.NDArray[T]:
    """Return what members have of values, shape (..., ballots, tasks), as (..., members, tasks)."""
    ballots, tasks = values.shape[-2:]
    if len(members) == ballots:
        return values
    places = members * tasks + np.arange(tasks)
    found: npt.NDArray[T] = np.take(values.reshape(*values.shape[:-2], ballots * tasks), places, axis=-1)
    return found


def closest_sets(given: Scores, levels: int, decides: Mask, size: int, *, break_ties: bool) -> Places:
    """Return the numbers of the ``size`` ballots of each task that agree best, shape (size, tasks), in their order.

    Where a task has more ballots than `largest_pool`, only the pool nearest to its medoid (the ballot nearest to
    all others) is weighed, since the sets of a crowd of hundreds cannot be counted out.

    Args:
        given: scores, shape (fields, ballots, tasks); a difference counts where both are there, that is, below
            ``levels``.
        levels: of the scale.
        decides: shape (fields,): which fields come first.
        size: of the sets.
        break_ties: whether all fields count where the deciding ones leave sets equal.
    """
    _, ballots, tasks = given.shape
    if ballots == size:
        return np.broadcast_to(np.arange(size)[:, None], (size, tasks))
    sets = np.array(list(combinations(range(min(ballots, largest_pool(size))), size)))
    at_once = max(1, AT_ONCE // (len(sets) * size * ballots))
    some = [given[..., start : start + at_once] for start in range(0, tasks, at_once)]
    return np.concatenate([_cheapest(of, levels, decides, sets, break_ties=break_ties) for of in some], axis=1)


def largest_pool(closest: int) -> int:
    """Return the most annotators that have no more than MOST_SETS sets of this size."""
    pool = closest
    while comb(pool + 1, closest) <= MOST_SETS:
        pool += 1
    return pool


def _units(responses: int, policy: AgreementPolicy) -> list[list[int]]:
    """Return the responses that are served by one set: all of a task, or each by itself."""
    every = list(range(responses))
    return [every] if policy.closest_of == "task" else [[response] for response in every]


def _closest_of(given: Scores, scale: Scale, policy: AgreementPolicy) -> Places:
    responses, attributes, ballots, tasks = given.shape
    fields = given.reshape(responses * attributes, ballots, tasks)
    decides = np.tile(scale.decides, responses)
    return closest_sets(fields, scale.levels, decides, policy.closest or ballots, break_ties=policy.break_ties)


def _is_wide(given: Scores, levels: int, most: int | None) -> Mask:
    """Say of each task whether a field, of shape (fields, ballots, tasks), differs by more than ``most``."""
    if most is None:
        return np.zeros(given.shape[-1], bool)
    # Below 0 bytes start over at the top: what is missing comes to be the least, and a score stays as it was.
    highest = (given - np.uint8(levels)).max(axis=1) + np.uint8(levels)
    return np.asarray((highest - given.min(axis=1) > most).any(axis=0))


def _cheapest(given: Scores, levels: int, decides: Mask, sets: Places, *, break_ties: bool) -> Places:
    ballots, pool = given.shape[1], int(sets.max()) + 1
    costs = _costs(given, levels, decides, break_ties=break_ties)
    if ballots > pool:
        nearest = _nearest_to_medoid(costs, ballots, pool)
        within = _cheapest(picked(given, nearest), levels, decides, sets, break_ties=break_ties)
        return picked(nearest, within)
    number = {pair: place for place, pair in enumerate(combinations(range(ballots), 2))}
    paired = np.zeros((len(sets), len(number)))
    for row, members in enumerate(sets):
        paired[row, [number[pair] for pair in combinations(members.tolist(), 2)]] = 1
    return np.asarray(np.take(sets.T, (paired @ costs).argmin(axis=0), axis=1))


def _costs(given: Scores, levels: int, decides: Mask, *, break_ties: bool) -> npt.NDArray[np.float64]:
    """Return how far each pair of ballots of each task is apart, shape (pairs, tasks)."""
    fields, ballots, tasks = given.shape
    gaps = bool((given == levels).any())
    most = np.min_scalar_type(fields * levels)
    costs = np.empty((comb(ballots, 2), tasks))
    for row, (one, other) in enumerate(combinations(range(ballots), 2)):
        a, b = given[:, one], given[:, other]
        apart = np.maximum(a, b) - np.minimum(a, b)
        if gaps:
            apart[(a == levels) | (b == levels)] = 0
        costs[row] = DECIDING * apart[decides].sum(axis=0, dtype=most)
        if break_ties:
            costs[row] += apart.sum(axis=0, dtype=most)
    return costs


def _nearest_to_medoid(costs: npt.NDArray[np.float64], ballots: int, pool: int) -> Places:
    """Return the pool nearest to each task's medoid, shape (pool, tasks), in their order; ties by order."""
    square = np.zeros((costs.shape[1], ballots, ballots))
    one, other = np.triu_indices(ballots, 1)
    square[:, one, other] = square[:, other, one] = costs.T
    medoid = square.sum(axis=2).argmin(axis=1)
    distances = 2 * square[np.arange(len(square)), medoid] + 1
    distances[np.arange(len(square)), medoid] = 0
    return np.sort(np.argsort(distances, axis=1, kind="stable")[:, :pool], axis=1).T
