"""Addresses, header fields and JSON as a server takes them, checked before anything is asked.

Belongs here: what HTTP and JSON allow. Does not belong here: which endpoints there are.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_EXAMPLE = "such as http://127.0.0.1:8000/v1"


def _is_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"this is no address ({error}); give one {_EXAMPLE}") from None
    if parts.scheme not in {"http", "https"} or not host or not url.isprintable() or " " in url:
        raise ValueError(f"this is no address of a server; give one with http:// or https://, {_EXAMPLE}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "an address holds no user and no password; name the variable that holds the key: `api_key_env`"
        )
    if parts.query or parts.fragment:
        raise ValueError(
            "paths such as /chat/completions are put behind the address, so it can have no `?…` and no `#…`; if the "
            "server offers an address that needs none, give that"
        )
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise ValueError("paths such as /chat/completions are put behind the address; leave that off")
    return url


def _is_field_name(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a header: it takes letters, digits and hyphens")
    return name


def is_field_value(value: str) -> bool:
    """Say whether a text can be the value of a header: printable ASCII characters, without a space at the ends."""
    return value.isascii() and value.isprintable() and value == value.strip()


def _is_field_value(value: str) -> str:
    if not is_field_value(value):
        raise ValueError("a header takes printable ASCII characters, without a line break or a space at its ends")
    return value


def _is_json(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise ValueError(f"this cannot be sent as JSON ({error}); put texts, such as dates, into quotes") from None
    return value


Address = Annotated[str, AfterValidator(_is_address)]
"""Where a server is: ``http`` or ``https``, a host, perhaps a port and a path."""
FieldName = Annotated[str, AfterValidator(_is_field_name)]
"""The name of a header (RFC 9110, a token)."""
FieldValue = Annotated[str, AfterValidator(_is_field_value)]
"""The value of a header."""
JsonObject = Annotated[dict[str, Any], AfterValidator(_is_json)]
"""What JSON can say."""
