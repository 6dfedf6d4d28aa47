"""Statistics of agreement, each computed from counts of pairs and from nothing else.

`Pairs` holds, for each number of raters m that a response can have, how often two annotators of such a response gave
the levels k and l. All arrays may have leading axes (resamples, slots), over which every function works
at once. A figure that is undefined (no pairs, or no variation) is NaN.
Belongs here: formulas, each with its source. Does not belong here: counting (`counts`), resampling (`figures`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
DistanceOf = Callable[[Array], Array]


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of levels within responses, apart for each number of raters of the response.

    Attributes:
        raters: the numbers of raters m, each at least 2.
        counts: shape (..., m, k, l): ordered pairs, so symmetric in k and l unless the raters are fixed.
        alone: shape (..., k): scores of responses with one rater, who has nobody to agree with.
    """

    raters: tuple[int, ...]
    counts: Array
    alone: Array

    @property
    def levels(self) -> int:
        """Levels of the scale."""
        return int(self.counts.shape[-1])

    @cached_property
    def together(self) -> Array:
        """Pairs over all numbers of raters, shape (..., k, l)."""
        return np.asarray(self.counts.sum(axis=-3))

    @cached_property
    def m(self) -> Array:
        """Numbers of raters, shaped to be multiplied with ``counts``."""
        return np.array(self.raters, dtype=float)[:, None, None]

    @cached_property
    def coincidences(self) -> Array:
        """Krippendorff's coincidence matrix, shape (..., k, l): a response's pairs, each with weight 1 / (m - 1)."""
        return np.asarray((self.counts / (self.m - 1)).sum(axis=-3))

    @cached_property
    def responses(self) -> Array:
        """Responses with m raters, shape (..., m)."""
        return np.asarray(self.counts.sum(axis=(-2, -1)) / (self.m * (self.m - 1))[:, 0, 0])

    @cached_property
    def scores(self) -> Array:
        """How often each level was given, by the number of raters, shape (..., m, k)."""
        return np.asarray(self.counts.sum(axis=-1) / (self.m - 1)[:, :, 0])


def quadratic_kappa(pairs: Pairs) -> Array:
    """Cohen's kappa with quadratic weights, 1 - N sum(d² o_kl) / sum(d² r_k c_l), d = k - l, of all pairs pooled.

    o are the pairs, N their number, r and c the sums of rows and columns. Source: Cohen 1968, Psychological Bulletin
    70.
    """
    return _kappa(pairs.together, _apart(pairs.levels) ** 2)


def linear_kappa(pairs: Pairs) -> Array:
    """Cohen's kappa with linear weights: as `quadratic_kappa` with d = |k - l| instead of d²; Cohen 1968."""
    return _kappa(pairs.together, _apart(pairs.levels))


def nominal_alpha(pairs: Pairs) -> Array:
    """Krippendorff's alpha, nominal: two levels differ or not; see `_alpha`."""
    return _alpha(pairs.coincidences, lambda _: (_apart(pairs.levels) > 0).astype(float))


def ordinal_alpha(pairs: Pairs) -> Array:
    """Krippendorff's alpha, ordinal: two levels are as far apart as scores lie between them; see `_alpha`.

    d_kl = sum(n_k … n_l) - (n_k + n_l) / 2, squared, where n_k is how often level k was given.
    """

    def distance(n: Array) -> Array:
        middle = np.cumsum(n, axis=-1) - n / 2
        return (middle[..., :, None] - middle[..., None, :]) ** 2

    return _alpha(pairs.coincidences, distance)


def interval_alpha(pairs: Pairs) -> Array:
    """Krippendorff's alpha, interval: d = (k - l)²; see `_alpha`."""
    return _alpha(pairs.coincidences, lambda _: _apart(pairs.levels) ** 2)


