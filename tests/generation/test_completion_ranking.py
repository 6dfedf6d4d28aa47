"""Of several candidates for a turn the one with the best mean rank is taken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.generation import Purse, SilentProgress, complete_conversations
from dagster_project.generation.completion_ranking import Candidate, best_of, likelihood_request
from dagster_project.generation.replies import Answered, Fault, Refused, read_likelihood
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import Completion, ModelsFile
from tests.generation.cells import BATCH, loopback_models

ASKED = [{"role": "user", "content": "Why is the sky blue?"}]
PLAIN = "Air scatters short waves of light more than long ones."


def users(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text} for text in texts]


def best(*candidates: Candidate) -> str:
    return candidates[best_of(candidates, ASKED)].text


def test_a_candidate_that_was_cut_loses_to_a_whole_one() -> None:
    assert best(Candidate(PLAIN[:40], True), Candidate(PLAIN, False)) == PLAIN


def test_a_candidate_that_repeats_itself_or_copies_an_earlier_turn_loses() -> None:
    again = "It is blue it is blue it is blue it is blue it is blue"
    assert best(Candidate(again, False), Candidate(PLAIN, False)) == PLAIN
    assert (
        best(Candidate("Why is the sky blue? Why indeed, why is the sky so", False), Candidate(PLAIN, False)) == PLAIN
    )


def test_a_candidate_far_from_the_usual_length_loses() -> None:
    usual = [Candidate(f"{PLAIN} That is number {number}.", False) for number in ("one", "two")]
    assert best(Candidate("No.", False), *usual) != "No."


def test_the_likelihood_of_the_next_turn_decides_among_equals() -> None:
    one, two = "Red waves pass us by, blue ones not.", "Blue waves come back to us, all day."
    assert len(one) == len(two)
    assert best(Candidate(one, False, -3.0), Candidate(two, False, -2.0)) == two
    assert best(Candidate(one, False, -2.0), Candidate(two, False, -3.0)) == one


def test_a_likelihood_that_is_not_known_of_all_counts_for_none() -> None:
    assert best(Candidate(PLAIN, False, None), Candidate(PLAIN, False, -1.0)) == PLAIN
    assert best_of([Candidate(PLAIN, False, None), Candidate(PLAIN, False, -1.0)], ASKED) == 0


texts = st.text(alphabet="ab .", min_size=1, max_size=30)


@given(st.lists(st.builds(Candidate, texts, st.booleans(), st.floats(-9, 0)), min_size=1, max_size=6))
def test_there_is_always_one_and_a_worse_one_in_everything_never_wins(candidates: list[Candidate]) -> None:
    worst = Candidate("b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b" * 40, True, -100.0)
    chosen = best_of([worst, *candidates], ASKED)
    assert 0 <= chosen <= len(candidates)
    assert chosen != 0 or len(candidates) == 0


def test_the_tokens_of_the_next_turn_are_those_that_count() -> None:
    models = loopback_models("http://127.0.0.1:9/v1")
    turns = [*ASKED, {"role": "assistant", "content": PLAIN}]
    request = likelihood_request(models, "m", BATCH, "p", turns, "And at dusk?")
    prompt = request.body["prompt"]
    assert prompt == f"User: Why is the sky blue?\n\nAssistant: {PLAIN}\n\nUser: And at dusk?"
    assert prompt[request.scored_from :] == " And at dusk?"
    offsets = [0, request.scored_from - 5, request.scored_from, request.scored_from + 4, len(prompt)]
    told = {"text_offset": offsets, "token_logprobs": [None, -9.0, -1.0, -2.0, -50.0]}
    body = json.dumps({"choices": [{"text": "", "logprobs": told}], "usage": {"prompt_tokens": 4}}).encode()
    assert read_likelihood(body, request.scored_from) == Answered("-1.5", None, read_likelihood(body, 0).usage)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ({"choices": [{"text": "x", "logprobs": None}]}, Refused),
        ({"choices": [{"text": "x"}]}, Refused),
        ({"choices": [{"text": "x", "logprobs": {"content": [{"token": "x", "logprob": -1.0}]}}]}, Refused),
        ({"choices": [{"logprobs": {"text_offset": [0], "token_logprobs": []}}]}, Fault),
        ({"choices": []}, Fault),
        ([], Fault),
    ],
)
def test_replies_without_log_probabilities_are_told_from_broken_ones(reply: object, outcome: type) -> None:
    assert isinstance(read_likelihood(json.dumps(reply).encode(), 0), outcome)


def complete(
    lake: Lake, models: ModelsFile, rules: Completion, purse: Purse | None = None, *turns: str
) -> dict[str, list[dict[str, str]] | None]:
    conversations = {"p": users(*(turns or ("Tell me of rivers", "And of lakes", "And of seas")))}
    done = complete_conversations(lake, models, "m", BATCH, conversations, SilentProgress(), purse, rules)
    return {prompt_id: each.messages for prompt_id, each in done.items()} | {"reason": done["p"].reason}  # type: ignore[dict-item]


def test_each_turn_has_its_candidates_which_are_asked_for_once_and_ranked_by_the_next_turn(lake: Lake) -> None:
    rules = Completion(candidates=3, likelihood_model="n")
    with serve_models(Behaviour(remember=True)) as server:
        models = loopback_models(server.address, sampling={"max_tokens": 50, "seed": 5})
        first = complete(lake, models, rules)
        asked = list(server.seen)
        assert complete(lake, models, rules) == first
        assert len(server.seen) == len(asked), "all is known the second time"
    chats = [body for body in asked if "messages" in body]
    scored = [body for body in asked if "prompt" in body]
    for length in (1, 3):
        assert sorted(body["seed"] for body in chats if len(body["messages"]) == length) == [5, 6, 7]
    ends = [body["prompt"].rpartition("\n\n")[2] for body in scored if body["echo"]]
    assert sorted(ends) == ["User: And of lakes"] * 3 + ["User: And of seas"] * 3
    assert [turn["role"] for turn in first["p"] or []] == ["user", "assistant", "user", "assistant", "user"]


def test_an_endpoint_without_log_probabilities_leaves_the_other_ranks(lake: Lake) -> None:
    with serve_models(Behaviour(logprobs=False)) as server:
        models = loopback_models(server.address)
        done = complete(lake, models, Completion(candidates=3, likelihood_model="n"))
    assert len(done["p"] or []) == 5


def test_a_turn_waits_until_all_its_candidates_are_there_and_is_then_the_same_as_without_a_break(lake: Lake) -> None:
    rules = Completion(candidates=4)
    with serve_models() as server:
        models = loopback_models(
            server.address, prices={"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
        )
        broken_off = complete(lake, models, rules, Purse(2.5))
        assert (broken_off["p"], broken_off["reason"]) == (None, "budget")
        whole = complete(lake, models, rules)
        assert server.stats()["requests"] == 8
        other = Lake(lake.root / "other")
        assert complete(other, models, rules) == whole


def test_a_candidate_that_fails_for_good_leaves_the_others(lake: Lake) -> None:
    with serve_models(Behaviour(p400=1.0)) as server:
        models = loopback_models(server.address)
        assert complete(lake, models, Completion(candidates=2))["reason"] == "http_400"
