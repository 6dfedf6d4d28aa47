"""What an endpoint is trusted with, and keeping it out of all that is written down or shown of its words.

Servers, and the proxies before them, repeat what they were sent: as it is, escaped in JSON, HTML or an address, in
base64 as a header has it, in hexadecimal, and in part. All of these are found by bringing a text and the secrets to one
plain form.

Belongs here: which of an endpoint's settings are secret, how they may be spelt, and masking them. Does not belong here:
what replies mean (`replies`).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from string import ascii_lowercase, ascii_uppercase
from urllib.parse import quote, unquote, urlsplit

from dagster_project.settings import Endpoint

MASK = "***"
SHORTEST_IN_ANSWERS = 8
"""A shorter key, such as `EMPTY`, is a word that keeps nobody out, and answers may say it."""
SHORTEST_IN_PARTS = 16
"""A shorter secret is only known as a whole."""
LONGEST_PART = 12
"""So many characters of a secret in a row tell too much; what servers leave when they mask it themselves are fewer."""
_OF_CREDENTIALS = re.compile("auth|key|token|secret|password|cookie|credential", re.IGNORECASE)
_SPELT = re.compile(
    r"\\++u(?P<json>[0-9a-f]{4})"
    r"|%(?:25)*(?P<url>[0-9a-f]{2})"
    r"|&(?:amp;)*(?:\#x0*(?P<html>[0-9a-f]{2})|\#0*(?P<decimal>[0-9]{2,3})|(?P<name>quot|apos|amp|lt|gt));"
    r"|(?P<backslashes>\\++)"
    r"|(?P<plain>[^\\%&]++|.)",
    re.IGNORECASE | re.DOTALL,
)
_NAMED = {"quot": '"', "apos": "'", "amp": "&", "lt": "<", "gt": ">"}
# Addresses say + for a space; base64 within them - for + and _ for /.
_FOLD = str.maketrans(ascii_uppercase + "+ /", ascii_lowercase + "--_", "\\")


class Secrets:
    """The secrets of one endpoint.

    Args:
        secrets: as they are sent; empty ones are none.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._marks: set[bytes] = set()
        self._parts: defaultdict[int, set[str]] = defaultdict(set)
        for secret in filter(None, secrets):
            cores = [core for core in (*_in_base64(secret), *_in_hex(secret)) if len(core) >= SHORTEST_IN_ANSWERS]
            if len(secret) >= SHORTEST_IN_ANSWERS:
                self._marks.update(spelt.encode() for spelt in (*_escaped(secret), *cores))
            for whole in (secret, *cores):
                self._know(_plain(whole)[0])

    def may_be_in(self, body: bytes) -> bool:
        """Say, quickly, whether a whole secret may be in the body of an answer, or in an id."""
        return any(mark in body for mark in self._marks)

    def masked(self, words: str) -> str:
        """Return words without secrets, in whatever common encoding, and without long parts of them."""
        plain, places = _plain(words)
        kept, end = [], 0
        for first, last in _joined(sorted(self._found(plain))):
            kept += [words[end : places[first][0]], MASK]
            end = places[last - 1][1]
        return "".join(kept) + words[end:]

    def _know(self, plain: str) -> None:
        size = len(plain) if len(plain) < SHORTEST_IN_PARTS else min(LONGEST_PART, len(plain) // 2)
        if size:
            self._parts[size].update(plain[at : at + size] for at in range(len(plain) - size + 1))

    def _found(self, plain: str) -> Iterator[tuple[int, int]]:
        """Yield first and end of each part of a secret."""
        for size, parts in self._parts.items():
            for first in range(len(plain) - size + 1):
                if plain[first : first + size] in parts:
                    yield first, first + size


def secrets_of(endpoint: Endpoint, api_key: str | None, proxy: str | None = None) -> Secrets:
    """Return what an endpoint's requests carry that nobody else may know.

    These are its key, the values of headers whose names speak of keys, tokens and the like, and the proxy's password.
    An organisation and other headers are none: they open nothing.
    """
    headers = [value for name, value in endpoint.headers.items() if _OF_CREDENTIALS.search(name)]
    password = urlsplit(proxy).password if proxy else None
    given = [secret for value in headers for secret in _of_header(value)]
    return Secrets([api_key or "", *given, unquote(password or "")])


def _of_header(value: str) -> list[str]:
    """Return what is secret of a header's value: not the scheme before it; of a user and password, the password too."""
    scheme, _, credentials = value.rpartition(" ")
    secrets = [credentials]
    if scheme.lower() == "basic":
        with suppress(ValueError):
            secrets.append(b64decode(credentials).decode().partition(":")[2])
    return secrets


def _escaped(secret: str) -> list[str]:
    """Return a secret as it is, and as JSON and addresses have it."""
    as_json = json.dumps(secret)[1:-1]
    return [secret, as_json, as_json.replace("/", "\\/"), quote(secret, safe="")]


def _in_base64(secret: str) -> Iterator[str]:
    """Yield those characters of base64 that stand for a secret alone, wherever in three bytes it begins."""
    content = secret.encode()
    for before in range(3):
        encoded = b64encode(bytes(before) + content).decode()
        yield encoded[-(-8 * before // 6) : 8 * (before + len(content)) // 6]


def _in_hex(secret: str) -> Iterator[str]:
    yield secret.encode().hex()
    yield secret.encode().hex().upper()


def _plain(words: str) -> tuple[str, list[tuple[int, int]]]:
    """Return words without escapes, in small letters, and from where to where in the words each character stands.

    Backslashes are left out: how many of them there are says only how often a text was escaped.
    """
    characters: list[str] = []
    places: list[tuple[int, int]] = []
    for spelt in _SPELT.finditer(words):
        first, end = spelt.span()
        if spelt.lastgroup == "plain":
            characters.append(spelt["plain"].translate(_FOLD))
            places += [(at, at + 1) for at in range(first, end)]
        elif character := _meant(spelt).translate(_FOLD):
            characters.append(character)
            places.append((first, end))
    return "".join(characters), places


def _meant(spelt: re.Match[str]) -> str:
    if spelt["name"]:
        return _NAMED[spelt["name"].lower()]
    if spelt["decimal"]:
        return chr(int(spelt["decimal"]))
    code = spelt["json"] or spelt["url"] or spelt["html"]
    return chr(int(code, 16)) if code else ""


def _joined(found: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield ranges, of which those that touch are made one; they come sorted."""
    first, end = 0, 0
    for begin, stop in found:
        if begin > end and end:
            yield first, end
        first, end = (begin, stop) if begin > end or not end else (first, max(end, stop))
    if end:
        yield first, end