def gwet_ac2(pairs: Pairs) -> Array:
    """Gwet's AC2 with quadratic weights w_kl = 1 - (k - l)² / (q - 1)² on the q levels of the scale: (a - e) / (1 - e).

    a is the mean over responses with two raters or more of their pairs' mean weight; e = sum(w) / (q (q - 1)) *
    sum(p_k (1 - p_k)), where p_k is the mean over all rated responses of the share of their raters who gave k.
    Source: Gwet 2014, Handbook of Inter-Rater Reliability, 4th edition, chapters 5 and 3.
    """
    q = pairs.levels
    weights = 1 - (_apart(q) / (q - 1)) ** 2
    by_raters = (pairs.counts * weights).sum(axis=(-2, -1)) / (pairs.m * (pairs.m - 1))[:, 0, 0]
    shares = (pairs.scores / pairs.m[:, :, 0]).sum(axis=-2) + pairs.alone
    p = quotient(shares, shares.sum(axis=-1)[..., None])
    expected = weights.sum() / (q * (q - 1)) * (p * (1 - p)).sum(axis=-1)
    observed = quotient(by_raters.sum(axis=-1), pairs.responses.sum(axis=-1))
    return quotient(observed - expected, 1 - expected)


def exact_agreement(pairs: Pairs) -> Array:
    """Share of pairs that gave the same level."""
    return _within(pairs, 0)


def within_one_agreement(pairs: Pairs) -> Array:
    """Share of pairs that are no more than one level apart."""
    return _within(pairs, 1)


def icc(pairs: Pairs) -> Array:
    """Intraclass correlation of single ratings, one-way random effects, ICC(1,1): (B - W) / (B + (m0 - 1) W).

    B and W are the mean squares between and within responses of two raters or more. A response's squared sum is the sum
    of its squares and of the products of its ordered pairs, so pairs suffice. m0 = (K - sum(m²) / K) / (N - 1)
    for N responses with K ratings, which is m where all have as many. Sources: Shrout and Fleiss 1979,
    Psychological Bulletin 86; for unequal m Donner 1986, International Statistical Review 54.
    """
    level = np.arange(pairs.levels, dtype=float)
    m = np.array(pairs.raters, dtype=float)
    squares = (pairs.scores * level**2).sum(axis=-1)
    products = (pairs.counts * np.multiply.outer(level, level)).sum(axis=(-2, -1))
    n, ratings = pairs.responses.sum(axis=-1), (pairs.responses * m).sum(axis=-1)
    correction = quotient((pairs.scores * level).sum(axis=(-2, -1)) ** 2, ratings)
    of_sums = ((squares + products) / m).sum(axis=-1)
    between = quotient(of_sums - correction, n - 1)
    within = quotient(squares.sum(axis=-1) - of_sums, ratings - n)
    m0 = quotient(ratings - quotient((pairs.responses * m**2).sum(axis=-1), ratings), n - 1)
    return quotient(between - within, between + (m0 - 1) * within)


POOLED: dict[str, Callable[[Pairs], Array]] = {
    "quadratic_kappa": quadratic_kappa,
    "linear_kappa": linear_kappa,
    "nominal_alpha": nominal_alpha,
    "ordinal_alpha": ordinal_alpha,
    "interval_alpha": interval_alpha,
    "gwet_ac2": gwet_ac2,
    "exact_agreement": exact_agreement,
    "within_one_agreement": within_one_agreement,
    "icc": icc,
}
"""Statistics of all pairs within responses, pooled and symmetrised."""


def kappa_of_two(counts: Array, power: int) -> Array:
    """Cohen's kappa of two raters, from how often they gave which levels, shape (..., k, l); d = |k - l|^power.

    With linear (power 1) or quadratic (power 2) weights, as `quadratic_kappa`, whose formula it has.
    """
    return _kappa(counts, _apart(counts.shape[-1]) ** power)


OF_FIXED_SLOTS: dict[str, Callable[[Array], Array]] = {
    "quadratic_kappa": lambda counts: kappa_of_two(counts, 2),
    "linear_kappa": lambda counts: kappa_of_two(counts, 1),
}
"""Statistics of two fixed raters, from counts of shape (..., k, l); the figure is the mean over pairs of raters."""


