"""Which prompts hold an item of an evaluation set.

Two rules, both on squeezed text, so that spacing, case, punctuation and Unicode forms make no
difference: most of an item stands in the prompt, in runs of at least 20 letters (it may be
embedded in a longer prompt); or prompt and item are near-duplicates as wholes. Belongs here:
these rules. Does not belong here: reading evaluation sets (`benchmark_files`).

Short items and phrases that anybody may write are held to more: below 20 letters nothing matches;
below 28 a whole turn must be the item; below 60 the item must be there unbroken. Turns after an
item's first, which refer to what went before ("Can you explain why?"), count from 40 letters on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dagster_project.curation.benchmark_files import Item, read_items
from dagster_project.curation.neighbours import BANDS, band_keys
from dagster_project.curation.normalising import TURN_BREAK, squeeze
from dagster_project.curation.signatures import Signatures, agreement, equal_bytes_for, sign, similarity
from dagster_project.curation.windows import Hashes, Windows, windows
from dagster_project.settings.curation import Benchmarks

VERSION = 1
RUN = 20
TURN_BELOW, UNBROKEN_BELOW, LATER_TURNS_FROM = 28, 60, 40
COMMON_FROM = 16
"""A run that so many items share is no clue; where a rarer one is found, it counts again."""
SIEVE_BITS = 22

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Unit:
    """What is looked for: a turn of an item, or all its turns, squeezed."""

    benchmark: str
    item: str
    text: str
    whole: bool

    @property
    def title(self) -> str:
        """Benchmark and item, as the reason names them."""
        return f"{self.benchmark}: {self.item}"


@dataclass(frozen=True)
class Overlap:
    """A prompt's place among the texts, the unit that it holds, and how much of it or how alike they are."""

    text: int
    unit: Unit
    rule: str
    share: float

    @property
    def detail(self) -> str:
        """The figure behind the reason, in words."""
        words = "of the item stands in the prompt" if self.rule == "runs" else "alike"
        return f"{self.unit.title}, {self.share:.0%} {words}"


