"""MinHash signatures: how alike two texts are, told from 128 bytes of each.

A signature keeps one byte of each of 128 minima over the hashes of all windows of five bytes of
the squeezed text. The share of equal bytes estimates the Jaccard similarity of the two sets of
windows (Broder 1997; b-bit minima: Li and König 2010), with a standard error of 0.035 at 0.8.
Belongs here: signatures and comparing them. Does not belong here: finding which to compare
(`neighbours`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dagster_project.curation.windows import windows

VERSION = "rensa-2 window-5 minima-128 seed-42"
"""Whatever changes a signature changes this too: those in the lake are then made again."""

MINIMA = 128
WINDOW_BYTES = 5
SEED = 42
CHANCE = 1 / 256
"""How often two bytes are equal by chance."""

Signatures = NDArray[np.uint8]


def sign(texts: Sequence[str]) -> Signatures:
    """Return the signatures of squeezed texts, shape (texts, 128); of a text without letters, zeros."""
    import rensa  # noqa: PLC0415 - only needed where prompts are signed

    if not texts:
        return np.zeros((0, MINIMA), np.uint8)
    pieces = windows(texts, WINDOW_BYTES, partial=True)
    digests = rensa.RMinHash.digest_matrix_from_flat_token_hashes(pieces.hashes, pieces.offsets, MINIMA, SEED)
    signatures: Signatures = (np.array(digests.to_rows(), np.uint64) & np.uint64(0xFF)).astype(np.uint8)
    signatures[np.diff(pieces.offsets) == 0] = 0
    return signatures


def similarity(equal_bytes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the estimated Jaccard similarity, 0 to 1, for the number of bytes in which signatures agree."""
    estimate: NDArray[np.float64] = np.clip((equal_bytes / MINIMA - CHANCE) / (1 - CHANCE), 0, 1)
    return estimate


def equal_bytes_for(least: float) -> int:
    """Return in how many bytes signatures agree that are at least so similar."""
    return int(np.ceil((least * (1 - CHANCE) + CHANCE) * MINIMA - 1e-9))


def agreement(ours: Signatures, theirs: Signatures) -> NDArray[np.int64]:
    """Return in how many bytes each of our signatures agrees with its counterpart."""
    equal: NDArray[np.int64] = (ours == theirs).sum(axis=1, dtype=np.int64)
    return equal