def icc_of_fixed_raters(counts: Mapping[tuple[str, str], Array]) -> Array:
    """Intraclass correlation of single ratings by k fixed raters, two-way, absolute agreement, ICC(2,1).

    (R - E) / (R + (k - 1) E + k (C - E) / n), of the mean squares of n responses (R), raters (C) and what is left (E).
    ``counts`` are of each two raters, shape (..., k, l). The squared sum of a response is that of its squares and
    products, so pairs suffice. NaN unless all raters rated the same number of responses with each other. Source: Shrout
    and Fleiss 1979, Psychological Bulletin 86.
    """
    raters = sorted({name for two in counts for name in two})
    k, sizes = len(raters), np.stack([table.sum(axis=(-2, -1)) for table in counts.values()])
    level = np.arange(next(iter(counts.values())).shape[-1], dtype=float)
    sums, squares = ({name: np.zeros(sizes.shape[1:]) for name in raters} for _ in range(2))
    products = np.zeros(sizes.shape[1:])
    for (one, other), table in counts.items():
        products += table @ level @ level
        for name, given in ((one, table.sum(axis=-1)), (other, table.sum(axis=-2))):
            sums[name] += given @ level / (k - 1)
            squares[name] += given @ level**2 / (k - 1)
    n = sizes[0]
    total, all_squares = np.sum(list(sums.values()), axis=0), np.sum(list(squares.values()), axis=0)
    correction = quotient(total**2, n * k)
    rows = (all_squares + 2 * products) / k - correction
    columns = quotient(np.sum([each**2 for each in sums.values()], axis=0), n) - correction
    between, of_raters = quotient(rows, n - 1), columns / (k - 1)
    left = quotient(all_squares - correction - rows - columns, (n - 1) * (k - 1))
    found = quotient(between - left, between + (k - 1) * left + quotient(k * (of_raters - left), n))
    complete = (len(counts) == k * (k - 1) // 2) & (sizes == n).all(axis=0)
    return np.where(complete, found, np.nan)


def mean_over_slots(statistic: Callable[[Array], Array], counts: Sequence[Array]) -> Array:
    """Return the mean of a statistic of two raters over the pairs of raters for which it is defined."""
    values = np.stack([statistic(table) for table in counts])
    defined = ~np.isnan(values)
    return quotient(np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0).astype(float))


def _kappa(counts: Array, distance: Array) -> Array:
    rows, columns = counts.sum(axis=-1), counts.sum(axis=-2)
    expected = (rows * (columns @ distance)).sum(axis=-1)
    observed = (counts * distance).sum(axis=(-2, -1))
    return 1 - quotient(counts.sum(axis=(-2, -1)) * observed, expected)


def _alpha(coincidences: Array, distance_of: DistanceOf) -> Array:
    """Return Krippendorff's alpha: 1 - (n - 1) sum(d o_kl) / sum(d n_k n_l), over ordered pairs of levels.

    o are the coincidences, n_k their sums by level, n their sum, d the squared distance of the metric. Source:
    Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.
    """
    n = coincidences.sum(axis=-1)
    distance = distance_of(n)
    expected = (n[..., :, None] * n[..., None, :] * distance).sum(axis=(-2, -1))
    observed = (coincidences * distance).sum(axis=(-2, -1))
    return np.asarray(1 - (n.sum(axis=-1) - 1) * quotient(observed, expected))


def _within(pairs: Pairs, steps: int) -> Array:
    near = (_apart(pairs.levels) <= steps).astype(float)
    return quotient((pairs.together * near).sum(axis=(-2, -1)), pairs.together.sum(axis=(-2, -1)))


def _apart(levels: int) -> Array:
    level = np.arange(levels, dtype=float)
    return np.abs(level[:, None] - level[None, :])


def quotient(dividend: Array, divisor: Array) -> Array:
    """Return a quotient, and NaN where the divisor is 0."""
    undefined: Array = np.full(np.broadcast(dividend, divisor).shape, np.nan)
    result: Array = np.divide(dividend, divisor, out=undefined, where=divisor != 0)
    return result
