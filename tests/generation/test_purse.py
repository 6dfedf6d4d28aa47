"""The money of one run: never more than it has, all that it has if it is wanted, and the same for each model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.generation.limits import budget as budget_module
from dagster_project.generation.limits.budget import Budget
from dagster_project.generation.limits.purse import Purse

MODELS = st.lists(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.integers(0, 3)), max_size=12), min_size=1, max_size=4
)
"""Of each model's requests: what is held, what of it is spent, and how many turns of the loop it takes."""


class Model:
    """Sends its requests as soon as there is money for them, and stops at the first for which there is none."""

    def __init__(self, purse: Purse, requests: Sequence[tuple[float, float, int]]) -> None:
        self.said: list[str] = []
        self.budget = Budget(purse, [], self.said.append)
        self.requests = requests
        self.spent = 0.0
        self.refused: float | None = None

    async def run(self) -> None:
        """Send what can be sent, and wait for it."""
        async with asyncio.TaskGroup() as under_way:
            with self.budget.asking():
                for held, spent, turns in self.requests:
                    if not await self.budget.hold(held):
                        self.refused = held
                        return
                    under_way.create_task(self._answer(held, min(spent, held), turns))
                    await asyncio.sleep(0)

    async def _answer(self, held: float, spent: float, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        self.spent += spent
        self.budget.settle(held, spent)


def run(purse: Purse, *requests: Sequence[tuple[float, float, int]]) -> list[Model]:
    async def all_of_them() -> list[Model]:
        models = [Model(purse, each) for each in requests]
        async with asyncio.timeout(20), asyncio.TaskGroup() as side_by_side:
            for model in models:
                side_by_side.create_task(model.run())
        return models

    return asyncio.run(all_of_them())


@pytest.fixture(autouse=True, scope="module")
def in_a_hurry() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget_module, "SECONDS_BETWEEN_LOOKS", 0.001)
        yield


@settings(max_examples=300, deadline=None)
@given(MODELS, st.integers(0, 60))
def test_no_more_is_spent_than_there_is_and_nobody_is_refused_what_is_left(
    requests: list[list[tuple[int, int, int]]], max_usd: int
) -> None:
    purse = Purse(float(max_usd))
    models = run(purse, *requests)
    assert purse.spent_usd == sum(model.spent for model in models) <= max_usd
    assert (purse.held_usd, purse.holds) == (0, 0)
    left = max_usd - purse.spent_usd
    assert all(model.refused is None or model.refused > left for model in models)
    assert purse.ran_short == any(model.refused is not None for model in models)


@pytest.mark.parametrize("turns", [(0, 3), (3, 0)])
def test_a_fast_model_takes_no_more_than_a_slow_one(turns: tuple[int, int]) -> None:
    fast, slow = run(Purse(20.0), [(1, 1, turns[0])] * 50, [(1, 1, turns[1])] * 50)
    assert (fast.spent, slow.spent) == (10, 10)


def test_a_dear_model_takes_no_more_than_a_cheap_one() -> None:
    dear, cheap = run(Purse(24.0), [(4, 4, 1)] * 50, [(1, 1, 1)] * 50)
    assert (dear.spent, cheap.spent) == (12, 12)


def test_what_one_leaves_the_others_get_in_equal_parts() -> None:
    models = run(Purse(20.0), [(1, 1, 1)] * 2, [(1, 1, 1)] * 50, [(1, 1, 1)] * 50)
    assert [model.spent for model in models] == [2, 9, 9]


def test_whoever_waits_for_the_others_says_so_once() -> None:
    purse = Purse(4.0, limit_name="`--max-usd`")

    async def wait() -> list[str]:
        quick, slow = Model(purse, [(1, 1, 0)] * 4), Model(purse, [])
        with slow.budget.asking():
            waiting = asyncio.create_task(quick.run())
            await asyncio.sleep(0.1)
            assert quick.spent == 2
        await waiting
        assert quick.spent == 4
        return quick.said

    assert asyncio.run(wait()) == [
        "waiting for what other models leave of `--max-usd`: they have not had their part yet"
    ]


def test_models_that_begin_late_and_one_that_took_their_part_before_do_not_wait_for_each_other() -> None:
    """Equal parts would be more than what is left."""
    purse = Purse(1.0)

    async def meet() -> list[Model]:
        early = Model(purse, [(0.01, 0.01, 0)] * 200)
        late = [Model(purse, [(0.01, 0.01, 0)] * 200) for _ in range(2)]
        running = asyncio.create_task(early.run())
        while early.spent < 0.85:
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await asyncio.gather(running, *(model.run() for model in late))
        return [early, *late]

    models = asyncio.run(meet())
    assert all(model.spent > 0 for model in models)
    assert purse.spent_usd == pytest.approx(1.0)


def test_without_a_limit_nobody_waits() -> None:
    assert [model.spent for model in run(Purse(), [(9, 9, 2)] * 30, [(1, 1, 0)] * 30)] == [270, 30]
