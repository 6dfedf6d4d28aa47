"""All windows of some bytes in many texts at once, as arrays.

Belongs here: the sliding window by which texts are compared piece by piece. Does not belong
here: what the pieces are used for (`signatures`, `jaccard`, `benchmarks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]
Counts = NDArray[np.int64]

WINDOW_BYTES = 5
"""Of the windows whose sets say how alike two texts are."""
BITS_A_BYTE = 8
MOST_BYTES_PACKED = 8
_MULTIPLIER = 0x9E3779B97F4A7C15
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_WORD = 1 << 64


@dataclass(frozen=True)
class Windows:
    """One code for each place in each text; text ``i`` has those from ``offsets[i]`` to ``offsets[i + 1]``."""

    codes: Codes
    offsets: Counts


def hashed_windows(texts: Sequence[str], width: int, *, partial: bool) -> Windows:
    """Return the hashes of all windows of ``width`` UTF-8 bytes, spread over 64 bits.

    Args:
        texts: of any length; none holds a NUL.
        width: bytes in a window.
        partial: whether a text that is shorter than a window, and not empty, has one all the same.
    """
    windows = _windows(texts, width, _MULTIPLIER, first=1, partial=partial)
    return Windows(_mixed(windows.codes), windows.offsets)


def packed_windows(texts: Sequence[str], width: int) -> Windows:
    """Return all windows of ``width`` UTF-8 bytes, 8 at most, each as the number that these bytes are.

    Unlike hashes, equal numbers are equal windows. A text that is shorter than a window, and not empty, has one,
    filled up with NULs.
    """
    if width > MOST_BYTES_PACKED:
        raise ValueError(f"a number holds {MOST_BYTES_PACKED} bytes, not {width}")
    return _windows(texts, width, 1 << BITS_A_BYTE, first=0, partial=True)


def gathered(offsets: Counts, chosen: Counts) -> Counts:
    """Return the places of all windows of the chosen texts, one text after the other."""
    counts = offsets[chosen + 1] - offsets[chosen]
    ends = np.cumsum(counts)
    return np.repeat(offsets[chosen] - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def _windows(texts: Sequence[str], width: int, base: int, *, first: int, partial: bool) -> Windows:
    encoded = [text.encode() for text in texts]
    gap = bytes(width)
    raw = np.frombuffer(gap.join([*encoded, b""]) or gap, np.uint8) + np.uint64(first)
    lengths = np.array([len(text) for text in encoded], np.int64)
    counts = np.maximum(lengths - width + 1, (lengths > 0) if partial else 0)
    begins = np.cumsum(lengths + width) - lengths - width
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    wanted = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
    return Windows(_polynomials(raw, width, base)[wanted], offsets)


def _polynomials(digits: Codes, width: int, base: int) -> Codes:
    """Return, for each place, the number to some base that its next ``width`` digits are, modulo 2^64.

    A window of 2w digits is one of w digits and the next of w: so a few passes do for any width.
    """
    if width == 1:
        return digits
    half = width // 2
    codes = _polynomials(digits, half, base)
    codes = _appended(codes, codes, half, half, base)
    return codes if width % 2 == 0 else _appended(codes, digits, width - 1, 1, base)


def _appended(begin: Codes, end: Codes, begin_width: int, end_width: int, base: int) -> Codes:
    longer = begin * np.uint64(pow(base, end_width, _WORD))
    longer[: len(begin) - begin_width] += end[begin_width:]
    return longer


def _mixed(values: Codes) -> Codes:
    """Spread each value over all bits (the finish of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * _MIXERS[0]
    values = (values ^ (values >> np.uint64(27))) * _MIXERS[1]
    mixed: Codes = values ^ (values >> np.uint64(31))
    return mixed
