"""A cell is filled when every selected prompt and sample has an answer, or a failure that no next run can mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from dagster_project.generation import Purse, SilentProgress, answer_cell, unfilled_cells
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from tests.generation.cells import BATCH, loopback_models

Prompts = Callable[..., list[str]]


def unfilled(lake: Lake, **model: Any) -> list[tuple[str, str]]:
    return unfilled_cells(lake, loopback_models("http://127.0.0.1:9/v1", **model), ["m", "n"])


def test_an_empty_lake_lacks_nothing(lake: Lake) -> None:
    assert unfilled(lake) == []


def test_cells_of_selected_batches_are_unfilled_until_they_are_answered(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    prompts(2, "b2")
    with serve_models() as server:
        answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
    assert unfilled(lake) == [("m", "b2"), ("n", "b1"), ("n", "b2")]


def test_a_cell_that_the_money_did_not_fill_is_unfilled(lake: Lake, prompts: Prompts) -> None:
    prompts(3)
    with serve_models() as server:
        models = loopback_models(
            server.address, prices={"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
        )
        answer_cell(lake, models, "m", BATCH, SilentProgress(), Purse(1.0))
        assert ("m", BATCH) in unfilled(lake)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
    assert ("m", BATCH) not in unfilled(lake)


def test_what_was_refused_for_good_is_filled(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_models(Behaviour(p400=1)) as server:
        answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
    assert unfilled(lake) == [("n", BATCH)]


@pytest.mark.parametrize(
    "change",
    [{"revision": "2"}, {"name": "other"}, {"system_prompt": "Be brief."}, {"sampling": {"max_tokens": 51}}],
)
def test_a_model_that_is_asked_otherwise_has_unfilled_cells(
    lake: Lake, prompts: Prompts, change: dict[str, Any]
) -> None:
    prompts(2)
    with serve_models() as server:
        answer_cell(lake, loopback_models(server.address, samples=2), "m", BATCH, SilentProgress())
    assert ("m", BATCH) in unfilled(lake, samples=2, **change)
    assert ("m", BATCH) not in unfilled(
        lake, samples=2, prices={"input_usd_per_million": 0, "output_usd_per_million": 1}, system_prompt=""
    )
    assert ("m", BATCH) not in unfilled(lake, samples=1)


def test_a_model_that_moved_to_another_endpoint_has_unfilled_cells(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_models() as server:
        models = loopback_models(server.address)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
    model = models.models["m"].model_copy(update={"endpoint": "elsewhere"})
    elsewhere = {"elsewhere": models.endpoints["loopback"]}
    moved = models.model_copy(
        update={"models": models.models | {"m": model}, "endpoints": models.endpoints | elsewhere}
    )
    assert ("m", BATCH) in unfilled_cells(lake, moved, ["m"])
    rows = lake.read("responses", {"model": "m", "prompt_batch": BATCH})
    from_before = rows.with_columns(endpoint=pl.lit(None, dtype=pl.String))
    lake.write("responses", {"model": "m", "prompt_batch": BATCH}, from_before)
    assert unfilled_cells(lake, moved, ["m"]) == []


def test_a_new_prompt_a_new_sample_or_other_turns_make_a_cell_unfilled(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_models() as server:
        answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
    assert unfilled(lake) == [("n", BATCH)]
    assert ("m", BATCH) in unfilled(lake, samples=2)
    prompts(3)
    assert ("m", BATCH) in unfilled(lake)
    prompts(2)
    assert ("m", BATCH) not in unfilled(lake)
    rows = lake.read("selected_prompts", {"prompt_batch": BATCH})
    lake.write("selected_prompts", {"prompt_batch": BATCH}, rows.with_columns(conversation_hash=pl.lit("other turns")))
    assert ("m", BATCH) in unfilled(lake)
