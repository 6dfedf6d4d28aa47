"""Which runs fill which cells: all of those that are asked for, no others, and few runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dagster_project.partitions import MOST_CELLS, CellRange, ranges_of

MODELS = ("zest", "apple", "mint", "basil")
BATCHES = ("b2", "b10", "b1")


def cells_of(cells: CellRange) -> list[tuple[str, str]]:
    return [(model, batch) for model in cells.models for batch in cells.prompt_batches]


def named(*cells: tuple[str, str]) -> list[str]:
    return [str(each) for each in ranges_of(MODELS, BATCHES, set(cells))]


def test_nothing_needs_no_run_and_everything_one() -> None:
    assert named() == []
    assert named(*((model, batch) for model in MODELS for batch in BATCHES)) == ["zest|b2 … basil|b1"]
    assert named(("mint", "b10")) == ["mint|b10"]


def test_new_models_at_the_end_of_the_file_need_one_run_and_so_does_a_new_batch() -> None:
    assert named(*((model, batch) for model in MODELS[2:] for batch in BATCHES)) == ["mint|b2 … basil|b1"]
    assert named(*((model, "b1") for model in MODELS)) == ["zest|b1 … basil|b1"]


def test_what_lies_apart_needs_runs_of_its_own_in_the_order_of_the_batches() -> None:
    assert named(("basil", "b2"), ("zest", "b2"), ("zest", "b10"), ("mint", "b1"), ("basil", "b1")) == [
        "zest|b2",
        "basil|b2",
        "zest|b10",
        "mint|b1 … basil|b1",
    ]


@given(st.sets(st.tuples(st.sampled_from(MODELS), st.sampled_from(BATCHES))))
def test_each_cell_is_covered_once_and_no_other_is(cells: set[tuple[str, str]]) -> None:
    covered = [cell for some in ranges_of(MODELS, BATCHES, cells) for cell in cells_of(some)]
    assert len(covered) == len(set(covered))
    assert set(covered) == cells


def test_a_run_has_so_many_cells_at_most_and_all_models_of_its_batches() -> None:
    batches = [f"b{number}" for number in range(MOST_CELLS)]
    some = ranges_of(MODELS, batches, {(model, batch) for model in MODELS for batch in batches})
    assert [each.models for each in some] == [MODELS] * 4
    assert [len(each) for each in some] == [MOST_CELLS] * 4
    many = [f"m{number}" for number in range(MOST_CELLS + 1)]
    assert [len(each) for each in ranges_of(many, BATCHES, {(model, "b1") for model in many})] == [MOST_CELLS + 1]
