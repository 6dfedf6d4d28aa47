"""`config/automation.yaml`: when things run by themselves, and what they may spend."""

from __future__ import annotations

from pydantic import Field

from dagster_project.settings.yaml_file import Strict


class NightlyResponses(Strict):
    """New prompts get their responses at night, as long as the money lasts."""

    cron: str = "0 2 * * *"
    timezone: str = "UTC"
    max_usd: float = Field(default=10, ge=0, allow_inf_nan=False)


class NightlyPrompts(Strict):
    """Delivered prompts are curated and selected at night; what filling in turns may cost is limited."""

    cron: str = "0 1 * * *"
    timezone: str = "UTC"
    max_usd: float = Field(default=2, ge=0, allow_inf_nan=False)


class WeeklyCandidate(Strict):
    """A release candidate for every configured release that is not out yet."""

    cron: str = "0 6 * * 1"
    timezone: str = "UTC"


class AutomationFile(Strict):
    """The whole file."""

    nightly_responses: NightlyResponses = NightlyResponses()
    nightly_prompts: NightlyPrompts = NightlyPrompts()
    weekly_candidate: WeeklyCandidate = WeeklyCandidate()
    batches_seconds: int = Field(default=300, ge=10, description="between two looks at batches that are out")
    inbox_seconds: int = Field(default=30, ge=5, description="between two looks into the inbox")
    label_studio_seconds: int = Field(default=120, ge=30, description="between two pulls from Label Studio")
    label_studio_tasks: int = Field(default=500, ge=1, le=5000, description="of a campaign, pulled at a time at most")
