"""Whether more is turned away than what comes at random.

Belongs here: statistics of outcomes. Does not belong here: what is done about them (`adaptive`).
"""

from __future__ import annotations

from math import log

LEAST_USUAL = 0.005
"""One in two hundred is as good as none."""
MOST_USUAL = 0.6
"""Whoever turns away more than that, whatever the pace, may as well be slowed down."""
MOST_EXPECTED = 0.95
"""Some are let in at any pace that is worth sending at."""
PRIOR_SENDS = 50
"""Sends that are taken to have been let in before experience begins."""
USUAL_MEMORY = 200
"""Sends; the usual share is that of the last so many, or up to twice as many: what it is may change."""


class UsualShare:
    """The share that is turned away at random, whatever the pace."""

    def __init__(self) -> None:
        self._sends = float(PRIOR_SENDS)
        self._turned_away = 0.0

    @property
    def value(self) -> float:
        """The share, within bounds that evidence can be weighed against."""
        return min(MOST_USUAL, max(LEAST_USUAL, self._turned_away / self._sends))

    def learn(self, sends: int, turned_away: int) -> None:
        """Take outcomes that had nothing to do with the pace."""
        self._sends += sends
        self._turned_away += turned_away
        if self._sends > 2 * USUAL_MEMORY:
            self._sends /= 2
            self._turned_away /= 2

    def take(self, share: float) -> None:
        """Take a share that was seen to be the same at any pace, in place of what was learned before."""
        self._sends, self._turned_away = USUAL_MEMORY, share * USUAL_MEMORY


class Evidence:
    """A sequential test (CUSUM): log-odds that more are turned away than usual. Below none they do not fall.

    Args:
        excess: what is to be noticed is the usual share ``times`` so much, and so much more.
        times: see there.
        alarm: the log-odds that are enough.
    """

    def __init__(self, excess: float, times: float, alarm: float) -> None:
        self._excess = excess
        self._times = times
        self._alarm = alarm
        self._score = 0.0

    @property
    def is_enough(self) -> bool:
        """Whether it is time to act."""
        return self._score >= self._alarm

    def weigh(self, let_in_before: int, usual: float) -> bool:
        """Take that one was turned away after so many that were not; say whether evidence begins with it."""
        many = min(MOST_EXPECTED, self._times * usual + self._excess)
        before = self._score + let_in_before * log((1 - many) / (1 - usual))
        self._score = max(0.0, before) + log(many / usual)
        return before <= 0

    def forget(self) -> None:
        """Begin anew."""
        self._score = 0.0
