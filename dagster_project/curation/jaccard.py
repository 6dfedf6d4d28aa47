"""How alike two texts are, exactly: the Jaccard similarity of their sets of windows of five bytes.

It is what signatures estimate, counted: windows that both have, among those that either has (Broder 1997 calls it
resemblance). Belongs here: counting it for many pairs at once. Does not belong here: which pairs are worth it
(`neighbours`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dagster_project.curation.distinct import distinct
from dagster_project.curation.windows import BITS_A_BYTE, WINDOW_BYTES, Codes, Counts, Windows, gathered, packed_windows

SET_BITS = np.uint64(WINDOW_BYTES * BITS_A_BYTE)
"""A window takes so many of a code's 64 bits; whose set it is in stands above them."""
CHARACTERS_AT_ONCE = 1 << 21

Similarities = NDArray[np.float64]


def jaccard(texts: Sequence[str], ours: Counts, theirs: Counts) -> Similarities:
    """Return the similarity of each pair of texts, 0 to 1; of two that are empty, 0.

    Memory holds the windows of some thousand texts, however many pairs there are.

    Args:
        texts: squeezed.
        ours: the first text of each pair, by its place.
        theirs: the second.
    """
    portions = [_of_portion(texts, ours[some], theirs[some]) for some in _portions(texts, ours, theirs)]
    return np.concatenate([np.zeros(0), *portions])


def _portions(texts: Sequence[str], ours: Counts, theirs: Counts) -> Iterator[slice]:
    lengths = np.array([len(text) for text in texts], np.int64)
    read = np.cumsum(lengths[ours] + lengths[theirs] + 1) // CHARACTERS_AT_ONCE
    cuts = (np.flatnonzero(np.diff(read)) + 1).tolist()
    yield from (slice(begin, end) for begin, end in zip([0, *cuts], [*cuts, len(ours)], strict=True))


def _of_portion(texts: Sequence[str], ours: Counts, theirs: Counts) -> Similarities:
    chosen, places = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    sets = _distinct(packed_windows([texts[place] for place in chosen.tolist()], WINDOW_BYTES))
    first, second = np.split(places, 2)
    members = np.concatenate([_of_pairs(sets, first), _of_pairs(sets, second)])
    members.sort()
    twice = members[1:][members[1:] == members[:-1]] >> SET_BITS
    shared = np.bincount(twice.astype(np.int64), minlength=len(ours))
    sizes = np.diff(sets.offsets)
    either = sizes[first] + sizes[second] - shared
    return shared / np.maximum(either, 1)


def _distinct(windows: Windows) -> Windows:
    """Return each text's windows once."""
    owners = np.repeat(np.arange(len(windows.offsets) - 1), np.diff(windows.offsets))
    codes = distinct(_marked(windows.codes, owners))
    counts = np.bincount((codes >> SET_BITS).astype(np.int64), minlength=len(windows.offsets) - 1)
    window = np.uint64((1 << int(SET_BITS)) - 1)
    return Windows(codes & window, np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))


def _of_pairs(sets: Windows, places: Counts) -> Codes:
    """Return the windows of one side of each pair, marked with the pair."""
    counts = np.diff(sets.offsets)[places]
    return _marked(sets.codes[gathered(sets.offsets, places)], np.repeat(np.arange(len(places)), counts))


def _marked(codes: Codes, owners: Counts) -> Codes:
    return (owners.astype(np.uint64) << SET_BITS) | codes
