"""Which topic a vector belongs to, and where new topics are.

A topic is known by its examples: its centre is their mean, and its reach is how far off the centre they lie
themselves. What lies within reach of its nearest topic joins it. What lies beyond every reach is clustered by
k-means, and each cluster that is large and close enough is a new topic; what remains then joins the nearest all the
same, and is marked as far.

Belongs here: geometry. Does not belong here: texts, tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dagster_project.curation.topics_vectors import of_length_one

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dagster_project.curation.topics_vectors import Vectors

DEVIATIONS_IN_REACH = 1.5
MOST_FOR_PLAIN_KMEANS = 2_000
MOST_TO_CLUSTER = 100_000
VECTORS_AT_A_TIME = 50_000


class Centres(NamedTuple):
    """Centres of length 1, and the least cosine at which a vector is within reach of each."""

    vectors: Vectors
    reach: npt.NDArray[np.float32]


class Placed(NamedTuple):
    """For each vector the number of its topic, the cosine to its centre, and whether it is beyond every reach.

    Topics are numbered with the known ones first; ``centres`` has all of them. A vector of zeros has topic -1.
    """

    topics: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]
    far: npt.NDArray[np.bool_]
    centres: Vectors


def centres_of(examples: Sequence[Vectors]) -> Centres:
    """Return the centre and the reach of each topic, given by its examples.

    Each example is held against the mean of the others. The reach is so many standard deviations below the mean of
    these cosines; the deviation is that within all topics, for one of few examples says little about its own.
    """
    import numpy as np  # noqa: PLC0415 - loads slowly

    centres = of_length_one(np.stack([each.mean(axis=0) for each in examples]))
    cosines = [_to_the_others(each) for each in examples]
    counted = [each for each in cosines if len(each)]
    if not counted:
        return Centres(centres, np.full(len(examples), -1, dtype=np.float32))
    overall = float(np.mean([each.mean() for each in counted]))
    squares = sum(float(((each - each.mean()) ** 2).sum()) for each in counted)
    freedom = sum(len(each) - 1 for each in counted)
    deviation = math.sqrt(squares / freedom) if freedom else 0.0
    means = np.array([each.mean() if len(each) else overall for each in cosines], dtype=np.float32)
    return Centres(centres, means - np.float32(DEVIATIONS_IN_REACH * deviation))


def place(vectors: Vectors, known: Centres | None, most_new: int, smallest: int, seed: int) -> Placed:
    """Give each vector a topic, new ones where that is called for.

    Args:
        vectors: of length 1, or zeros for those that cannot be placed.
        known: the topics that there are; None if there are none yet: then all that can be placed is clustered.
        most_new: topics that may be founded, at most.
        smallest: vectors that found a topic, at least; fewer if there are no more.
        seed: of k-means.
    """
    import numpy as np  # noqa: PLC0415 - loads slowly

    placeable = np.flatnonzero(np.any(vectors, axis=1))
    topics = np.full(len(vectors), -1, dtype=np.int64)
    cosines = np.zeros(len(vectors), dtype=np.float32)
    far = np.zeros(len(vectors), dtype=bool)
    centres = known.vectors if known else vectors[:0]
    beyond = placeable
    if known:
        topics[placeable], cosines[placeable] = nearest(vectors[placeable], centres)
        beyond = placeable[cosines[placeable] < known.reach[topics[placeable]]]
        far[beyond] = True
    clusters = _clusters(vectors[beyond], most_new, smallest, seed, float(np.median(known.reach)) if known else -1.0)
    if not known and not clusters and len(placeable):
        clusters = [np.arange(len(placeable))]
    if clusters:
        founded = of_length_one(np.stack([vectors[beyond[members]].mean(axis=0) for members in clusters]))
        centres = np.concatenate([centres, founded])
        topics[beyond], cosines[beyond] = nearest(vectors[beyond], centres)
        far[beyond] = True
        for number, members in enumerate(clusters, start=len(centres) - len(clusters)):
            topics[beyond[members]] = number
            cosines[beyond[members]] = vectors[beyond[members]] @ centres[number]
            far[beyond[members]] = False
    return Placed(topics, cosines, far, centres)


def nearest(vectors: Vectors, centres: Vectors) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the number of the nearest centre of each vector, and the cosine to it."""
    import numpy as np  # noqa: PLC0415 - loads slowly

    numbers = np.zeros(len(vectors), dtype=np.int64)
    cosines = np.zeros(len(vectors), dtype=np.float32)
    for first in range(0, len(vectors), VECTORS_AT_A_TIME):
        some = slice(first, first + VECTORS_AT_A_TIME)
        products = vectors[some] @ centres.T
        numbers[some] = products.argmax(axis=1)
        cosines[some] = products.max(axis=1)
    return numbers, cosines


def _clusters(
    vectors: Vectors, most: int, smallest: int, seed: int, least_cosine: float
) -> list[npt.NDArray[np.int64]]:
    """Return the members of each cluster that is large enough, and close enough: about the root of their number."""
    import numpy as np  # noqa: PLC0415 - loads slowly

    count = min(most, round(math.sqrt(len(vectors))))
    if count < 1 or len(vectors) < smallest:
        return []
    labels = _kmeans(vectors, count, seed)
    clusters = [np.flatnonzero(labels == number) for number in range(count)]
    return [
        members
        for members in clusters
        if len(members) >= smallest and (len(members) < 2 or _to_the_others(vectors[members]).mean() >= least_cosine)
    ]


def _kmeans(vectors: Vectors, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the number of each vector's cluster; of very many, an even sample says where the clusters are."""
    from sklearn.cluster import KMeans, MiniBatchKMeans  # noqa: PLC0415 - loads slowly

    sample = vectors[:: -(-len(vectors) // MOST_TO_CLUSTER)]
    if len(sample) <= MOST_FOR_PLAIN_KMEANS:
        means = KMeans(count, n_init=4, random_state=seed).fit(sample)
    else:
        means = MiniBatchKMeans(count, n_init=2, batch_size=4096, random_state=seed).fit(sample)
    numbers, _ = nearest(vectors, of_length_one(means.cluster_centers_))
    return numbers


def _to_the_others(vectors: Vectors) -> npt.NDArray[np.float32]:
    """Return the cosine of each vector to the mean of the others; nothing for a single one."""
    import numpy as np  # noqa: PLC0415 - loads slowly

    if len(vectors) < 2:
        return np.zeros(0, dtype=np.float32)
    others = of_length_one(vectors.sum(axis=0) - vectors)
    cosines: npt.NDArray[np.float32] = np.einsum("ij,ij->i", vectors, others)
    return cosines
