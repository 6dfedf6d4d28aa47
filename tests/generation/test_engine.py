"""Cells side by side: none waits for another's slow answers, none fails with another, the first ones first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Timer

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import Cell, CellReport, Purse, SilentProgress, answer_cells
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import ModelsFile
from tests.generation.cells import BATCH, Recorder, loopback_models, start_process, until

pytestmark = pytest.mark.slow

Prompts = Callable[..., list[str]]


def answered(
    lake: Lake, models: ModelsFile, *cells: Cell, purse: Purse | None = None
) -> dict[Cell, CellReport | SteerworksError]:
    return dict(answer_cells(lake, models, cells, SilentProgress(), purse))


def many(prompts: Prompts, cells: int, each: int) -> list[Cell]:
    for number in range(cells):
        prompts(each, f"b{number}", first=1000 * number)
    return [Cell("m", f"b{number}") for number in range(cells)]


def test_small_cells_fill_the_places_together(lake: Lake, prompts: Prompts) -> None:
    cells = many(prompts, cells=20, each=3)
    with serve_models(Behaviour(latency=0.2)) as server:
        begun = time.monotonic()
        results = answered(lake, loopback_models(server.address), *cells)
        seconds = time.monotonic() - begun
    assert [result.ok for result in results.values() if isinstance(result, CellReport)] == [3] * 20
    assert seconds < 2, "one after the other they take 4 seconds"


def test_one_slow_answer_holds_up_no_other_cell(lake: Lake, prompts: Prompts) -> None:
    cells = many(prompts, cells=6, each=20)
    with serve_models(Behaviour(latency=0.01, p_slow=0.05, slow_seconds=1)) as server:
        begun = time.monotonic()
        finished = [cell for cell, _ in answer_cells(lake, loopback_models(server.address), cells, SilentProgress())]
    assert time.monotonic() - begun < 2.5
    assert sorted(finished) == sorted(cells)


def test_money_and_places_go_to_the_first_cells_first(lake: Lake, prompts: Prompts) -> None:
    cells = many(prompts, cells=4, each=5)
    prices = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
    with serve_models(Behaviour(latency=0.02, usage=False)) as server:
        models = loopback_models(server.address, {"max_in_flight": 3}, prices=prices)
        results = answered(lake, models, *cells, purse=Purse(12.0))
    assert [results[cell].ok for cell in cells] == [5, 5, 2, 0]


def two_models(address: str, **fields: object) -> ModelsFile:
    """Return `m` and `n`, which differ in name, of one endpoint."""
    models = loopback_models(address, **fields)
    other = models.models["n"].model_copy(update={"name": "another"})
    return models.model_copy(update={"models": models.models | {"n": other}})


def test_models_are_asked_at_the_same_time_however_many_cells_the_first_one_has(lake: Lake, prompts: Prompts) -> None:
    batches = [cell.prompt_batch for cell in many(prompts, cells=24, each=1)]
    cells = [Cell(model, batch) for model in ("m", "n") for batch in batches]
    with serve_models(Behaviour(latency=0.1)) as server:
        begun = time.monotonic()
        results = answered(lake, two_models(server.address, max_in_flight=1), *cells)
        seconds = time.monotonic() - begun
    assert all(isinstance(result, CellReport) and result.ok == 1 for result in results.values())
    assert seconds < 4, "one after the other they take 4.8 seconds"


def test_models_share_the_money_and_one_that_needs_less_leaves_the_rest_to_the_other(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(10)
    cells = [Cell("m", BATCH), Cell("n", BATCH)]
    prices = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
    with serve_models(Behaviour(latency=0.02, usage=False)) as server:
        results = answered(lake, two_models(server.address, prices=prices), *cells, purse=Purse(6.0))
        assert [results[cell].ok for cell in cells] == [3, 3]
        answered(lake, two_models(server.address, prices=prices), cells[0])
        results = answered(lake, two_models(server.address, prices=prices), *cells, purse=Purse(7.0))
        assert [results[cell].ok for cell in cells] == [10, 10]


def test_no_money_is_kept_for_a_model_that_waits_for_the_answers_of_another(lake: Lake, prompts: Prompts) -> None:
    prompts(10)
    with serve_models(Behaviour(latency=0.02, usage=False)) as server:
        twins = loopback_models(
            server.address, prices={"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
        )
        results = answered(lake, twins, Cell("m", BATCH), Cell("n", BATCH), purse=Purse(4.0))
        assert server.stats()["requests"] == 4
    assert [result.ok for result in results.values()] == [4, 4]


def test_a_model_that_fails_has_one_message_and_the_others_go_on(lake: Lake, prompts: Prompts) -> None:
    batches = [cell.prompt_batch for cell in many(prompts, cells=4, each=10)]
    with serve_models(Behaviour(down_model="gone", latency=0.01)) as server:
        models = loopback_models(server.address)
        gone = models.models["n"].model_copy(update={"name": "gone"})
        models = models.model_copy(update={"models": models.models | {"n": gone}})
        cells = [Cell(model, batch) for batch in batches for model in ("m", "n")]
        results = answered(lake, models, *cells)
        asked_in_vain = server.stats()["models"]["gone"]["requests"]
    assert all(result.ok == 10 for cell, result in results.items() if cell.model == "m")
    messages = {str(result) for cell, result in results.items() if cell.model == "n"}
    assert len(messages) == 1
    assert "does not know this address or model (status 404)" in messages.pop()
    assert asked_in_vain <= 32


def test_a_cell_without_prompts_or_model_fails_alone(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_models() as server:
        results = answered(
            lake, loopback_models(server.address), Cell("m", "nowhere"), Cell("m", BATCH), Cell("nobody", BATCH)
        )
    assert "has no `selected_prompts` yet" in str(results[Cell("m", "nowhere")])
    assert "no model `nobody`" in str(results[Cell("nobody", BATCH)])
    assert results[Cell("m", BATCH)].ok == 2


def test_a_cell_that_another_run_works_on_is_waited_for_while_others_are_filled(
    lake: Lake, prompts: Prompts, progress: Recorder
) -> None:
    prompts(40)
    prompts(5, "b2", first=1000)
    with serve_models(Behaviour(latency=0.2)) as server:
        models = loopback_models(server.address, {"max_in_flight": 8})
        child = start_process(lake, models)
        until(lambda: server.stats()["requests"] > 0)
        results = list(answer_cells(lake, models, [Cell("m", BATCH), Cell("m", "b2")], progress))
        assert child.wait() == 0
        assert server.stats()["requests"] == 45
    assert [cell.prompt_batch for cell, _ in results] == ["b2", BATCH]
    assert progress.messages == ["another run works on model=m prompt_batch=b1; waiting until it is done"]


class Deaf(SilentProgress):
    """Fails whenever it is told something."""

    def waiting(self, why: str) -> None:
        raise OSError("nobody listens")


def test_what_is_under_way_is_waited_for_when_whoever_takes_the_cells_fails(lake: Lake, prompts: Prompts) -> None:
    prompts(1, "b0")
    prompts(200, "b1", first=1000)
    with serve_models(Behaviour(latency=0.5)) as server:
        models = loopback_models(server.address, {"max_in_flight": 32})
        cells = [Cell("m", "b0"), Cell("m", "b1")]
        results = answer_cells(lake, models, cells, Deaf())
        assert next(results)[0] == cells[0]
        results.close()
        sent = server.stats()["requests"]
        assert 32 <= sent < 201
        assert all(isinstance(result, CellReport) for result in answered(lake, models, *cells).values())
        assert server.stats()["requests"] == 201


def test_counters_that_are_cut_short_fail_every_cell_that_needs_them_at_once(lake: Lake, prompts: Prompts) -> None:
    prompts(1, "b1")
    prompts(40, "b2", first=1)
    cells = [Cell("m", "b1"), Cell("m", "b2")]
    with serve_models(Behaviour(latency=0.5)) as server:
        counters = lake.root / "limits" / "endpoint-loopback.counters"
        cut = Timer(0.1, lambda: (until(lambda: server.stats()["max_in_flight"] > 0), os.truncate(counters, 8)))
        cut.start()
        results = answered(lake, loopback_models(server.address, {"max_in_flight": 1}), *cells)
        cut.join()
    assert [str(results[cell]).count("cut this file short") for cell in cells] == [1, 1]
