"""What the user allows: requests and tokens a minute, and requests in flight, over all processes that work on one home.

Belongs here: counting against the limits of one endpoint or one model. Does not belong here: what a
server bears beyond them (`adaptive`), and money.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from dagster_project.generation.limits.shared_state import shared_state
from dagster_project.settings.models import Limits

FOLDER = "limits"
BURST_SECONDS = 0.05
"""A sleeper wakes a little late; what it missed meanwhile may follow at once, and the pace holds all the same."""
SECONDS_BETWEEN_LOOKS = 0.01
"""How soon a place is seen that another process has left."""
LONGEST_DEBT_SECONDS = 86_400
_REQUESTS_DUE, _TOKENS_DUE = range(2)
_IN_FLIGHT, _WAITING = range(2)


class Quota:
    """The limits of one endpoint or model, shared through a file.

    The pace is kept by a generic cell rate algorithm: each request moves on the time at which the next is due, by
    its share of a minute. So the limits hold in every minute, not only on average.

    Args:
        folder: the lake's folder for limits.
        name: of the endpoint or the model, with a word that says which.
        limits: what is allowed.

    Raises:
        SteerworksError: the disk does not take the file.
    """

    def __init__(self, folder: Path, name: str, limits: Limits) -> None:
        self._most = limits.max_in_flight or 0
        minute = 60 + BURST_SECONDS
        self._seconds_a_request = minute / limits.requests_per_minute if limits.requests_per_minute else 0.0
        self._seconds_a_token = minute / limits.tokens_per_minute if limits.tokens_per_minute else 0.0
        self._watchers: list[Callable[[], None]] = []
        self._state = shared_state(folder / FOLDER / f"{name}.counters", 2, 2, _leave_nothing)

    def watch(self, look: Callable[[], None]) -> None:
        """Have a function called whenever this process leaves a place, which another of its models may wait for."""
        self._watchers.append(look)

    def enter(self, tokens: int) -> float:
        """Count a request in that may need so many tokens, and return 0; or return the seconds until it may be tried.

        Requests of another process that waits go first once this one has its fair share of the places.
        """
        state = self._state
        with state:
            now = time.time()
            wait = max(self._until_due(now), SECONDS_BETWEEN_LOOKS if self._is_full() else 0.0)
            state.mine[_WAITING] = float(wait > 0)
            if wait:
                return wait
            state.mine[_IN_FLIGHT] += 1
            if self._seconds_a_request:
                state.shared[_REQUESTS_DUE] = self._base(_REQUESTS_DUE, now) + self._seconds_a_request
            if self._seconds_a_token:
                state.shared[_TOKENS_DUE] = self._base(_TOKENS_DUE, now) + tokens * self._seconds_a_token
        return 0.0

    def short_of(self) -> str:
        """Return the limit that a request waits for, by its name in models.yaml."""
        with self._state:
            tokens_are_due_last = self._state.shared[_TOKENS_DUE] > self._state.shared[_REQUESTS_DUE]
        is_tokens = self._seconds_a_token and (tokens_are_due_last or not self._seconds_a_request)
        return "tokens_per_minute" if is_tokens else "requests_per_minute"

    def stop_waiting(self) -> None:
        """Leave the places to others: this process no longer waits for one."""
        with self._state:
            self._state.mine[_WAITING] = 0.0

    def leave(self, tokens_unused: int) -> None:
        """Count a request out, and give back what it did not need of its tokens."""
        if self._seconds_a_token and tokens_unused:
            with self._state:
                self._state.shared[_TOKENS_DUE] -= tokens_unused * self._seconds_a_token
        self._state.take_from_mine(_IN_FLIGHT, 1)
        for look in self._watchers:
            look()

    def withdraw(self, tokens: int) -> None:
        """Take back that a request entered: it was not sent after all."""
        with self._state:
            self._state.shared[_REQUESTS_DUE] -= self._seconds_a_request
            self._state.shared[_TOKENS_DUE] -= tokens * self._seconds_a_token
        self._state.take_from_mine(_IN_FLIGHT, 1)

    def _until_due(self, now: float) -> float:
        paces = ((_REQUESTS_DUE, self._seconds_a_request), (_TOKENS_DUE, self._seconds_a_token))
        # What is owed to a limit that is no longer configured is owed to nobody.
        return max([0.0, *(self._base(number, now) - now for number, seconds in paces if seconds)])

    def _base(self, number: int, now: float) -> float:
        """Return when the next request is due: not long ago, nor at a time that only a wrong clock can have written."""
        due = self._state.shared[number]
        return now if due > now + LONGEST_DEBT_SECONDS else max(due, now - BURST_SECONDS)

    def _is_full(self) -> bool:
        if not self._most or not self._is_taken_up():
            return False
        self._state.bury()  # perhaps it was a process that is gone now that had the places, or waited for them
        return self._is_taken_up()

    def _is_taken_up(self) -> bool:
        if self._taken() >= self._most:
            return True
        mine, others = self._state.mine, self._state.others.values()
        others_wait = any(row[_WAITING] and row[_IN_FLIGHT] < self._fair_share() for row in others)
        return others_wait and mine[_IN_FLIGHT] >= self._fair_share()

    def _fair_share(self) -> float:
        rows = [self._state.mine, *self._state.others.values()]
        return self._most / sum(1 for row in rows if row[_IN_FLIGHT] or row[_WAITING] or row is self._state.mine)

    def _taken(self) -> float:
        return self._state.mine[_IN_FLIGHT] + sum(row[_IN_FLIGHT] for row in self._state.others.values())


def _leave_nothing(shared: list[float], row: list[float]) -> None:
    """Forget the row of a process that is gone: its requests are no longer under way."""
    del shared, row
