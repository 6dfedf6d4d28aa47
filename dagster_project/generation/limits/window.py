"""What a closure tells of the pace: was a window used up, or does the server close whatever this client sends?

A window that is used up lets in as much at any pace, so the pace that just uses it costs nothing. Where others use it
up, or the server is overloaded for reasons of its own, a slower pace only brings less, closure after closure.

Belongs here: which of the two it is. Does not belong here: when the server is open again (`closure`).
"""

from __future__ import annotations

from typing import NamedTuple

from dagster_project.generation.limits.traffic import SHORTEST_SECONDS

LESS = 0.75
"""What is below this share of what was before is less, and not only by chance or because a window had begun earlier."""
FASTER = 1.25
"""Where a slower pace is of no use, it goes on a little faster after each closure: much more may be let in."""
LONGEST_LEFT_ALONE = 32
"""Closures, after which it is tried again whether a slower pace avoids them."""


class _Window(NamedTuple):
    """What was let in until a closure ended: in all, for each second until then, and for each until it began."""

    let_in: float
    rate: float
    rate_while_open: float

    def is_less_than(self, before: _Window) -> bool:
        return all(now < LESS * then for now, then in zip(self, before, strict=True))


class Windows:
    """Remembers the last closure, and how often slowing down after one was of no use: so long it is left alone then."""

    def __init__(self) -> None:
        self._before: _Window | None = None
        self._useless = 0
        self._left_alone = 0
        self._borne = 0.0

    def rate(self, let_in: int, seconds_open: float, seconds: float) -> float:
        """Return the rate at which to go on after a closure, in requests a second.

        Args:
            let_in: requests, since the closure before.
            seconds_open: from then until this one began.
            seconds: until it was over.
        """
        window = _Window(let_in, let_in / seconds, let_in / max(SHORTEST_SECONDS, seconds_open))
        before, self._before = self._before, window
        if self._left_alone:
            self._left_alone -= 1
            self._borne = FASTER * max(self._borne, window.rate_while_open)
            return self._borne
        if before and window.is_less_than(before):
            self._useless = min(LONGEST_LEFT_ALONE, 2 * self._useless + 1)
            self._left_alone = self._useless
            self._borne = before.rate_while_open
            return self._borne
        return window.rate
