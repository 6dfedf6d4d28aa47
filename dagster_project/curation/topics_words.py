"""The words that are typical of a topic: c-TF-IDF, as BERTopic has it (Grootendorst 2022, arXiv 2203.05794).

A word weighs, in a topic, its share of the topic's words times log(1 + A / f): A is the mean number of words of a
topic, f how often the word stands in all of them. A word counts once in each prompt, and words of two prompts or more
come before those of one, so that no long prompt names its topic alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dagster_project.curation.topics_vectors import words_that_count

WORDS_A_TOPIC = 8
WORDS_A_LABEL = 3
MOST_WORDS = 20_000
MOST_TEXTS_A_TOPIC = 200
"""Of a large topic the first so many are read: more would not change its most typical words."""


def typical_words(topics: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the most typical words of each topic, given as the texts of its prompts; ties by alphabet."""
    import numpy as np  # noqa: PLC0415 - loads slowly
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 - loads slowly

    counter = CountVectorizer(**words_that_count(), binary=True, max_features=MOST_WORDS)
    read = [texts[:MOST_TEXTS_A_TOPIC] for texts in topics]
    try:
        counts = counter.fit_transform([text for texts in read for text in texts])
    except ValueError:  # not one word that counts
        return [[] for _ in topics]
    starts = np.cumsum([0, *map(len, read)])
    by_topic = np.stack([np.asarray(counts[a:b].sum(axis=0)).ravel() for a, b in pairwise(starts)])
    totals = by_topic.sum(axis=1, keepdims=True)
    weights = by_topic / np.maximum(totals, 1) * np.log1p(totals.mean() / by_topic.sum(axis=0))
    weights /= max(float(weights.max()), 1e-9)
    weights += by_topic > 1
    names = counter.get_feature_names_out()  # by alphabet, and the sort keeps the order of equals
    ranked = np.argsort(-weights, axis=1, kind="stable")[:, :WORDS_A_TOPIC]
    return [[str(names[word]) for word in row if weights[topic, word] > 0] for topic, row in enumerate(ranked.tolist())]


def label_of(words: Sequence[str]) -> str:
    """Return a topic's label."""
    return ", ".join(words[:WORDS_A_LABEL]) or "(no words)"
