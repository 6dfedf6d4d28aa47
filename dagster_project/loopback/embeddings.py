"""Pseudo-embeddings: texts that share words are near each other, and nothing else is meant by them.

Belongs here: vectors from texts, and the shape of the reply. Does not belong here: who may ask.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from typing import Any

DIMENSION = 32
_WORD = re.compile(r"\w+")
_MIDDLE_OF_A_BYTE = 127.5


def embedding_of(text: str) -> list[float]:
    """Return a vector of length 1 and dimension 32: the sum of a pseudo-random vector for each word."""
    sums = [0.0] * DIMENSION
    for word in _WORD.findall(text.lower()) or [""]:
        for place, byte in enumerate(hashlib.blake2b(word.encode(), digest_size=DIMENSION).digest()):
            sums[place] += byte - _MIDDLE_OF_A_BYTE
    length = math.sqrt(sum(value * value for value in sums))
    return [value / length for value in sums]


def embedding_reply(body: dict[str, Any], tokens: int, usage: bool) -> dict[str, Any]:
    """Return the reply to a request whose input is a text or several, as floats or, if asked for, in base64."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [embedding_of(text) for text in texts]
    encode = _base64 if body.get("encoding_format") == "base64" else list
    reply: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": encode(vector)} for index, vector in enumerate(vectors)
        ],
        "model": body["model"],
    }
    return reply | ({"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if usage else {})


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{DIMENSION}f", *vector)).decode()
