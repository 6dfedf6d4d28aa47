"""Pseudo-scores: grades by the length of a text, and log-probabilities by the words that were there before.

They depend on the text in a way that a person can foresee, and nothing else is meant by them.

Belongs here: scores from texts. Does not belong here: who may ask.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

_ASKED = re.compile(r'\{"(\w+)": N\}, N from (\d+) to (\d+)')
_TOKEN = re.compile(r"\s*\S+")
WORDS_OF_FIRST_GRADE = 8
KNOWN_WORD, NEW_WORD = -1.0, -6.0


def grade_in_json(texts: Sequence[str]) -> str | None:
    """Return the JSON that a conversation asks for by ``{"name": N}, N from 1 to 5``; None if it asks for none.

    The grade is by the length of the last text: one higher for each doubling.
    """
    asked = _ASKED.search("\n".join(texts))
    if asked is None:
        return None
    name, low, high = asked[1], int(asked[2]), int(asked[3])
    words = max(1, len(texts[-1].split()))
    return f'{{"{name}": {max(low, min(high, low + round(math.log2(words / WORDS_OF_FIRST_GRADE))))}}}'


def logprobs_of(text: str) -> dict[str, Any]:
    """Return the log-probability of each word with the space before it, as `/v1/completions` gives tokens."""
    seen: set[str] = set()
    tokens = list(_TOKEN.finditer(text))
    values: list[float | None] = []
    for token in tokens:
        word = token[0].strip().lower()
        values.append(KNOWN_WORD if word in seen else NEW_WORD)
        seen.add(word)
    return {
        "tokens": [token[0] for token in tokens],
        "token_logprobs": [None, *values[1:]],
        "text_offset": [token.start() for token in tokens],
        "top_logprobs": None,
    }
