"""Ratings shuffled: whole task-annotations dealt anew to the tasks of a campaign, within each vendor.

A ballot (all responses, all attributes of one annotator) takes the place of one of the same vendor in a task with as
many responses. Each task keeps its places and their number. The order is drawn by hashing the ids of task and
annotator with a seed.
"""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt

from dagster_project.quality.ballots import Ballots, Mask, Places

Keys = npt.NDArray[np.uint64]


class Deck:
    """The ballots that are dealt, apart for each vendor and for each set of responses that they rate."""

    def __init__(self, ballots: Ballots, takes_part: Mask) -> None:
        self._ballots = ballots
        rated = (1 << np.arange(len(ballots.present))) @ ballots.present
        kind = (ballots.vendor << len(ballots.present)) + rated
        self._alike = [np.flatnonzero(takes_part & (kind == one)) for one in np.unique(kind[takes_part])]

    def dealt(self, seed: int, shuffle: int) -> Places:
        """Return which ballot comes to each place in a numbered shuffle, shape (n,); those not dealt stay."""
        drawn = self._drawn(random.Random(f"{seed}|{shuffle}"))  # noqa: S311 - seeded, and no secret
        source = np.arange(len(drawn))
        for places in self._alike:
            source[places] = np.take(places, _order(np.take(drawn, places)))
        return source

    def _drawn(self, dice: random.Random) -> Keys:
        of_task, of_annotator = (np.uint64(dice.getrandbits(64) | 1) for _ in range(2))
        tasks, annotators = _mixed(self._ballots.task_keys * of_task), self._ballots.annotator_keys * of_annotator
        drawn = np.empty(len(self._ballots.task), np.uint64)
        for start in range(0, len(drawn), DRAWN_AT_ONCE):
            some = slice(start, start + DRAWN_AT_ONCE)
            task, annotator = self._ballots.task[some], self._ballots.annotator[some]
            drawn[some] = _mixed(np.take(tasks, task) + np.take(annotators, annotator))
        return drawn


DRAWN_AT_ONCE = 16_384
"""Keys that are drawn at a time, so that they stay in the processor's cache."""


def _order(keys: Keys) -> Places:
    """Return the places of the keys in their order, by all bits but as many as it takes to number the keys.

    Sorting keys that hold their own places takes a fifth of the time of sorting places by their keys. The keys are
    written over.
    """
    places = np.uint64((1 << len(keys).bit_length()) - 1)
    keys &= ~places
    keys |= np.arange(len(keys), dtype=np.uint64)
    keys.sort()
    keys &= places
    return keys.view(np.int64)


def _mixed(keys: Keys) -> Keys:
    """Return keys of which every bit depends on every bit: the finaliser of SplitMix64 (Steele and others 2014)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
