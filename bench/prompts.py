"""Writes prompts to curate: `python -m bench.prompts FOLDER COUNT ADDED`.

``FOLDER`` gets ``prompts.jsonl``, ``added.jsonl`` (a later batch) and ``benchmark.jsonl``; each prompt's row says of
which kind it is. Most are fresh: words follow each other as in the project's own prompts, with rare words among them,
about 400 characters each. The others are copies, copies with a few words changed, copies in capitals, code, e-mail
addresses, and benchmark items within longer texts.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from dagster_project.settings import PROJECT_ROOT

SHARES = {"copy": 0.02, "capitals": 0.01, "changed": 0.10, "code": 0.02, "address": 0.01, "item": 0.005}
ITEMS = 500
REMEMBERED = 50_000
"""Copies are made of one of so many prompts before."""
SYLLABLES = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "la",
    "me",
    "ni",
    "po",
    "ru",
    "sa",
    "te",
    "vi",
    "mo",
    "nu",
    "har",
    "lin",
    "mar",
    "tor",
)


class Words:
    """Text like that of the project's own prompts."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a benchmark's dice
        lines = (PROJECT_ROOT / "prompts" / "starter.jsonl").read_text(encoding="utf-8").splitlines()
        words = [word for line in lines for turn in json.loads(line)["messages"] for word in turn["content"].split()]
        words = [word for word in words if "@" not in word and "http" not in word]
        self._next: defaultdict[str, list[str]] = defaultdict(list)
        for word, following in pairwise(words):
            self._next[word].append(following)
        self._starts = [word for word in self._next if word[0].isupper()]

    def text(self, least: int = 12) -> str:
        """Return some sentences: lengths are lognormal, 75 words in the mean."""
        dice = self._random
        length = max(least, min(400, round(dice.lognormvariate(4.0, 0.8))))
        word, words = dice.choice(self._starts), []
        for _ in range(length):
            words.append(self._rare() if dice.random() < 0.12 else word)
            word = dice.choice(self._next[word]) if self._next[word] else dice.choice(self._starts)
        return " ".join(words)

    def changed(self, text: str) -> str:
        """Return a text with one word in 40 replaced, at least one."""
        words = text.split()
        for _ in range(1 + len(words) // 40):
            words[self._random.randrange(len(words))] = self._rare()
        return " ".join(words)

    def _rare(self) -> str:
        return "".join(self._random.choices(SYLLABLES, k=self._random.randint(2, 4)))


def prompts(count: int, items: list[str], seed: int) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each prompt."""
    words, dice = Words(seed), random.Random(seed + 1)  # noqa: S311 - a benchmark's dice
    copies: dict[str, Callable[[str], str]] = {"copy": str, "capitals": str.upper, "changed": words.changed}
    known: list[str] = []
    kinds = [*SHARES, "fresh"]
    weights = [*SHARES.values(), 1 - sum(SHARES.values())]
    for kind in dice.choices(kinds, weights, k=count):
        if kind in copies and known:
            yield kind, copies[kind](dice.choice(known))
            continue
        text = words.text()
        if kind == "fresh":
            if len(known) < REMEMBERED:
                known.append(text)
            else:
                known[dice.randrange(REMEMBERED)] = text
        yield kind, _told(kind, text, dice, items)


def _told(kind: str, text: str, dice: random.Random, items: list[str]) -> str:
    if kind == "code":
        return f"{text}\n```python\ndef answer(n):\n    return n + {dice.randrange(99)}\n```"
    if kind == "address":
        return f"{text} Write to jo.{dice.randrange(10**6)}@harrow-mills.net."
    if kind == "item":
        return f"{text} {re.sub(r' ', '  ', dice.choice(items)).upper()} {text[:80]}"
    return text


def write(folder: Path, count: int, added: int) -> None:
    """Write the three files."""
    asking = Words(1)
    items = [asking.text(20) for _ in range(ITEMS)]
    rows = [json.dumps({"id": f"item-{number}", "prompt": item}) + "\n" for number, item in enumerate(items)]
    (folder / "benchmark.jsonl").write_text("".join(rows))
    for name, size, seed in (("prompts", count, 10), ("added", added, 20)):
        with (folder / f"{name}.jsonl").open("w") as file:
            for kind, text in prompts(size, items, seed):
                file.write(json.dumps({"prompt": text, "kind": kind}) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
