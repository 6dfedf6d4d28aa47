"""A request is known by all that decides its answer, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.errors import SteerworksError
from dagster_project.generation import Request, RequestForm, conversation_hash
from dagster_project.identity import digest, stable_id
from dagster_project.settings import ModelsFile
from tests.generation.cells import BATCH, loopback_models

ADDRESS = "http://127.0.0.1:9/v1"
TURNS = [{"role": "user", "content": "Why?"}]
CONTENT = st.text(st.characters(exclude_categories=["Cs"]))


def hash_of(sample_index: int = 0, slug: str = "m", endpoint: dict[str, Any] | None = None, **model: Any) -> str:
    models = loopback_models(ADDRESS, endpoint, **({"samples": 8} | model))
    return request_of(models, slug, sample_index).request_hash


def request_of(models: ModelsFile, slug: str = "m", sample_index: int = 0) -> Request:
    return RequestForm(models, slug).request(BATCH, "p-1", TURNS, sample_index)


def test_the_hash_is_of_messages_model_parameters_and_sample() -> None:
    system = {"role": "system", "content": "Be brief."}
    asked = {
        "messages": [system, *TURNS],
        "endpoint": "loopback",
        "name": "simulated-model",
        "revision": "1",
        "sampling": {"max_tokens": 50, "temperature": 0.5},
        "sample_index": 2,
    }
    assert hash_of(2, system_prompt="Be brief.") == digest(asked)


@given(
    st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": CONTENT}), max_size=3),
    st.none() | st.dictionaries(CONTENT, st.integers() | CONTENT, min_size=1),
)
def test_hashes_are_of_the_canonical_json_whatever_is_said(
    turns: list[dict[str, str]], shape: dict[str, Any] | None
) -> None:
    request = RequestForm(loopback_models(ADDRESS), "m").request(BATCH, "p-1", turns, response_format=shape)
    asked = {
        "messages": turns,
        "endpoint": "loopback",
        "name": "simulated-model",
        "revision": "1",
        "sampling": {"max_tokens": 50, "temperature": 0.5},
        "sample_index": 0,
        **({"response_format": shape} if shape else {}),
    }
    assert request.request_hash == digest(asked)
    assert request.conversation_hash == digest(turns)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"revision": "2"},
        {"system_prompt": "Be brief."},
        {"sampling": {"max_tokens": 51, "temperature": 0.5}},
        {"sampling": {"max_tokens": 50, "temperature": 0.5, "seed": 1}},
        {"sample_index": 1},
    ],
)
def test_what_decides_the_answer_changes_the_hash(change: dict[str, Any]) -> None:
    assert hash_of(**change) != hash_of()


@pytest.mark.parametrize(
    "change",
    [
        {"slug": "n"},
        {"endpoint": {"base_url": "http://127.0.0.1:10/v1", "max_in_flight": 1, "requests_per_minute": 1}},
        {"prices": {"input_usd_per_million": 3}},
        {"samples": 4},
        {"description": "another"},
        {"terms": {"licence": "another", "outputs_may_train": False}},
    ],
)
def test_what_does_not_decide_the_answer_leaves_the_hash(change: dict[str, Any]) -> None:
    assert hash_of(**change) == hash_of()


def test_the_same_name_on_another_endpoint_is_another_model() -> None:
    """Two servers may call different weights, on different terms, by one name."""
    models = loopback_models(ADDRESS)
    elsewhere = models.models["m"].model_copy(update={"endpoint": "elsewhere"})
    both = models.model_copy(
        update={
            "endpoints": models.endpoints | {"elsewhere": models.endpoints["loopback"]},
            "models": models.models | {"x": elsewhere},
        }
    )
    assert request_of(both, "x").request_hash != hash_of()


def test_the_conversation_hash_leaves_the_models_own_system_prompt_out() -> None:
    models = loopback_models(ADDRESS, system_prompt="Be brief.")
    assert request_of(models).conversation_hash == conversation_hash(TURNS)


def test_the_response_id_is_of_model_prompt_and_request() -> None:
    request = request_of(loopback_models(ADDRESS))
    assert request.response_id == stable_id("r", ["m", "p-1", request.request_hash])


def test_an_unknown_model_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(SteerworksError, match=r"no model `x` in models.yaml; it has: m, n"):
        request_of(loopback_models(ADDRESS), "x")
