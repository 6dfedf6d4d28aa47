"""The order in which the prompts of a batch are selected: balanced at every length, so that any target is a prefix.

A target takes the first so many of one order, so a higher one only adds. The order is made one prompt at a time, and
each step takes what is most behind:

1. the kind, one turn or several: each has its share, rounded, of the prompts so far (Webster's method of
   apportionment, which never takes a seat away when their number grows);
2. of that kind, the topic with the fewest prompts so far, ties in an order drawn anew for each round;
3. in that topic, the complexity level that is most behind its weight over the whole selection: the highest
   weight / (prompts so far + 1/2), Webster's again. Balancing margins one unit at a time is what clinical trials call
   minimisation (Pocock and Simon 1975, Biometrics 31);
4. of these, the prompt with the smallest permanent random number: a hash of seed and prompt, as in coordinated
   sampling (Ohlsson 1995, in Business Survey Methods), so that prompts that come or go leave the draw of others alone.

A source at its limit waits at each step until the limit, a share of the prompts so far, has grown. Where a kind, a
topic or a level runs short, the others fill up.

Belongs here: the order. Does not belong here: tables, and where topics and levels come from.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import islice
from typing import NamedTuple

from dagster_project.identity import unit_interval
from dagster_project.settings import Selection

LEVELS = 5


class Candidate(NamedTuple):
    """One kept prompt. ``topic`` is empty where none is known; ``level`` is 1 to 5."""

    prompt_id: str
    topic: str
    level: int
    multi_turn: bool
    source: str


class Chosen(NamedTuple):
    """Prompt ids in the order of selection, and the sources that were at their limit when it ended."""

    order: list[str]
    full_sources: set[str]


def choose(candidates: Iterable[Candidate], rules: Selection) -> Chosen:
    """Return the first prompts of the order, as many as the target says, or all that the limits let in.

    Args:
        candidates: in the order of their permanent random numbers.
        rules: target, shares, weights and seed.
    """
    draw = _Draw(candidates, rules)
    order = [candidate.prompt_id for candidate in islice(draw, rules.target)]
    return Chosen(order, {source for source in rules.max_source_share if not draw.may_take(source)})


class _Waiting(NamedTuple):
    """A candidate with its place in the order of permanent random numbers."""

    rank: int
    candidate: Candidate


class _Shelf:
    """The candidates of one kind and topic that are left, by level and source."""

    def __init__(self) -> None:
        self._levels: dict[int, dict[str, deque[_Waiting]]] = {}

    def add(self, waiting: _Waiting) -> None:
        by_source = self._levels.setdefault(waiting.candidate.level, {})
        by_source.setdefault(waiting.candidate.source, deque()).append(waiting)

    def __bool__(self) -> bool:
        return bool(self._levels)

    def levels(self, closed: set[str]) -> list[int]:
        """Return the levels that have a candidate whose source is not closed."""
        return [level for level, by_source in self._levels.items() if by_source.keys() - closed]

    def take(self, level: int, closed: set[str]) -> Candidate:
        """Take the first candidate of a level whose source is not closed."""
        by_source = self._levels[level]
        source = min(by_source.keys() - closed, key=lambda name: by_source[name][0].rank)
        taken = by_source[source].popleft()
        if not by_source[source]:
            del by_source[source]
        if not by_source:
            del self._levels[level]
        return taken.candidate


class _Draw(Iterator[Candidate]):
    """Gives candidates in the order of selection until none may be taken."""

    def __init__(self, candidates: Iterable[Candidate], rules: Selection) -> None:
        self._seed = rules.seed
        self._weights = dict(enumerate(rules.complexity_weights, start=1))
        self._multi_turn_share = _exact(rules.multi_turn_share)
        self._limits = {source: _exact(share) for source, share in rules.max_source_share.items()}
        self._taken = 0
        self._multi_turn = 0
        self._by_topic: Counter[str] = Counter()
        self._by_level: Counter[int] = Counter()
        self._by_source: Counter[str] = Counter()
        self._shelves = _shelves(candidates)
        self._rounds = {kind: [self._turn(topic) for topic in self._shelves[kind]] for kind in (False, True)}
        for turns in self._rounds.values():
            heapq.heapify(turns)

    def __next__(self) -> Candidate:
        multi_turn = self._multi_turn < _rounded(self._multi_turn_share * (self._taken + 1))
        taken = self._take(multi_turn) or self._take(not multi_turn)
        if taken is None:
            raise StopIteration
        self._taken += 1
        self._multi_turn += taken.multi_turn
        self._by_topic[taken.topic] += 1
        self._by_level[taken.level] += 1
        self._by_source[taken.source] += 1
        return taken

    def may_take(self, source: str) -> bool:
        """Say whether a source has room for one more: of n prompts its share of n, rounded up."""
        limit = self._limits.get(source)
        return limit is None or self._by_source[source] < limit * (self._taken + 1)

    def _take(self, multi_turn: bool) -> Candidate | None:
        """Take the next of a kind: the topic whose turn it is, its level most behind, the first prompt of these."""
        closed = {source for source in self._limits if not self.may_take(source)}
        turns, shelves = self._rounds[multi_turn], self._shelves[multi_turn]
        passed_over: list[tuple[int, float, str]] = []
        taken = None
        while turns and taken is None:
            turn = heapq.heappop(turns)
            topic = turn[-1]
            if turn[0] != self._by_topic[topic]:  # the other kind took from it meanwhile
                heapq.heappush(turns, self._turn(topic))
            elif levels := shelves[topic].levels(closed):
                taken = shelves[topic].take(min(levels, key=self._behind), closed)
                if shelves[topic]:
                    passed_over.append(turn)
            else:
                passed_over.append(turn)
        for turn in passed_over:
            heapq.heappush(turns, turn)
        return taken

    def _turn(self, topic: str) -> tuple[int, float, str]:
        """Topics take turns by the number of their prompts so far, in an order drawn for each round."""
        taken = self._by_topic[topic]
        return taken, unit_interval(self._seed, "topic", topic, taken), topic

    def _behind(self, level: int) -> tuple[float, float]:
        """The smaller, the more a level is behind its weight."""
        taken = self._by_level[level]
        return (taken + 0.5) / self._weights[level], unit_interval(self._seed, "level", level, taken)


def _shelves(candidates: Iterable[Candidate]) -> Mapping[bool, dict[str, _Shelf]]:
    shelves: dict[bool, dict[str, _Shelf]] = {False: {}, True: {}}
    for rank, candidate in enumerate(candidates):
        shelf = shelves[candidate.multi_turn].setdefault(candidate.topic, _Shelf())
        shelf.add(_Waiting(rank, candidate))
    return shelves


def _exact(share: float) -> Fraction:
    """A share as it is written: 0.07 of 100 is 7, and not a little more."""
    return Fraction(str(share))


def _rounded(number: Fraction) -> int:
    return int(number + Fraction(1, 2))
