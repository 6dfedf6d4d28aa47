"""The turns in between are written one after the other, and asked for once."""

from __future__ import annotations

from dagster_project.generation import Purse, SilentProgress, complete_conversations
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from tests.generation.cells import BATCH, Recorder, loopback_models


def users(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text} for text in texts]


def test_each_gap_gets_a_turn_that_knows_the_turns_before_it(lake: Lake, progress: Recorder) -> None:
    conversations = {"p-one": users("Hello"), "p-two": users("Hi", "Why?"), "p-three": users("a", "b", "c")}
    with serve_models(Behaviour(remember=True)) as server:
        models = loopback_models(server.address)
        first = complete_conversations(lake, models, "m", BATCH, conversations, progress)
        second = complete_conversations(lake, models, "m", BATCH, conversations, SilentProgress())
        bodies = server.seen
    assert first == second
    assert len(bodies) == 3
    assert first["p-one"].messages == users("Hello")
    assert (first["p-one"].model, first["p-one"].licence, first["p-one"].may_train) == (None, None, None)
    three = first["p-three"].messages or []
    assert [turn["role"] for turn in three] == ["user", "assistant", "user", "assistant", "user"]
    assert [turn["content"] for turn in three][::2] == ["a", "b", "c"]
    assert three[:3] in [body["messages"] for body in bodies]
    three_terms = (first["p-three"].model, first["p-three"].licence, first["p-three"].may_train)
    assert three_terms == ("m", "CC0-1.0", True)
    assert progress.updates[-1][:4] == ("m", 3, 0, 3)
    assert not (lake.root / "responses").exists()


def test_a_conversation_whose_turn_fails_says_why_and_the_others_go_on(lake: Lake) -> None:
    conversations = {"p-long": users("long " * 40, "b", "c"), "p-short": users("a", "b")}
    with serve_models(Behaviour(max_prompt_chars=150)) as server:
        models = loopback_models(server.address)
        results = complete_conversations(lake, models, "m", BATCH, conversations, SilentProgress())
    assert results["p-long"].messages is None
    assert results["p-long"].reason == "context_overflow"
    assert len(results["p-short"].messages or []) == 3


def test_a_failure_later_in_a_conversation_ends_it(lake: Lake) -> None:
    with serve_models(Behaviour(max_prompt_chars=60)) as server:
        models = loopback_models(server.address)
        results = complete_conversations(lake, models, "m", BATCH, {"p": users("a", "b", "c")}, SilentProgress())
    assert (results["p"].messages, results["p"].reason) == (None, "context_overflow")


def test_the_terms_of_a_turn_are_those_of_the_day_it_was_written(lake: Lake) -> None:
    stricter = {"terms": {"licence": "closed", "outputs_may_train": False}}
    with serve_models() as server:
        then, now = loopback_models(server.address), loopback_models(server.address, **stricter)
        complete_conversations(lake, then, "m", BATCH, {"p": users("a", "b")}, SilentProgress())
        known = {"p": users("a", "b"), "p-longer": users("a", "b", "c"), "p-new": users("x", "y")}
        results = complete_conversations(lake, now, "m", BATCH, known, SilentProgress())
    assert (results["p"].licence, results["p"].may_train) == ("CC0-1.0", True)
    assert (results["p-longer"].licence, results["p-longer"].may_train) == ("CC0-1.0", False)
    assert (results["p-new"].licence, results["p-new"].may_train) == ("closed", False)


def test_a_turn_that_the_money_does_not_reach_is_written_by_the_next_run(lake: Lake) -> None:
    conversations = {"p": users("a", "b"), "p-other": users("x", "y")}
    with serve_models() as server:
        models = loopback_models(
            server.address, prices={"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
        )
        short = complete_conversations(lake, models, "m", BATCH, conversations, SilentProgress(), Purse(1.0))
        assert sorted(str(result.reason) for result in short.values()) == ["None", "budget"]
        whole = complete_conversations(lake, models, "m", BATCH, conversations, SilentProgress())
        assert server.stats()["requests"] == 2
    assert [result.reason for result in whole.values()] == [None, None]


def test_no_conversations_ask_nothing(lake: Lake) -> None:
    models = loopback_models("http://127.0.0.1:9/v1")
    assert complete_conversations(lake, models, "m", BATCH, {}, SilentProgress()) == {}
