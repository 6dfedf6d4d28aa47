"""Stable ids and seeded choices: everything random is a hash of stable ids.

Because each decision depends only on its own ids, adding a model, a prompt or a
vendor never reshuffles what was decided before.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

ID_HEX_DIGITS = 20
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, real characters."""
    return _CANONICAL.encode(value)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON as 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def stable_id(prefix: str, value: Any) -> str:
    """Return a short id such as ``p-0f3a…``: a prefix and 80 bits of the digest."""
    return f"{prefix}-{digest(value)[:ID_HEX_DIGITS]}"


def unit_interval(*ids: str | int) -> float:
    """Map ids to a number in [0, 1), uniform over ids and always the same for the same ids."""
    return int(digest(list(ids))[:13], 16) / 16**13


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
