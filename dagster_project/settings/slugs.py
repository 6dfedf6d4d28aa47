"""Names that become partition keys and folder names."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints, TypeAdapter, ValidationError

SLUG_PATTERN = r"^[a-z0-9][a-z0-9.-]{0,62}$"


def _not_dots(slug: str) -> str:
    if ".." in slug:
        raise ValueError("two dots in a row are not allowed in a name")
    return slug


Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN), AfterValidator(_not_dots)]
"""Lower-case letters, digits, ``.`` and ``-``; Dagster's ``|`` and ``,`` can never occur."""


def is_slug(name: str) -> bool:
    """Say whether a name given on the command line may become a partition key."""
    try:
        TypeAdapter(Slug).validate_python(name)
    except ValidationError:
        return False
    return True
