"""`config/publishing.yaml`: where releases are published."""

from __future__ import annotations

from pydantic import Field

from dagster_project.settings.yaml_file import Strict


class PublishingFile(Strict):
    """The data set repository on the Hugging Face Hub, and who may see it.

    The token comes from the environment variable that ``token_env`` names, never from the file. ``endpoint`` is
    another Hub than huggingface.co.
    """

    repository: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name")
    private: bool = True
    token_env: str = "HF_TOKEN"  # noqa: S105 - the name of a variable
    endpoint: str | None = Field(default=None, pattern=r"^https?://\S+[^/\s]$")