class BenchmarkIndex:
    """The units of all evaluation sets, ready to be looked for in many prompts at once."""

    def __init__(self, units: Sequence[Unit], coverage: float, least_alike: float) -> None:
        self.units = list(units)
        self._coverage, self._least_alike = coverage, least_alike
        # A whole conversation is told by its turns, or by its likeness.
        self._texts = ["" if unit.whole else unit.text for unit in self.units]

    @classmethod
    def load(cls, settings: Benchmarks) -> BenchmarkIndex:
        """Read the configured evaluation sets.

        Raises:
            SteerworksError: one of them cannot be read.
        """
        units = [unit for one in settings.sets for item in read_items(one) for unit in _units(one.name, item)]
        return cls(units, settings.coverage, settings.similarity)

    def overlaps(self, texts: Sequence[str], signatures: Signatures) -> dict[int, Overlap]:
        """Return for each text that holds an item, by its place, the clearest overlap.

        Args:
            texts: squeezed conversations, turns joined by `TURN_BREAK`.
            signatures: of these texts, shape (texts, 128).
        """
        if not self.units:
            return {}
        best: dict[int, Overlap] = {}
        for overlap in (*self._by_runs(texts), *self._by_likeness(signatures)):
            known = best.get(overlap.text)
            if known is None or overlap.share > known.share:
                best[overlap.text] = overlap
        return best

    def _by_runs(self, texts: Sequence[str]) -> Iterator[Overlap]:
        pieces = windows(texts, RUN, partial=False)
        for text, unit in self._suspects(pieces):
            ours = pieces.hashes[pieces.offsets[text] : pieces.offsets[text + 1]]
            share = self._share(texts[text], ours, unit)
            if share >= self._coverage:
                yield Overlap(text, self.units[unit], "runs", share)

    def _suspects(self, pieces: Windows) -> Iterator[tuple[int, int]]:
        """Yield text and unit wherever they share so many runs that the unit may be covered."""
        hashes, owners, sieve = self._clues
        places = np.flatnonzero(sieve[pieces.hashes >> np.uint64(64 - SIEVE_BITS)])
        begins = np.searchsorted(hashes, pieces.hashes[places], "left")
        counts = np.searchsorted(hashes, pieces.hashes[places], "right") - begins
        ends = np.cumsum(counts)
        clues = np.repeat(begins - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)
        texts = np.repeat(np.searchsorted(pieces.offsets, places, "right") - 1, counts)
        pairs, shared = np.unique(texts * len(self.units) + owners[clues], return_counts=True)
        suspects = pairs[shared >= self._needed[pairs % len(self.units)]]
        yield from zip((suspects // len(self.units)).tolist(), (suspects % len(self.units)).tolist(), strict=True)

    def _share(self, text: str, ours: Hashes, number: int) -> float:
        """Return how much of a unit stands in a text, 0 to 1; 0 where a short one is not there as it must be."""
        unit = self.units[number].text
        if len(unit) < TURN_BELOW:
            return float(unit in text.split(TURN_BREAK))
        if len(unit) < UNBROKEN_BELOW:
            return float(unit in text)
        pieces = self._pieces
        theirs = pieces.hashes[pieces.offsets[number] : pieces.offsets[number + 1]]
        covered = np.convolve(np.isin(theirs, ours), np.ones(RUN, np.int64)) > 0
        return float(covered.mean())

    def _by_likeness(self, signatures: Signatures) -> Iterator[Overlap]:
        wanted = equal_bytes_for(self._least_alike)
        found: set[tuple[int, int]] = set()
        for band in range(BANDS):
            theirs, order = self._bands[band]
            ours = band_keys(signatures, band)
            begins, ends = np.searchsorted(theirs, ours, "left"), np.searchsorted(theirs, ours, "right")
            for text in np.flatnonzero(ends > begins).tolist():
                found.update((text, int(unit)) for unit in order[begins[text] : ends[text]])
        for text, unit in sorted(found):
            equal = agreement(signatures[text : text + 1], self._signatures[unit : unit + 1])
            if equal[0] >= wanted:
                yield Overlap(text, self.units[unit], "alike", float(similarity(equal)[0]))

    @cached_property
    def _pieces(self) -> Windows:
        return windows(self._texts, RUN, partial=False)

    @cached_property
    def _clues(self) -> tuple[Hashes, Numbers, NDArray[np.bool_]]:
        """The units' runs that few items share: sorted hashes, their units, and a sieve over the leading bits."""
        pieces = self._pieces
        owners = np.repeat(np.arange(len(self.units)), np.diff(pieces.offsets))
        _, places, counts = np.unique(pieces.hashes, return_inverse=True, return_counts=True)
        rare = counts[places] < COMMON_FROM
        hashes, owners = pieces.hashes[rare], owners[rare]
        order = np.argsort(hashes, kind="stable")
        sieve = np.zeros(1 << SIEVE_BITS, np.bool_)
        sieve[hashes >> np.uint64(64 - SIEVE_BITS)] = True
        return hashes[order], owners[order], sieve

    @cached_property
    def _needed(self) -> Numbers:
        """For each unit, how many of its rare runs a text has at least that covers it: each covers 20 letters."""
        _, owners, _ = self._clues
        rare = np.bincount(owners, minlength=len(self.units))
        common = np.diff(self._pieces.offsets) - rare
        lengths = np.array([len(text.encode()) for text in self._texts], np.int64)
        needed = np.ceil(self._coverage * lengths / RUN).astype(np.int64) - common
        needed[lengths < UNBROKEN_BELOW] = rare[lengths < UNBROKEN_BELOW]
        clamped: Numbers = np.maximum(needed, 1)
        return clamped

    @cached_property
    def _signatures(self) -> Signatures:
        return sign([unit.text for unit in self.units])

    @cached_property
    def _bands(self) -> list[tuple[Numbers, Numbers]]:
        """For each band the units' keys, sorted, and the units in that order."""
        keys = [band_keys(self._signatures, band) for band in range(BANDS)]
        orders = [np.argsort(one, kind="stable") for one in keys]
        return [(one[order], order) for one, order in zip(keys, orders, strict=True)]


def _units(benchmark: str, item: Item) -> Iterator[Unit]:
    turns = [squeeze(turn) for turn in item.turns]
    for number, turn in enumerate(turns):
        if len(turn) >= (LATER_TURNS_FROM if number else RUN):
            yield Unit(benchmark, item.name, turn, whole=False)
    if len(turns) > 1 and len(turns[0]) >= RUN:
        yield Unit(benchmark, item.name, TURN_BREAK.join(turns), whole=True)
