"""The order of selection: any target is a prefix of it, and every prefix is balanced as far as the prompts allow."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.curation.selecting_order import Candidate, choose
from dagster_project.settings import Selection


def rules(target: int | None = None, **changes: Any) -> Selection:
    return Selection.model_validate({"target": target, **changes})


def pool(
    count: int, seed: int = 1, topics: int = 10, multi_turn: float = 0.4, levels: str = "1122334455"
) -> list[Candidate]:
    """Candidates at random, as many of each kind as asked for."""
    draw = random.Random(seed)
    return [
        Candidate(
            f"p-{number}",
            f"topic-{draw.randrange(topics)}",
            int(draw.choice(levels)),
            draw.random() < multi_turn,
            draw.choice("abc"),
        )
        for number in range(count)
    ]


candidates = st.lists(
    st.tuples(st.sampled_from("xyz"), st.integers(1, 5), st.booleans(), st.sampled_from("abc")), min_size=1, max_size=60
).map(lambda rows: [Candidate(f"p-{number}", *row) for number, row in enumerate(rows)])
shares = st.dictionaries(st.sampled_from("abc"), st.sampled_from([0.1, 0.25, 0.3, 0.5, 1.0]), max_size=3)
any_rules = st.fixed_dictionaries(
    {
        "multi_turn_share": st.sampled_from([0, 0.07, 0.29, 0.5, 1]),
        "max_source_share": shares,
        "seed": st.integers(0, 5),
        "complexity_weights": st.tuples(*[st.sampled_from([1, 2, 0.5])] * 5),
    }
)


@given(candidates, any_rules, st.integers(1, 70), st.integers(0, 30), st.integers(0, 30))
def test_a_target_raised_twice_adds_and_removes_nothing(
    prompts: list[Candidate], changes: dict[str, Any], target: int, more: int, still_more: int
) -> None:
    first, second, third = (
        choose(prompts, rules(goal, **changes)).order for goal in (target, target + more, target + more + still_more)
    )
    assert second[: len(first)] == first
    assert third[: len(second)] == second
    assert len(set(third)) == len(third)
    assert choose(prompts, rules(None, **changes)).order[: len(third)] == third


@given(candidates, any_rules)
def test_no_source_ever_has_more_than_its_share_rounded_up_and_only_shares_stop_a_selection(
    prompts: list[Candidate], changes: dict[str, Any]
) -> None:
    chosen = choose(prompts, rules(None, **changes))
    by_id = {prompt.prompt_id: prompt for prompt in prompts}
    taken: Counter[str] = Counter()
    for count, prompt_id in enumerate(chosen.order, start=1):
        source = by_id[prompt_id].source
        taken[source] += 1
        assert taken[source] <= math.ceil(round(changes["max_source_share"].get(source, 1) * count, 9))
    left = {prompt.source for prompt in prompts} - {by_id[prompt_id].source for prompt_id in chosen.order}
    left |= {prompt.source for prompt in prompts if prompt.prompt_id not in chosen.order}
    assert {
        source for source in left if taken[source] < sum(p.source == source for p in prompts)
    } <= chosen.full_sources


@given(candidates, any_rules)
def test_topics_are_even_until_they_run_out(prompts: list[Candidate], changes: dict[str, Any]) -> None:
    only_turns = [prompt._replace(multi_turn=False) for prompt in prompts]
    order = choose(only_turns, rules(None, **changes | {"max_source_share": {}})).order
    topic_of = {prompt.prompt_id: prompt.topic for prompt in prompts}
    left, taken = Counter(topic_of.values()), Counter(dict.fromkeys(topic_of.values(), 0))
    for prompt_id in order:
        topic = topic_of[prompt_id]
        assert taken[topic] == min(count for other, count in taken.items() if left[other])
        left[topic] -= 1
        taken[topic] += 1


@given(candidates, any_rules)
def test_the_share_of_several_turns_is_kept_to_within_one_while_both_kinds_last(
    prompts: list[Candidate], changes: dict[str, Any]
) -> None:
    order = choose(prompts, rules(None, **changes | {"max_source_share": {}})).order
    multi_turn = {prompt.prompt_id: prompt.multi_turn for prompt in prompts}
    left = Counter(multi_turn.values())
    for count, prompt_id in enumerate(order, start=1):
        if not (left[True] and left[False]):
            break
        left[multi_turn[prompt_id]] -= 1
        several = sum(multi_turn[each] for each in order[:count])
        assert abs(several - changes["multi_turn_share"] * count) <= 0.5 + 1e-9


@given(candidates, any_rules, st.randoms(use_true_random=False))
def test_a_prompt_that_leaves_does_not_change_the_draw_of_others_within_its_kind_topic_and_level(
    prompts: list[Candidate], changes: dict[str, Any], draw: random.Random
) -> None:
    """Of one kind, topic, level and source, prompts are always taken in the order of their random numbers."""
    for some in (prompts, draw.sample(prompts, max(1, len(prompts) - 1))):
        some = sorted(some, key=prompts.index)
        order = choose(some, rules(None, **changes)).order
        place = {prompt_id: number for number, prompt_id in enumerate(order)}
        alike: dict[tuple[Any, ...], list[str]] = {}
        for prompt in some:
            alike.setdefault(prompt[1:], []).append(prompt.prompt_id)
        for ids in alike.values():
            places = [place[prompt_id] for prompt_id in ids if prompt_id in place]
            assert places == sorted(places)
            assert [prompt_id in place for prompt_id in ids] == sorted((each in place for each in ids), reverse=True)


def test_levels_are_taken_by_their_weights_and_topics_evenly_where_there_are_enough() -> None:
    prompts = pool(6_000)
    order = choose(prompts, rules(600)).order
    by_id = {prompt.prompt_id: prompt for prompt in prompts}
    chosen = [by_id[prompt_id] for prompt_id in order]
    assert Counter(prompt.level for prompt in chosen) == {1: 100, 2: 100, 3: 100, 4: 100, 5: 200}
    assert set(Counter(prompt.topic for prompt in chosen).values()) == {60}
    assert sum(prompt.multi_turn for prompt in chosen) == 174


def test_a_rare_top_level_is_taken_whole_and_the_rest_by_their_weights() -> None:
    prompts = pool(6_000, levels="1" * 60 + "2" * 20 + "3" * 15 + "4" * 4 + "5")
    by_id = {prompt.prompt_id: prompt for prompt in prompts}
    levels = Counter(by_id[prompt_id].level for prompt_id in choose(prompts, rules(600)).order)
    assert levels[5] == sum(prompt.level == 5 for prompt in prompts) < 200
    assert max(levels[level] for level in (1, 2, 3, 4)) - min(levels[level] for level in (1, 2, 3, 4)) <= 1


@pytest.mark.slow
def test_levels_are_independent_of_topics_over_seeds() -> None:
    """Over many seeds each topic has the top level twice as often as any other, also where it has but two prompts."""
    prompts = pool(3_000, multi_turn=0)
    by_id = {prompt.prompt_id: prompt for prompt in prompts}
    levels: dict[str, Counter[int]] = {}
    for seed in range(300):
        for prompt_id in choose(prompts, rules(20, seed=seed, multi_turn_share=0)).order:
            levels.setdefault(by_id[prompt_id].topic, Counter())[by_id[prompt_id].level] += 1
    for counts in levels.values():
        total = sum(counts.values())
        assert 0.24 < counts[5] / total < 0.42
        assert all(0.09 < counts[level] / total < 0.25 for level in (1, 2, 3, 4))


def test_no_topic_meets_the_same_level_in_every_round() -> None:
    """Six topics and six parts of weight: in a fixed order one topic would have all of the top level."""
    prompts = pool(6_000, topics=6, multi_turn=0)
    by_id = {prompt.prompt_id: prompt for prompt in prompts}
    chosen = [by_id[prompt_id] for prompt_id in choose(prompts, rules(240, multi_turn_share=0)).order]
    top = Counter(prompt.topic for prompt in chosen if prompt.level == 5)
    assert sum(top.values()) == 80
    assert all(5 <= count <= 22 for count in top.values())


def test_without_limits_sources_make_no_difference() -> None:
    prompts = pool(300)
    alone = [prompt._replace(source="a") for prompt in prompts]
    assert choose(prompts, rules(100)).order == choose(alone, rules(100)).order


def test_every_prompt_of_a_kind_has_the_same_chance_over_seeds() -> None:
    prompts = [Candidate(f"p-{number}", "t", 1, False, "a") for number in range(20)]
    drawn: Counter[str] = Counter()
    for seed in range(400):
        shuffled = sorted(prompts, key=lambda prompt: random.Random(f"{seed} {prompt.prompt_id}").random())
        drawn.update(choose(shuffled, rules(5, seed=seed)).order)
    assert all(60 < drawn[prompt.prompt_id] < 140 for prompt in prompts)


def test_limits_hold_for_shares_as_they_are_written() -> None:
    prompts = [Candidate(f"p-{number}", "t", 1, False, "ab"[number % 2]) for number in range(400)]
    order = choose(prompts, rules(100, max_source_share={"a": 0.07})).order
    assert sum(int(prompt_id[2:]) % 2 == 0 for prompt_id in order) == 7


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_selections_grow_through_every_target(seed: int) -> None:
    prompts = pool(200, seed)
    orders = [choose(prompts, rules(target, max_source_share={"a": 0.2})).order for target in (1, 7, 40, 41, 120, 500)]
    assert all(large[: len(small)] == small for small, large in pairwise(orders))
