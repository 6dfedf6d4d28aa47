"""Whether slowing down makes a difference: a cap turns away less at half the pace, chance turns away as much.

Belongs here: the comparison. Does not belong here: what follows from it (`adaptive`).
"""

from __future__ import annotations

from math import inf

from dagster_project.generation.limits.traffic import Traffic

SLOW = 0.5
"""From this share of the pace on a cap that was exceeded would show that it is not any more."""
ENOUGH_SENDS = 40
MUCH = 0.2
"""A share of those sends that no cap turns away at half the pace that exceeded it, unless it became another one."""


class Slowdown:
    """The pace at which an alarm was raised first, and since when it is at most half of that."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._since = inf
        self.pace = 0.0

    def begin(self, pace: float) -> None:
        """Take that an alarm was raised at a pace; one that was slowed down from before counts on."""
        if not self.pace:
            self.pace = pace

    def decide(self, pace: float, now: float) -> None:
        """Take that the pace is another one from now on."""
        if pace > SLOW * self.pace:
            self._since = inf
        elif self._since == inf:
            self._since = now

    def share_turned_away(self, until: float) -> float:
        """Return the share turned away since it is slow, up to a moment; 0.0 if those are too few to tell."""
        sent = self._traffic.sent(self._since, until) if self._since < until else 0
        return self._traffic.turned_away(self._since, until) / sent if sent >= ENOUGH_SENDS else 0.0

    def end(self) -> None:
        """Take that the pace is as before the alarm."""
        self.pace, self._since = 0.0, inf
