"""Hashes of all windows of some bytes in many texts at once, as arrays.

Belongs here: the sliding window by which texts are compared piece by piece. Does not belong
here: what the pieces are used for (`signatures`, `benchmarks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True)
class Windows:
    """One hash for each place in each text; text ``i`` has those from ``offsets[i]`` to ``offsets[i + 1]``."""

    hashes: Hashes
    offsets: Counts


def windows(texts: Sequence[str], width: int, *, partial: bool) -> Windows:
    """Return the hashes of all windows of ``width`` UTF-8 bytes.

    Args:
        texts: of any length; none holds a NUL.
        width: bytes in a window.
        partial: whether a text that is shorter than a window, and not empty, has one all the same.
    """
    encoded = [text.encode() for text in texts]
    gap = bytes(width)
    raw = np.frombuffer(gap.join([*encoded, b""]) or gap, np.uint8)
    places = np.zeros(len(raw), np.uint64)
    for step in range(width):
        places *= _MULTIPLIER
        places[: len(raw) - step] += raw[step:] + np.uint64(1)
    lengths = np.array([len(text) for text in encoded], np.int64)
    counts = np.maximum(lengths - width + 1, (lengths > 0) if partial else 0)
    begins = np.cumsum(lengths + width) - lengths - width
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    wanted = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
    return Windows(_mixed(places[wanted]), offsets)


def _mixed(values: Hashes) -> Hashes:
    """Spread each value over all bits (the finish of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * _MIXERS[0]
    values = (values ^ (values >> np.uint64(27))) * _MIXERS[1]
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed
