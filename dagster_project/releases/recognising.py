"""Finding personal data in text, by the pattern recognisers of Microsoft Presidio; no model, no network.

Belongs here: which recogniser finds what, and how texts that cannot hold anything are passed over. Does not belong
here: what is scanned, and what becomes of findings (`personal_data`).

The recognisers are slow, and nearly all text is clean. So a text is looked at line by line, none of the patterns going
over a line's end, and only lines with what any finding must have in it: a test holds these signs to be necessary.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dagster_project.settings import PersonalDataFile

if TYPE_CHECKING:
    import polars as pl

SIGNS = {
    "EMAIL_ADDRESS": r"@",
    "PHONE_NUMBER": r"\d(?:[^\p{L}\d]{0,4}\d){6}",
    "CREDIT_CARD": r"\d(?:[- ]?\d){10}",
    "IBAN_CODE": r"[A-Z]{2}\d{2}[ -]?[A-Z0-9]{4}",
    "IP_ADDRESS": r"\d\.\d{1,3}\.\d|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:",
    "US_SSN": r"\d[-. ]?(?:\d[-. ]?){7}\d",
    "CRYPTO": r"(?i)(?:bc1|[13])[a-z0-9]{25}",
    "MAC_ADDRESS": r"(?i)[0-9a-f]{2}[:-][0-9a-f]{2}[:-]|[0-9a-f]{4}\.[0-9a-f]{4}\.",
}
"""What a line must have in it to hold an entity, as expressions of both `re` and polars but for the classes."""
LEAST_PHONE_DIGITS = 7
LONGEST_PIECE, OVERLAP = 4_000, 200
"""A longer line is looked at in pieces, so that no pattern runs into Presidio's time limit and is skipped."""


@dataclass(frozen=True, order=True)
class Found:
    """A finding: where in the text, and what it is of."""

    start: int
    length: int
    entity: str


@dataclass(frozen=True)
class Scanner:
    """Finds what the rules call personal data."""

    rules: PersonalDataFile

    def suspicious(self, texts: pl.Series) -> pl.Series:
        """Say of each text whether it may hold anything."""
        import polars as pl  # noqa: PLC0415 - the definitions load without it

        if not self.rules.entities:
            return pl.Series([False] * len(texts), dtype=pl.Boolean)
        return texts.str.contains("|".join(f"(?:{SIGNS[entity]})" for entity in self.rules.entities))

    def find(self, text: str) -> list[Found]:
        """Return every finding in a text, in order, each once."""
        return sorted({found for start, line in _pieces(text) for found in self._in_line(line, start)})

    def _in_line(self, line: str, start: int) -> Iterator[Found]:
        for entity in self.rules.entities:
            if not _has_sign(entity, line):
                continue
            for result in self._recognizers[entity].analyze(line, [entity], None):
                text = line[result.start : result.end]
                if result.score >= self.rules.min_score and _counts(entity, text) and not self.rules.allows(text):
                    yield Found(start + result.start, result.end - result.start, entity)

    @cached_property
    def _recognizers(self) -> dict[str, Any]:
        # Importing them takes seconds, and it tells its log what it reads.
        from presidio_analyzer import predefined_recognizers as known  # noqa: PLC0415
        from tldextract import TLDExtract  # noqa: PLC0415

        logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)
        domain = TLDExtract(suffix_list_urls=(), cache_dir=None)

        class OfflineEmailRecognizer(known.EmailRecognizer):
            """Knows top-level domains by the list in the package; Presidio would fetch a newer one."""

            def validate_result(self, pattern_text: str) -> bool:
                return bool(domain(pattern_text).fqdn)

        return {
            "EMAIL_ADDRESS": OfflineEmailRecognizer(),
            "PHONE_NUMBER": known.PhoneRecognizer(supported_regions=self.rules.phone_regions),
            "CREDIT_CARD": known.CreditCardRecognizer(),
            "IBAN_CODE": known.IbanRecognizer(),
            "IP_ADDRESS": known.IpRecognizer(),
            "US_SSN": known.UsSsnRecognizer(),
            "CRYPTO": known.CryptoRecognizer(),
            "MAC_ADDRESS": known.MacAddressRecognizer(),
        }


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its start; a long one in pieces that overlap."""
    start = 0
    for line in text.splitlines(keepends=True):
        for offset in range(0, len(line), LONGEST_PIECE):
            yield start + offset, line[offset : offset + LONGEST_PIECE + OVERLAP]
        start += len(line)


_EXPRESSIONS = {entity: re.compile(sign.replace(r"[^\p{L}\d]", r"(?:[\W_])")) for entity, sign in SIGNS.items()}


def _has_sign(entity: str, line: str) -> bool:
    return bool(_EXPRESSIONS[entity].search(line))


def _counts(entity: str, text: str) -> bool:
    """Say whether a finding can be a person's: a phone number of few digits and an address of no one are none."""
    if entity == "PHONE_NUMBER":
        return sum(character.isdigit() for character in text) >= LEAST_PHONE_DIGITS
    if entity == "IP_ADDRESS":
        return _is_public(text)
    return True


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.partition("/")[0].partition("%")[0]).is_global
    except ValueError:
        return True
