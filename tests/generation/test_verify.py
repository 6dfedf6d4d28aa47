"""What is said about cells: whether table and journal agree, and what filling them would take."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import (
    Cell,
    CellCount,
    CellReport,
    Purse,
    SilentProgress,
    answer_cell,
    answer_cells,
    estimate,
    unfilled_cells,
    verify_responses,
)
from dagster_project.generation.journal import journal_path
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import ModelsFile
from tests.generation.cells import BATCH, Recorder, loopback_models, start_process, until, write_prompts

Prompts = Callable[..., list[str]]
CELL = {"model": "m", "prompt_batch": BATCH}
DEAR = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}


def count(lake: Lake, models: ModelsFile) -> CellCount:
    [counted] = verify_responses(lake, models, [("m", BATCH)])
    return counted


@pytest.fixture
def filled(lake: Lake, prompts: Prompts) -> ModelsFile:
    """A cell of 20, a few of them refused for good."""
    prompts(20)
    with serve_models(Behaviour(p400=0.2)) as server:
        models = loopback_models(server.address)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
    return models


def change(lake: Lake, rows: pl.DataFrame) -> None:
    lake.write("responses", CELL, rows)


def test_a_cell_that_was_never_asked_is_missing_and_nothing_differs(lake: Lake, prompts: Prompts) -> None:
    prompts(3)
    assert count(lake, loopback_models("http://127.0.0.1:9/v1")) == CellCount("m", BATCH, 3, 0, 0, 3, 0, 0, 0)


def test_a_filled_cell_agrees(lake: Lake, filled: ModelsFile) -> None:
    counted = count(lake, filled)
    assert (counted.wanted, counted.missing, counted.differing) == (20, 0, 0)
    assert counted.present + counted.failed == 20
    assert counted.failed > 0


def test_a_cell_short_of_money_is_missing_some_and_nothing_differs(lake: Lake, prompts: Prompts) -> None:
    prompts(5)
    with serve_models(Behaviour(usage=False)) as server:
        models = loopback_models(server.address, prices=DEAR)
        answer_cell(lake, models, "m", BATCH, SilentProgress(), Purse(2.0))
    assert count(lake, models) == CellCount("m", BATCH, 5, 2, 0, 3, 0, 0, 0)


def test_every_way_in_which_the_table_can_differ_is_found(lake: Lake, filled: ModelsFile) -> None:
    rows = lake.read("responses", CELL)
    change(
        lake, rows.with_columns(pl.when(pl.int_range(pl.len()) == 4).then(7).otherwise("attempts").alias("attempts"))
    )
    assert count(lake, filled).differing == 1
    change(lake, rows.head(18))
    assert count(lake, filled).differing == 2
    change(lake, pl.concat([rows, rows.head(1).with_columns(prompt_id=pl.lit("p-unwanted"))]))
    assert count(lake, filled).differing == 1
    for path in lake.parts("responses", CELL):
        path.unlink()
    assert count(lake, filled).differing == 20


def test_rows_that_are_no_longer_wanted_are_no_difference_unless_the_journals_have_them_otherwise(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(4)
    with serve_models() as server:
        models = loopback_models(server.address, samples=2)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
    write_prompts(lake, [f"unselected {number}" for number in range(4)])
    unselected = lake.read("selected_prompts")
    prompts(4)
    fewer = loopback_models(server.address)
    assert unfilled_cells(lake, fewer, ["m"]) == []
    assert count(lake, fewer) == CellCount("m", BATCH, 4, 4, 0, 0, 0, 4, 0)
    rows = lake.read("responses", CELL)
    change(lake, rows.with_columns(response=pl.when(sample_index=1).then(pl.lit("changed")).otherwise("response")))
    assert count(lake, fewer) == CellCount("m", BATCH, 4, 4, 0, 0, 0, 0, 4)
    change(lake, rows)
    lake.write("selected_prompts", {"prompt_batch": BATCH}, unselected)
    assert count(lake, models) == CellCount("m", BATCH, 0, 0, 0, 0, 0, 8, 0)


def test_rows_of_a_model_that_is_asked_otherwise_now_are_no_difference_until_it_was_asked(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(3)
    with serve_models() as server:
        models = loopback_models(server.address)
        seeded = loopback_models(server.address, sampling={"max_tokens": 50, "seed": 1})
        answer_cell(lake, models, "m", BATCH, SilentProgress())
        before = lake.read("responses", CELL)
        assert count(lake, seeded) == CellCount("m", BATCH, 3, 0, 0, 3, 0, 3, 0)
        answer_cell(lake, seeded, "m", BATCH, SilentProgress())
    assert count(lake, seeded) == CellCount("m", BATCH, 3, 3, 0, 0, 0, 0, 0)
    change(lake, before)  # a table that was put back
    assert count(lake, seeded) == CellCount("m", BATCH, 3, 3, 0, 0, 0, 0, 3)


def test_a_cell_that_a_run_works_on_is_told(lake: Lake, prompts: Prompts) -> None:
    prompts(60)
    with serve_models(Behaviour(latency=0.2)) as server:
        models = loopback_models(server.address, {"max_in_flight": 4})
        child = start_process(lake, models)
        until(lambda: journal_path(lake.root, "m", BATCH).exists())
        assert count(lake, models).at_work
        child.kill()
        child.wait()
    assert not count(lake, models).at_work


def test_what_is_out_in_a_batch_is_told_from_what_is_only_missing(lake: Lake, prompts: Prompts) -> None:
    prompts(5)
    with serve_models(Behaviour(batch_seconds=60)) as server:
        models = loopback_models(server.address, prices=DEAR, batch={})
        answer_cell(lake, models, "m", BATCH, SilentProgress(), Purse(3.0))
        assert count(lake, models) == CellCount("m", BATCH, 5, 0, 0, 5, 3, 0, 0)
        [twin] = verify_responses(lake, models, [("n", BATCH)])
    assert (twin.missing, twin.in_batches) == (5, 3)


def test_a_journal_that_lost_lines_is_found(lake: Lake, filled: ModelsFile) -> None:
    journal = journal_path(lake.root, "m", BATCH)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-3]))
    counted = count(lake, filled)
    assert (counted.missing, counted.differing) == (3, 3)


def test_a_bad_line_stops_only_the_cell_that_owns_it_and_verify_names_it(
    lake: Lake, filled: ModelsFile, prompts: Prompts
) -> None:
    prompts(20, "b2")
    journal = journal_path(lake.root, "m", BATCH)
    journal.write_bytes(journal.read_bytes() + b"spoilt\n")
    progress = Recorder()
    with serve_models() as server:
        models = loopback_models(server.address)
        cells = [Cell("m", BATCH), Cell("m", "b2"), Cell("n", "b2")]
        results = dict(answer_cells(lake, models, cells, progress))
    assert "b1.jsonl:21: this line is not an answer" in str(results[cells[0]])
    assert [result.ok for result in results.values() if isinstance(result, CellReport)] == [20, 20]
    assert len([message for message in progress.messages if "b1.jsonl:21" in message]) == 1
    assert estimate(lake, models, [("m", "b2")])[0].requests == 0
    for cell in cells:
        with pytest.raises(SteerworksError, match=r"b1.jsonl:21: this line is not an answer"):
            list(verify_responses(lake, models, [cell]))


def test_an_estimate_counts_exactly_what_would_be_asked(lake: Lake, filled: ModelsFile, prompts: Prompts) -> None:
    prompts(26)
    [model] = estimate(lake, filled, [("m", BATCH)])
    assert (model.model, model.cells, model.requests) == ("m", 1, 6)
    assert model.answers_so_far > 0
    with serve_models() as server:
        again = loopback_models(server.address)
        report = answer_cell(lake, again, "m", BATCH, SilentProgress())
    assert report.asked == 6
    assert estimate(lake, again, [("m", BATCH)])[0].requests == 0


def test_an_estimate_of_money_is_never_below_what_is_spent_at_most(lake: Lake, prompts: Prompts) -> None:
    prompts(10)
    with serve_models() as server:
        models = loopback_models(server.address, prices={"input_usd_per_million": 3, "output_usd_per_million": 9})
        [model] = estimate(lake, models, [("m", BATCH)])
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
    assert model.answers_so_far == 0
    assert model.completion_tokens == 10 * 50
    assert 0 < report.cost_usd <= model.most_usd
