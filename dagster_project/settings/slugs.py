"""Names that become partition keys and folder names."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

SLUG_PATTERN = r"^[a-z0-9][a-z0-9.-]{0,62}$"


def _not_dots(slug: str) -> str:
    if ".." in slug:
        raise ValueError("two dots in a row are not allowed in a name")
    return slug


Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN), AfterValidator(_not_dots)]
"""Lower-case letters, digits, ``.`` and ``-``; Dagster's ``|`` and ``,`` can never occur."""
