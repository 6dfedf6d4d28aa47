"""From texts to vectors whose cosine says how alike they are in subject.

Two spaces. With an embedding model: its vectors, less their mean, for what all of them share says nothing. Without
one, from the words alone: TF-IDF weights, brought down to few dimensions by a truncated SVD (latent semantic
analysis, Deerwester et al. 1990). Either is made anew for each batch, from the batch and the examples of the topics
that exist: so the words of a later batch count, and another embedding model may be configured at any time.

Belongs here: vectors of words, and what all vectors have in common. Does not belong here: asking for embeddings
(`topics_embeddings`), and what is near enough (`topics_clusters`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

MOST_DIMENSIONS = 100
TEXTS_A_DIMENSION = 5
MOST_WORDS = 50_000
MOST_TO_LEARN_FROM = 50_000
TEXTS_AT_A_TIME = 50_000
VECTORS_AT_A_TIME = 20_000
_NO_SUBJECT = """
ain aren couldn didn doesn don hadn hasn haven isn ll mustn re shan shouldn ve wasn won wouldn
answer ask best did does explain following give given good help just know like list make need please provide question
read say short tell text use used using want words write
"""
"""What is left of words such as "don't" where words end at an apostrophe; and how people ask, whatever it is about."""


def vectors_of_words(texts: Sequence[str], seed: int) -> Vectors:
    """Return a vector of length 1 for each text, in order; zeros for a text without a word that counts."""
    import numpy as np  # noqa: PLC0415 - loads slowly
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415 - loads slowly
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - loads slowly

    learnt_from = _even_sample(texts, MOST_TO_LEARN_FROM)
    words = TfidfVectorizer(
        **words_that_count(),
        sublinear_tf=True,
        strip_accents="unicode",
        max_features=MOST_WORDS,
        # In a large batch a word that stands in one text alone brings nothing together.
        min_df=1 if len(learnt_from) < 1_000 else 2,
        dtype=np.float32,
    )
    try:
        weights = words.fit_transform(learnt_from)
    except ValueError:  # not one word that counts
        return np.zeros((len(texts), 1), dtype=np.float32)
    dimensions = min(MOST_DIMENSIONS, max(2, len(learnt_from) // TEXTS_A_DIMENSION), min(weights.shape) - 1)
    if dimensions < 1:
        return of_length_one(_in_portions(texts, lambda some: words.transform(some).toarray()))
    reduced = TruncatedSVD(dimensions, random_state=seed).fit(weights)
    return of_length_one(_in_portions(texts, lambda some: reduced.transform(words.transform(some))))


def words_that_count() -> dict[str, Any]:
    """Return how scikit-learn's vectorizers are to tell words: of letters alone, without those that say no subject."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # noqa: PLC0415 - loads slowly

    return {"stop_words": sorted({*ENGLISH_STOP_WORDS, *_NO_SUBJECT.split()}), "token_pattern": r"(?u)\b[^\W\d_]{2,}\b"}


def portions(count: int) -> Iterator[slice]:
    """Yield slices that together are so many rows, each few enough to be held in memory."""
    yield from (slice(first, min(first + VECTORS_AT_A_TIME, count)) for first in range(0, count, VECTORS_AT_A_TIME))


def of_length_one(vectors: Vectors) -> Vectors:
    """Return vectors scaled to length 1; those of length 0 stay as they are."""
    import numpy as np  # noqa: PLC0415 - loads slowly

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-9)
    return scaled.astype(np.float32, copy=False)


def _even_sample(texts: Sequence[str], most: int) -> Sequence[str]:
    step = -(-len(texts) // most)
    return texts[::step] if step > 1 else texts


def _in_portions(texts: Sequence[str], transform: Callable[[Sequence[str]], Vectors]) -> Vectors:
    import numpy as np  # noqa: PLC0415 - loads slowly

    portions = [transform(texts[first : first + TEXTS_AT_A_TIME]) for first in range(0, len(texts), TEXTS_AT_A_TIME)]
    return np.concatenate(portions).astype(np.float32, copy=False)
