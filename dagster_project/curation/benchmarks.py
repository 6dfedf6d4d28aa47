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
from dagster_project.curation.jaccard import jaccard
from dagster_project.curation.neighbours import BANDS, band_keys
from dagster_project.curation.normalising import TURN_BREAK, squeeze
from dagster_project.curation.signatures import Signatures, may_be_alike, sign
from dagster_project.curation.windows import Codes, Windows, hashed_windows
from dagster_project.settings.curation import Benchmarks

VERSION = 2
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


@dataclass(frozen=True)
class _Clues:
    """The units' runs that few items share, in the order of their hashes.

    ``units`` and ``places`` say in which unit each run is, and where; ``sieve`` has the leading bits that any hash has.
    """

    hashes: Codes
    units: Numbers
    places: Numbers
    sieve: NDArray[np.bool_]


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
        for overlap in (*self._by_runs(texts), *self._by_likeness(texts, signatures)):
            known = best.get(overlap.text)
            if known is None or overlap.share > known.share:
                best[overlap.text] = overlap
        return best

    def _by_runs(self, texts: Sequence[str]) -> Iterator[Overlap]:
        pieces = hashed_windows(texts, RUN, partial=False)
        for text, unit in self._suspects(pieces):
            ours = pieces.codes[pieces.offsets[text] : pieces.offsets[text + 1]]
            share = self._share(texts[text], ours, unit)
            if share >= self._coverage:
                yield Overlap(text, self.units[unit], "runs", share)

    def _suspects(self, pieces: Windows) -> Iterator[tuple[int, int]]:
        """Yield text and unit wherever they share so many letters in rare runs that the unit may be covered."""
        places, clues = self._clues_in(pieces)
        texts = np.searchsorted(pieces.offsets, places, "right") - 1
        of_pair = texts * len(self.units) + self._clues.units[clues]
        pairs, covered = _covered(of_pair, self._clues.places[clues])
        suspects = pairs[covered >= self._needed[pairs % len(self.units)]]
        yield from zip((suspects // len(self.units)).tolist(), (suspects % len(self.units)).tolist(), strict=True)

    def _clues_in(self, pieces: Windows) -> tuple[Numbers, Numbers]:
        """Return the places of all runs that are a clue, and the clue; a run of two units is there twice."""
        places = np.flatnonzero(self._clues.sieve[pieces.codes >> np.uint64(64 - SIEVE_BITS)])
        begins = np.searchsorted(self._clues.hashes, pieces.codes[places], "left")
        counts = np.searchsorted(self._clues.hashes, pieces.codes[places], "right") - begins
        ends = np.cumsum(counts)
        clues = np.repeat(begins - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)
        return np.repeat(places, counts), clues

    def _share(self, text: str, ours: Codes, number: int) -> float:
        """Return how much of a unit stands in a text, 0 to 1; 0 where a short one is not there as it must be."""
        unit = self.units[number].text
        if len(unit) < TURN_BELOW:
            return float(unit in text.split(TURN_BREAK))
        if len(unit) < UNBROKEN_BELOW:
            return float(unit in text)
        pieces = self._pieces
        theirs = pieces.codes[pieces.offsets[number] : pieces.offsets[number + 1]]
        covered = np.convolve(np.isin(theirs, ours), np.ones(RUN, np.int64)) > 0
        return float(covered.mean())

    def _by_likeness(self, texts: Sequence[str], signatures: Signatures) -> Iterator[Overlap]:
        ours, theirs = self._sharing_a_band(signatures)
        promising = may_be_alike(signatures[ours], self._signatures[theirs], self._least_alike)
        ours, theirs = ours[promising], theirs[promising]
        together = [*(texts[text] for text in ours.tolist()), *(self.units[unit].text for unit in theirs.tolist())]
        pairs = np.arange(len(ours))
        similarities = jaccard(together, pairs, pairs + len(ours))
        for pair in np.flatnonzero(similarities >= self._least_alike).tolist():
            yield Overlap(int(ours[pair]), self.units[theirs[pair]], "alike", float(similarities[pair]))

    def _sharing_a_band(self, signatures: Signatures) -> tuple[Numbers, Numbers]:
        """Return texts and units, each pair once."""
        found: set[tuple[int, int]] = set()
        for band in range(BANDS):
            theirs, order = self._bands[band]
            ours = band_keys(signatures, band)
            begins, ends = np.searchsorted(theirs, ours, "left"), np.searchsorted(theirs, ours, "right")
            for text in np.flatnonzero(ends > begins).tolist():
                found.update((text, int(unit)) for unit in order[begins[text] : ends[text]])
        pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    @cached_property
    def _pieces(self) -> Windows:
        return hashed_windows(self._texts, RUN, partial=False)

    @cached_property
    def _clues(self) -> _Clues:
        order = np.argsort(self._pieces.codes, kind="stable")
        order = order[self._is_rare[order]]
        hashes = self._pieces.codes[order]
        sieve = np.zeros(1 << SIEVE_BITS, np.bool_)
        sieve[hashes >> np.uint64(64 - SIEVE_BITS)] = True
        return _Clues(hashes, self._units_of_pieces[order], order, sieve)

    @cached_property
    def _units_of_pieces(self) -> Numbers:
        return np.repeat(np.arange(len(self.units)), np.diff(self._pieces.offsets))

    @cached_property
    def _is_rare(self) -> NDArray[np.bool_]:
        _, places, counts = np.unique(self._pieces.codes, return_inverse=True, return_counts=True)
        rare: NDArray[np.bool_] = counts[places] < COMMON_FROM
        return rare

    @cached_property
    def _needed(self) -> Numbers:
        """For each unit, how many of its letters stand in rare runs of a text that covers it, at least."""
        rare, common = self._letters_in(self._is_rare), self._letters_in(~self._is_rare)
        lengths = np.array([len(text.encode()) for text in self._texts], np.int64)
        needed = np.ceil(self._coverage * lengths).astype(np.int64) - common
        clamped: Numbers = np.maximum(np.where(lengths < UNBROKEN_BELOW, rare, needed), 1)
        return clamped

    def _letters_in(self, pieces: NDArray[np.bool_]) -> Numbers:
        """Return how many letters of each unit stand in these of its runs."""
        places = np.flatnonzero(pieces)
        units, covered = _covered(self._units_of_pieces[places], places)
        letters = np.zeros(len(self.units), np.int64)
        letters[units] = covered
        return letters

    @cached_property
    def _signatures(self) -> Signatures:
        return sign([unit.text for unit in self.units])

    @cached_property
    def _bands(self) -> list[tuple[Numbers, Numbers]]:
        """For each band the units' keys, sorted, and the units in that order."""
        keys = [band_keys(self._signatures, band) for band in range(BANDS)]
        orders = [np.argsort(one, kind="stable") for one in keys]
        return [(one[order], order) for one, order in zip(keys, orders, strict=True)]


def _covered(owners: Numbers, places: Numbers) -> tuple[Numbers, Numbers]:
    """Return each owner once, and how many letters its runs cover that begin at these places."""
    order = np.lexsort((places, owners))
    owners, places = owners[order], places[order]
    to_next = np.append(np.diff(places), RUN)
    last = np.append(np.diff(owners) != 0, True)
    covers = np.where(last, RUN, np.minimum(to_next, RUN))
    unique, owned = np.unique(owners, return_inverse=True)
    return unique, np.bincount(owned, covers, minlength=len(unique)).astype(np.int64)


def _units(benchmark: str, item: Item) -> Iterator[Unit]:
    turns = [squeeze(turn) for turn in item.turns]
    for number, turn in enumerate(turns):
        if len(turn) >= (LATER_TURNS_FROM if number else RUN):
            yield Unit(benchmark, item.name, turn, whole=False)
    if len(turns) > 1 and len(turns[0]) >= RUN:
        yield Unit(benchmark, item.name, TURN_BREAK.join(turns), whole=True)
