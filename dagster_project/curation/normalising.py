"""What of a text counts when texts are compared: its letters and digits.

Belongs here: the one form in which prompts and benchmark items are compared. Spacing, case,
punctuation, accents and Unicode's several ways to write a letter fall away with it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

VERSION = 1
TURN_BREAK = "\n"
_ACCENTS = range(0x300, 0x370)


class _Letters(dict[int, str]):
    """A table for `str.translate` that learns each character when it is first met.

    Marks are kept outside the accents of Latin and Greek: in many scripts they are the vowels.
    """

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))[0]
        kept = chr(code) if kind in "LNM" and code not in _ACCENTS else ""
        self[code] = kept
        return kept


_LETTERS = _Letters()
_ASCII_BESIDE_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())


def squeeze(text: str) -> str:
    """Return a text's letters and digits, without case and accents; nothing of a text that has none.

    Example:
        >>> squeeze("Rewrite:  it's the naïve  way")
        'rewriteitsthenaiveway'
    """
    if text.isascii():
        return text.lower().encode().translate(None, _ASCII_BESIDE_LETTERS).decode()
    once = unicodedata.normalize("NFKD", text).casefold()
    # Folding case may bring forth letters that decompose again.
    return unicodedata.normalize("NFKD", once).translate(_LETTERS).casefold()


def squeeze_turns(turns: Sequence[str]) -> str:
    """Return the squeezed turns of a conversation as one text; nothing of one without a letter or digit.

    The words of two turns never run together.
    """
    joined = TURN_BREAK.join(map(squeeze, turns))
    return joined if joined.strip(TURN_BREAK) else ""
