"""For each text, the earlier texts that may be like it: locality-sensitive hashing over signatures.

A signature is cut into 25 bands of 5 bytes; texts that share a band are compared. Of pairs
with similarity 0.75 one in 900 shares no band, with 0.65 one in 20, and with 0.4 three of four are
never compared (Indyk and Motwani 1998). Belongs here: which texts are worth comparing.
Does not belong here: how alike they are (`jaccard`), and what follows (`clustering`, `benchmarks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dagster_project.curation.distinct import distinct
from dagster_project.curation.signatures import Signatures, may_be_alike

BANDS = 25
BAND_BYTES = 5
BUCKET_DEPTH = 32
"""With how many texts of a band one is compared: the earliest. So a million texts that are all alike take
time as a million do that differ, and what is found never depends on later ones."""
COMPARED_AT_ONCE = 1 << 18

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, a later and an earlier one, sorted."""

    later: Numbers
    earlier: Numbers


def earlier_neighbours(signatures: Signatures, least: float, first_new: int = 0) -> Pairs:
    """Return the pairs of a new row and an earlier one that may be at least so similar, each once.

    Args:
        signatures: in order, shape (rows, 128).
        least: similarity, 0 to 1.
        first_new: rows before this one are only compared with, not among themselves.
    """
    rows = len(signatures)
    codes = [_promising(signatures, later, earlier, least) for later, earlier in _sharing_a_band(signatures, first_new)]
    pairs = distinct(np.concatenate([np.zeros(0, np.int64), *codes]))
    return Pairs(pairs // rows, pairs % rows)


def band_keys(signatures: Signatures, band: int) -> Numbers:
    """Return each signature's five bytes of a band as a number."""
    padded = np.zeros((len(signatures), 8), np.uint8)
    padded[:, :BAND_BYTES] = signatures[:, band * BAND_BYTES : (band + 1) * BAND_BYTES]
    keys: Numbers = padded.view(np.int64)[:, 0]
    return keys


def _sharing_a_band(signatures: Signatures, first_new: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield later and earlier rows."""
    for band in range(BANDS):
        keys = band_keys(signatures, band)
        rows = np.flatnonzero(np.isin(keys, distinct(keys[first_new:]))) if first_new else np.arange(len(keys))
        rows = rows[np.argsort(keys[rows], kind="stable")]
        changes = np.flatnonzero(np.diff(keys[rows])) + 1
        begins = np.zeros(len(rows), np.int64)
        begins[changes] = changes
        begins = np.maximum.accumulate(begins)
        places = np.arange(len(rows)) - begins
        behind = np.flatnonzero((places > 0) & (rows >= first_new))
        for depth in range(BUCKET_DEPTH):
            behind = behind[places[behind] > depth]
            if not len(behind):
                break
            yield rows[behind], rows[begins[behind] + depth]


def _promising(signatures: Signatures, later: Numbers, earlier: Numbers, least: float) -> Numbers:
    """Return the pairs that may be alike, each as one number: later times rows, plus earlier."""
    promising = [
        may_be_alike(signatures[later[begin:end]], signatures[earlier[begin:end]], least)
        for begin, end in pairwise([*range(0, len(later), COMPARED_AT_ONCE), len(later)])
    ]
    alike = np.concatenate(promising)
    return later[alike] * len(signatures) + earlier[alike]
