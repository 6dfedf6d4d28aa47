"""Steps 4 and 5 of the agreement policy on whatever stands for selection: real ratings, preferences, shuffled ratings.

All sets of annotators that could be kept are weighed at once, for all tasks with as many annotators. A set's cost is
the sum of its pairs' distances, the deciding attributes first and then all of them, as one whole number; the
first of the cheapest sets is kept, sets being in the order of their annotators' sorted ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from dagster_project.quality.ballots import Ballots, Mask, Places, Scores, Steps, panels
from dagster_project.settings import AgreementPolicy

MOST_SETS = comb(15, 7)
"""Sets that are weighed for one task: all of them for up to 15 annotators, which is as many as a policy can order."""
AT_ONCE = 2_000_000
"""Costs of sets that are held in memory at a time."""
DECIDING = 2.0**26
"""What a deciding step weighs beside a step in any attribute: more than all of those can add up to.

Sums of both stay below 2^53, so that doubles hold them exactly.
"""
TRUSTED, CLOSEST, RETAINED = 2, 3, 4
"""Steps that a ballot can pass last, of those that stand for selection; 1 is `collected`."""


def choose(ballots: Ballots, stands: Mask, policy: AgreementPolicy) -> Steps:
    """Return the last step that each rating of the ballots that stand passes, shape (responses, n); else 0."""
    steps: Steps = np.zeros(ballots.present.shape, np.uint8)
    standing = np.flatnonzero(stands)
    for places in panels(ballots.task[standing]):
        seats = standing[places]
        steps[:, seats] = TRUSTED
        kept = [(unit, _closest_of(ballots, unit, seats, policy)) for unit in _units(ballots, policy)]
        disputed = np.any([_is_wide(ballots, unit, members, policy) for unit, members in kept], axis=0)
        for unit, members in kept:
            last = np.where(disputed, CLOSEST, RETAINED)
            for response in unit:
                steps[response, members] = last[:, None]
    return np.where(ballots.present, steps, 0)


def closest_sets(fields: Scores, levels: int, decides: Mask, places: Places, size: int, *, break_ties: bool) -> Places:
    """Return the places of the ``size`` ballots of each task that agree best, shape (tasks, size), in their order.

    Where a task has more ballots than `largest_pool`, only the pool nearest to its medoid (the ballot nearest to
    all others) is weighed, since the sets of a crowd of hundreds cannot be counted out.

    Args:
        fields: scores, shape (fields, n); a difference counts where both are there, that is, below ``levels``.
        levels: of the scale.
        decides: shape (fields,): which fields come first.
        places: shape (tasks, ballots): the ballots of each task.
        size: of the sets.
        break_ties: whether all fields count where the deciding ones leave sets equal.
    """
    if places.shape[1] == size:
        return places
    sets = np.array(list(combinations(range(min(places.shape[1], largest_pool(size))), size)))
    at_once = max(1, AT_ONCE // max(len(sets), places.shape[1] ** 2))
    found = [
        _cheapest(fields, levels, decides, some, sets, break_ties=break_ties)
        for some in np.array_split(places, -(-len(places) // at_once))
    ]
    return np.concatenate(found)


def largest_pool(closest: int) -> int:
    """Return the most annotators that have no more than MOST_SETS sets of this size."""
    pool = closest
    while comb(pool + 1, closest) <= MOST_SETS:
        pool += 1
    return pool


def _units(ballots: Ballots, policy: AgreementPolicy) -> list[list[int]]:
    """Return the responses that are served by one set: all of a task, or each by itself."""
    responses = list(range(len(ballots.present)))
    return [responses] if policy.closest_of == "task" else [[response] for response in responses]


def _closest_of(ballots: Ballots, unit: Sequence[int], seats: Places, policy: AgreementPolicy) -> Places:
    if policy.closest is None:
        return seats
    fields = ballots.scores[unit].reshape(-1, ballots.scores.shape[2])
    decides = np.tile(ballots.scale.decides, len(unit))
    return closest_sets(fields, ballots.scale.levels, decides, seats, policy.closest, break_ties=policy.break_ties)


def _is_wide(ballots: Ballots, unit: Sequence[int], members: Places, policy: AgreementPolicy) -> Mask:
    """Say of each set whether a deciding attribute differs by more than ``max_range`` on a response of the unit."""
    wide: Mask = np.zeros(len(members), bool)
    if policy.max_range is None:
        return wide
    levels = ballots.scale.levels
    columns = np.ascontiguousarray(members.T)
    for response in unit:
        for field in ballots.scores[response][ballots.scale.decides]:
            given = field[columns].astype(np.int16)
            highest = np.where(given == levels, -1, given).max(axis=0)
            wide |= highest - given.min(axis=0) > policy.max_range
    return wide


def _cheapest(fields: Scores, levels: int, decides: Mask, places: Places, sets: Places, *, break_ties: bool) -> Places:
    pool = int(sets.max()) + 1
    if places.shape[1] > pool:
        costs = _costs(fields, levels, decides, places, break_ties=break_ties)
        places = np.take_along_axis(places, _nearest_to_medoid(costs, places.shape[1], pool), axis=1)
    costs = _costs(fields, levels, decides, places, break_ties=break_ties)
    number = {pair: place for place, pair in enumerate(combinations(range(places.shape[1]), 2))}
    paired = np.zeros((len(sets), len(number)))
    for row, members in enumerate(sets):
        paired[row, [number[pair] for pair in combinations(members.tolist(), 2)]] = 1
    best = (paired @ costs).argmin(axis=0)
    return np.take_along_axis(places, sets[best], axis=1)


def _costs(fields: Scores, levels: int, decides: Mask, places: Places, *, break_ties: bool) -> npt.NDArray[np.float64]:
    """Return how far each pair of ballots of each task is apart, shape (pairs, tasks)."""
    given = fields[:, np.ascontiguousarray(places.T)]
    gaps = bool((given == levels).any())
    costs = np.empty((comb(places.shape[1], 2), len(places)))
    for row, (one, other) in enumerate(combinations(range(places.shape[1]), 2)):
        a, b = given[:, one], given[:, other]
        apart = np.maximum(a, b) - np.minimum(a, b)
        if gaps:
            apart[(a == levels) | (b == levels)] = 0
        costs[row] = DECIDING * apart[decides].sum(axis=0, dtype=np.int32)
        if break_ties:
            costs[row] += apart.sum(axis=0, dtype=np.int32)
    return costs


def _nearest_to_medoid(costs: npt.NDArray[np.float64], ballots: int, pool: int) -> Places:
    """Return the pool nearest to each task's medoid, in their order; ties by order, the medoid first."""
    square = np.zeros((costs.shape[1], ballots, ballots))
    one, other = np.triu_indices(ballots, 1)
    square[:, one, other] = square[:, other, one] = costs.T
    medoid = square.sum(axis=2).argmin(axis=1)
    distances = 2 * square[np.arange(len(square)), medoid] + 1
    distances[np.arange(len(square)), medoid] = 0
    return np.sort(np.argsort(distances, axis=1, kind="stable")[:, :pool], axis=1)
