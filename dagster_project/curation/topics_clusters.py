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

from dagster_project.curation.topics_vectors import of_length_one, portions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dagster_project.curation.topics_vectors import Vectors

    Rows = npt.NDArray[np.int64]

DEVIATIONS_IN_REACH = 1.5
MOST_FOR_PLAIN_KMEANS = 2_000
MOST_TO_CLUSTER = 100_000


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


def place(vectors: Vectors, rows: Rows, known: Centres | None, most_new: int, smallest: int, seed: int) -> Placed:
    """Give each of some vectors a topic, new ones where that is called for.

    They are read some thousand at a time, and an even sample of them for k-means: so they may lie in a file.

    Args:
        vectors: of length 1, or zeros for those that cannot be placed.
        rows: which of them are to be placed.
        known: the topics that there are; None if there are none yet: then all that can be placed is clustered.
        most_new: topics that may be founded, at most.
        smallest: vectors that found a topic, at least; fewer if there are no more.
        seed: of k-means.
    """
    import numpy as np  # noqa: PLC0415 - loads slowly

    placeable = np.flatnonzero(_are_vectors(vectors, rows))
    topics = np.full(len(rows), -1, dtype=np.int64)
    cosines = np.zeros(len(rows), dtype=np.float32)
    far = np.zeros(len(rows), dtype=bool)
    centres = known.vectors if known else vectors[:0]
    beyond = placeable
    if known:
        topics[placeable], cosines[placeable] = nearest(vectors, rows[placeable], centres)
        beyond = placeable[cosines[placeable] < known.reach[topics[placeable]]]
        far[beyond] = True
    least_cosine = float(np.median(known.reach)) if known else -1.0
    clusters = _clusters(vectors, rows[beyond], most_new, smallest, seed, least_cosine)
    if not known and not clusters and len(placeable):
        clusters = [np.arange(len(placeable))]
    if clusters:
        founded = of_length_one(np.stack([vectors[rows[beyond[members]]].mean(axis=0) for members in clusters]))
        centres = np.concatenate([centres, founded])
        topics[beyond], cosines[beyond] = nearest(vectors, rows[beyond], centres)
        far[beyond] = True
        for number, members in enumerate(clusters, start=len(centres) - len(clusters)):
            topics[beyond[members]] = number
            cosines[beyond[members]] = vectors[rows[beyond[members]]] @ centres[number]
            far[beyond[members]] = False
    return Placed(topics, cosines, far, centres)


def nearest(vectors: Vectors, rows: Rows, centres: Vectors) -> tuple[Rows, npt.NDArray[np.float32]]:
    """Return the number of the nearest centre of each of these vectors, and the cosine to it."""
    import numpy as np  # noqa: PLC0415 - loads slowly

    numbers = np.zeros(len(rows), dtype=np.int64)
    cosines = np.zeros(len(rows), dtype=np.float32)
    for some in portions(len(rows)):
        products = vectors[rows[some]] @ centres.T
        numbers[some] = products.argmax(axis=1)
        cosines[some] = products.max(axis=1)
    return numbers, cosines


def _are_vectors(vectors: Vectors, rows: Rows) -> npt.NDArray[np.bool_]:
    import numpy as np  # noqa: PLC0415 - loads slowly

    return np.concatenate(
        [np.zeros(0, dtype=bool), *(np.any(vectors[rows[some]], axis=1) for some in portions(len(rows)))]
    )


def _clusters(vectors: Vectors, rows: Rows, most: int, smallest: int, seed: int, least_cosine: float) -> list[Rows]:
    """Return the members of each cluster that is large enough, and close enough: about the root of their number."""
    import numpy as np  # noqa: PLC0415 - loads slowly

    count = min(most, round(math.sqrt(len(rows))))
    if count < 1 or len(rows) < smallest:
        return []
    labels = _kmeans(vectors, rows, count, seed)
    clusters = [np.flatnonzero(labels == number) for number in range(count)]
    return [
        members for members in clusters if len(members) >= smallest and _is_close(vectors[rows[members]], least_cosine)
    ]


def _is_close(vectors: Vectors, least_cosine: float) -> bool:
    return len(vectors) < 2 or bool(_to_the_others(vectors).mean() >= least_cosine)


def _kmeans(vectors: Vectors, rows: Rows, count: int, seed: int) -> Rows:
    """Return the number of each vector's cluster; of very many, an even sample says where the clusters are."""
    from sklearn.cluster import KMeans, MiniBatchKMeans  # noqa: PLC0415 - loads slowly

    sample = vectors[rows[:: -(-len(rows) // MOST_TO_CLUSTER)]]
    if len(sample) <= MOST_FOR_PLAIN_KMEANS:
        means = KMeans(count, n_init=4, random_state=seed).fit(sample)
    else:
        means = MiniBatchKMeans(count, n_init=2, batch_size=4096, random_state=seed).fit(sample)
    numbers, _ = nearest(vectors, rows, of_length_one(means.cluster_centers_))
    return numbers


def _to_the_others(vectors: Vectors) -> npt.NDArray[np.float32]:
    """Return the cosine of each vector to the mean of the others; nothing for a single one."""
    import numpy as np  # noqa: PLC0415 - loads slowly

    if len(vectors) < 2:
        return np.zeros(0, dtype=np.float32)
    others = of_length_one(vectors.sum(axis=0) - vectors)
    cosines: npt.NDArray[np.float32] = np.einsum("ij,ij->i", vectors, others)
    return cosines
