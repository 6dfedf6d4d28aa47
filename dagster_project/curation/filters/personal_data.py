"""Personal data that follows rules: addresses, numbers, keys.

Each kind has a pattern that finds candidates and, where the number carries its own proof, a check
of it: Luhn (ISO/IEC 7812), ISO 7064 for IBANs, public addresses of RFC 6890, the areas that the US
never issued. Names and postal addresses follow no rule and are left to the annotators, who flag
them. What standards reserve for examples (example.org of RFC 2606, telephone numbers 555-01xx) is
nobody's. Belongs here: these kinds. The detail counts and never quotes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from dagster_project.curation.filters.rules import ascii_classes


@dataclass(frozen=True)
class Kind:
    """A kind of personal data: how candidates look, and which of them are real."""

    pattern: str
    is_real: Callable[[str], bool]


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _email(text: str) -> bool:
    domain = text.rpartition("@")[2].lower()
    reserved = ("example", "test", "invalid", "localhost", "example.com", "example.org", "example.net")
    return not any(domain == name or domain.endswith(f".{name}") for name in reserved)


def _phone(text: str) -> bool:
    digits = _digits(text)
    fictional = re.search(r"555\D?01\d\d$", text.strip())
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2 and not fictional


def _luhn(text: str) -> bool:
    digits = [int(digit) for digit in _digits(text)]
    doubled = [digit * 2 - 9 * (digit > 4) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _iban(text: str) -> bool:
    compact = re.sub(r"\s", "", text).upper()
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(letter, 36)) for letter in compact[4:] + compact[:4])) % 97 == 1


def _social_security_number(text: str) -> bool:
    area, group, serial = re.split(r"[- ]", text.strip())
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _ip_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.strip("[]")).is_global
    except ValueError:
        return False


def _secret(_: str) -> bool:
    return True


KINDS = {
    "email": Kind(r"(?i)[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}", _email),
    "phone": Kind(
        r"(?i)(?:\+|\b00)[1-9]\d{0,3}[ .()/-]{0,3}\d[\d .()/-]{5,16}\d"
        r"|\(\d{3}\) ?[2-9]\d{2}[ .-]?\d{4}\b"
        r"|\b[2-9]\d{2}[ .-][2-9]\d{2}[ .-]\d{4}\b"
        r"|(?:phone|tel|telephone|mobile|cell|call|whatsapp|fax|ring|reach)\b[^\d\n+]{0,25}0\d[\d /()-]{6,13}\d",
        _phone,
    ),
    "iban": Kind(r"(?i)\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?\b", _iban),
    "credit_card": Kind(r"\b[3-6]\d{3}[ -]?(?:\d[ -]?){8,14}\d\b", _luhn),
    "social_security_number": Kind(r"\b\d{3}-\d{2}-\d{4}\b", _social_security_number),
    "ip_address": Kind(
        r"\b(?:\d{1,3}\.){3}\d{1,3}\b|(?i)(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4}){1,5}",
        _ip_address,
    ),
    "secret": Kind(
        r"\b(?:sk|pk|rk)[-_](?:live[-_]|test[-_]|proj[-_]|ant[-_])?[A-Za-z0-9_-]{20,}"
        r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}"
        r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bxox[abprs]-[\w-]{10,}"
        r"|\bhf_[A-Za-z]{30,}|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
        r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
        r"|(?i)\b(?:password|passwd|pwd|passphrase|api[ _-]?key|secret[ _-]?key|access[ _-]?token)(?: is)?"
        r" ?[:=] ?[^\s<>{}\[\]$*]*\d[^\s<>{}\[\]$*]{4,}",
        _secret,
    ),
}
# A payment card or an IBAN holds digits that look like a telephone number.
_ORDER = ("email", "secret", "iban", "credit_card", "social_security_number", "ip_address", "phone")


def findings(texts: Sequence[str], kinds: Sequence[str]) -> dict[int, str]:
    """Return for each text with personal data, by its place, how many of which kind."""
    column = pl.Series("text", texts, dtype=pl.String)
    wanted = [name for name in _ORDER if name in kinds]
    found: dict[int, str] = {}
    for name in wanted:
        pattern = ascii_classes(KINDS[name].pattern)
        for place in column.str.contains(pattern).arg_true():
            candidates = column.slice(place, 1).str.extract_all(pattern)[0]
            real = sum(map(KINDS[name].is_real, candidates))
            if real and place not in found:
                found[place] = f"{name}: {real}"
    return found
