"""MinHash signatures: about how alike two texts are, told from 128 bytes of each.

A signature keeps one byte of each of 128 minima over the hashes of all windows of five bytes of
the squeezed text. The share of equal bytes estimates the Jaccard similarity of the two sets of
windows (Broder 1997; b-bit minima: Li and König 2010), with a standard error of 0.035 at 0.8.
Belongs here: signatures and comparing them. Does not belong here: finding which to compare
(`neighbours`), and how alike texts really are (`jaccard`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dagster_project.curation.windows import WINDOW_BYTES, hashed_windows

VERSION = "rensa-2 window-5 minima-128 seed-42"
"""Whatever changes a signature changes this too: those in the lake are then made again."""

MINIMA = 128
SEED = 42
CHANCE = 1 / 256
"""How often two bytes are equal by chance."""
STANDARD_ERRORS = 3
"""By so many an estimate may fall short: whether two texts are alike is for `jaccard` to say."""

Signatures = NDArray[np.uint8]


def sign(texts: Sequence[str]) -> Signatures:
    """Return the signatures of squeezed texts, shape (texts, 128); of a text without letters, zeros."""
    import rensa  # noqa: PLC0415 - only needed where prompts are signed

    if not texts:
        return np.zeros((0, MINIMA), np.uint8)
    pieces = hashed_windows(texts, WINDOW_BYTES, partial=True)
    digests = rensa.RMinHash.digest_matrix_from_flat_token_hashes(pieces.codes, pieces.offsets, MINIMA, SEED)
    signatures: Signatures = (np.array(digests.to_rows(), np.uint64) & np.uint64(0xFF)).astype(np.uint8)
    signatures[np.diff(pieces.offsets) == 0] = 0
    return signatures


def may_be_alike(ours: Signatures, theirs: Signatures, least: float) -> NDArray[np.bool_]:
    """Say of each of our signatures and its counterpart whether their texts may be so similar, 0 to 1.

    Of pairs that just are, one in 700 is denied: they lie more than three standard errors below.
    """
    expected = least * (1 - CHANCE) + CHANCE
    error = np.sqrt(expected * (1 - expected) / MINIMA)
    equal: NDArray[np.int64] = (ours == theirs).sum(axis=1, dtype=np.int64)
    enough: NDArray[np.bool_] = equal >= MINIMA * (expected - STANDARD_ERRORS * error)
    return enough
