"""How versions of a release are called: `v1.2.0`, and `v1.2.0-rc.1` for a candidate."""

from __future__ import annotations

VERSION_PATTERN = r"^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-rc\.[1-9]\d*)?$"


def base_version(version: str) -> str:
    """Return the version a candidate stands for: ``v1.2.0`` of ``v1.2.0-rc.3``."""
    return version.partition("-rc.")[0]
