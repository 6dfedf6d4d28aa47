"""Products of matrices, worked out on the thread that asks for them.

Belongs here: keeping BLAS to one thread. Does not belong here: what is multiplied.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ON_ONE_THREAD = 262_144
"""Multiplications up to which BLAS stays on one thread; several wait longer for each other here than they work."""


def product(one: Array, other: Array) -> Array:
    """Return the product of matrices of shape (n, k) and (k, m), some rows at a time.

    Of whole numbers it is exact as long as sums stay below 2^53.
    """
    rows = max(8, ON_ONE_THREAD // max(other.size, 1))
    return np.concatenate([one[start : start + rows] @ other for start in range(0, max(len(one), 1), rows)])
