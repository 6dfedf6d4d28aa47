"""For each text, the earlier texts that are like it: locality-sensitive hashing over signatures.

A signature is cut into 25 bands of 5 bytes; texts that share a band are compared. Of pairs
with similarity 0.75 one in 900 shares no band, with 0.65 one in 20, and with 0.4 three of four are
never compared (Indyk and Motwani 1998). Belongs here: which texts are alike.
Does not belong here: what follows from it (`clustering`, `benchmarks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagster_project.curation.signatures import Signatures, agreement, equal_bytes_for

BANDS = 25
BAND_BYTES = 5
BUCKET_DEPTH = 32
"""With how many texts of a band one is compared: the earliest. So a million texts that are all alike take
time as a million do that differ, and what is found never depends on later ones."""
COMPARED_AT_ONCE = 1 << 18

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Alike:
    """Pairs of rows, later and earlier, and in how many bytes their signatures agree."""

    later: Numbers
    earlier: Numbers
    equal_bytes: Numbers


def earlier_neighbours(signatures: Signatures, least: float, first_new: int = 0) -> Alike:
    """Return the pairs of a new row and an earlier one that are at least so similar, each once.

    Args:
        signatures: in order, shape (rows, 128).
        least: similarity, 0 to 1.
        first_new: rows before this one are only compared with, not among themselves.
    """
    found = [_verified(signatures, later, earlier, least) for later, earlier in _candidates(signatures, first_new)]
    codes = [alike.later * len(signatures) + alike.earlier for alike in found]
    if not codes:
        none = np.zeros(0, np.int64)
        return Alike(none, none, none)
    unique, places = np.unique(np.concatenate(codes), return_index=True)
    equal = np.concatenate([alike.equal_bytes for alike in found])[places]
    return Alike(unique // len(signatures), unique % len(signatures), equal)


def band_keys(signatures: Signatures, band: int) -> Numbers:
    """Return each signature's five bytes of a band as a number."""
    padded = np.zeros((len(signatures), 8), np.uint8)
    padded[:, :BAND_BYTES] = signatures[:, band * BAND_BYTES : (band + 1) * BAND_BYTES]
    keys: Numbers = padded.view(np.int64)[:, 0]
    return keys


def _candidates(signatures: Signatures, first_new: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield later and earlier rows that share a band."""
    for band in range(BANDS):
        keys = band_keys(signatures, band)
        rows = np.flatnonzero(np.isin(keys, np.unique(keys[first_new:]))) if first_new else np.arange(len(keys))
        rows = rows[np.argsort(keys[rows], kind="stable")]
        changes = np.flatnonzero(np.diff(keys[rows])) + 1
        begins = np.zeros(len(rows), np.int64)
        begins[changes] = changes
        begins = np.maximum.accumulate(begins)
        places = np.arange(len(rows)) - begins
        for depth in range(BUCKET_DEPTH):
            behind = np.flatnonzero((places > depth) & (rows >= first_new))
            if not len(behind):
                break
            yield rows[behind], rows[begins[behind] + depth]


def _verified(signatures: Signatures, later: Numbers, earlier: Numbers, least: float) -> Alike:
    equal = np.empty(len(later), np.int64)
    for begin in range(0, len(later), COMPARED_AT_ONCE):
        part = slice(begin, begin + COMPARED_AT_ONCE)
        equal[part] = agreement(signatures[later[part]], signatures[earlier[part]])
    alike = equal >= equal_bytes_for(least)
    return Alike(later[alike], earlier[alike], equal[alike])
