"""`config/personal_data.yaml`: what counts as personal data in a release."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from dagster_project.settings.yaml_file import Strict

Entity = Literal[
    "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "US_SSN", "CRYPTO", "MAC_ADDRESS"
]


class PersonalDataFile(Strict):
    """The whole file; the names of entities are Presidio's."""

    entities: tuple[Entity, ...] = ()
    min_score: float = Field(default=0.4, ge=0, le=1)
    phone_regions: tuple[str, ...] = Field(default=("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR"), min_length=1)
    allow: tuple[str, ...] = ()

    @field_validator("allow")
    @classmethod
    def _are_expressions(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"`{pattern}` is no regular expression: {error}") from None
        return patterns

    def allows(self, found: str) -> bool:
        """Say whether a finding is nobody's."""
        return any(re.fullmatch(pattern, found, re.IGNORECASE | re.DOTALL) for pattern in self.allow)
