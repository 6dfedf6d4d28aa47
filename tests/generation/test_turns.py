"""Turns go by rank, and whatever is cancelled keeps nobody waiting."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from dagster_project.generation.limits.turns import Turns

RANKS = st.lists(st.integers(0, 3), min_size=1, max_size=5)
CANCELS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4)), max_size=4)


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@given(ranks=RANKS, cancels=CANCELS, busy=st.integers(0, 2))
def test_one_at_a_time_has_the_turn_and_all_get_it_whoever_is_cancelled(
    ranks: list[int], cancels: list[tuple[int, int]], busy: int
) -> None:
    async def play() -> None:
        turns, having = Turns(), set[int]()

        async def ask(number: int) -> None:
            for _ in range(3):
                await turns.take(ranks[number])
                assert not having
                having.add(number)
                try:
                    await rounds(busy)
                finally:
                    having.remove(number)
                    turns.give_up()

        askers = [asyncio.create_task(ask(number)) for number in range(len(ranks))]
        for after, number in sorted(cancels):
            await rounds(after)
            askers[number % len(askers)].cancel()
        ended = await asyncio.wait_for(asyncio.gather(*askers, return_exceptions=True), 5)
        assert {type(result) for result in ended} <= {type(None), asyncio.CancelledError}

    asyncio.run(play())


def test_the_lowest_rank_goes_first_and_the_last_one_may_ask_again_before_the_others() -> None:
    async def play() -> list[int]:
        turns, order = Turns(), list[int]()

        async def ask(rank: int) -> None:
            for _ in range(2):
                await turns.take(rank)
                order.append(rank)
                turns.give_up()

        await asyncio.gather(*(ask(rank) for rank in (2, 0, 1)))
        return order

    assert asyncio.run(play()) == [0, 0, 1, 1, 2, 2]


def test_one_that_let_another_go_first_has_the_turn_when_that_one_is_cancelled() -> None:
    async def play() -> None:
        turns = Turns()
        later, first = asyncio.create_task(turns.take(5)), asyncio.create_task(turns.take(1))
        asyncio.get_running_loop().call_soon(first.cancel)
        await asyncio.wait_for(later, 5)

    asyncio.run(play())
