"""Generated texts: conversations and answers with the lengths of HelpSteer2's, from the words of the project's prompts.

HelpSteer2's prompts have 712 characters on average, its responses 1,493. Every third conversation has three turns. One
response in sixty holds digits that look like a number to call, and one in a thousand an address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SENTENCES, SENTENCE_WORDS = 100_000, (8, 22)
LENGTHS = {
    "question": (3, 14),
    "reply": (2, 9),
    "second_question": (1, 5),
    "response_1": (8, 27),
    "response_2": (8, 27),
}
"""Sentences of each text, at least, and one more than at most."""
CHUNK = 20_000
NUMBER, ADDRESS = "It was kept as item 20417 88321 of the list.", "Write to anna.smith@acme-office.com for it."
SEED = 1


def generated_texts(prompts: Path, count: int) -> Iterator[pa.Table]:
    """Yield ``count`` rows in all, some at a time: ``i`` and a column for each of `LENGTHS`."""
    pool = _sentences(prompts)
    for first in range(0, count, CHUNK):
        dice = np.random.default_rng([SEED, first])
        rows = min(CHUNK, count - first)
        texts = {name: _joined(pool, dice, rows, *bounds) for name, bounds in LENGTHS.items()}
        texts["response_1"] = _with_slips(texts["response_1"], dice)
        yield pa.table({"i": pa.array(range(first, first + rows), pa.int64()), **texts})


def some_sentences(prompts: Path, count: int) -> pa.Array:
    """Return that many sentences."""
    return _sentences(prompts).slice(0, count)


def _sentences(prompts: Path) -> pa.Array:
    said = [message["content"] for line in prompts.open() for message in json.loads(line)["messages"]]
    words = pa.array(sorted(set(re.findall(r"[A-Za-z]{2,12}", " ".join(said)))))
    return pc.binary_join_element_wise(
        _joined(words, np.random.default_rng(SEED), SENTENCES, *SENTENCE_WORDS, " "), ".", ""
    )


def _joined(
    pool: pa.Array, dice: np.random.Generator, rows: int, least: int, most: int, between: str = " "
) -> pa.Array:
    """Return texts, each of some members of a pool."""
    offsets = np.concatenate([[0], np.cumsum(dice.integers(least, most, rows))])
    members = pool.take(pa.array(dice.integers(0, len(pool), offsets[-1])))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), members), between)


def _with_slips(texts: pa.Array, dice: np.random.Generator) -> pa.Array:
    chance = dice.random(len(texts))
    slips = np.where(chance < 0.002, f" {ADDRESS}", np.where(chance < 0.034, f" {NUMBER}", ""))
    return pc.binary_join_element_wise(texts, pa.array(slips.tolist()), "")
