"""What the tests of generation share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dagster_project.lake import Lake
from tests.generation.cells import BATCH, Recorder, write_prompts


@pytest.fixture
def progress() -> Recorder:
    return Recorder()


@pytest.fixture
def prompts(lake: Lake) -> Callable[..., list[str]]:
    """Write so many prompts, and return their texts."""

    def write(count: int, batch: str = BATCH, first: int = 0) -> list[str]:
        texts = [f"Question {number}: what is {number} plus {number}?" for number in range(first, first + count)]
        write_prompts(lake, texts, batch)
        return texts

    return write
