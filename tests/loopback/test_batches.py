"""The Batch API, as the `openai` client sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai.types import Batch

from dagster_project.loopback.models import Behaviour, LoopbackModels, answer_to
from tests.loopback.talking import chat_body

ENDED = {"completed", "failed", "expired", "cancelled"}


def line(custom_id: str, text: str | None = None, **changes: Any) -> dict[str, Any]:
    body = chat_body(text or f"question {custom_id}")
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body} | changes


def lines(count: int) -> list[dict[str, Any]]:
    return [line(f"r-{number}") for number in range(count)]


@asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[tuple[LoopbackModels, openai.AsyncOpenAI]]:
    async with (
        LoopbackModels(behaviour) as server,
        openai.AsyncOpenAI(base_url=server.address, api_key="k", max_retries=0) as client,
    ):
        yield server, client


async def submit(client: openai.AsyncOpenAI, requests: list[dict[str, Any]] | bytes, **how: Any) -> Batch:
    raw = requests if isinstance(requests, bytes) else "\n".join(map(json.dumps, requests)).encode()
    file = await client.files.create(file=("input.jsonl", raw), purpose="batch")
    wanted = {"endpoint": "/v1/chat/completions", "completion_window": "24h"} | how
    return await client.batches.create(input_file_id=file.id, **wanted)


async def ended(client: openai.AsyncOpenAI, batch: Batch) -> Batch:
    async with asyncio.timeout(20):
        while (batch := await client.batches.retrieve(batch.id)).status not in ENDED:
            await asyncio.sleep(0.02)
    return batch


async def written(client: openai.AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    content = await client.files.content(file_id)
    return [json.loads(text) for text in content.text.splitlines()]


def run(behaviour: Behaviour, scene: Callable[[LoopbackModels, openai.AsyncOpenAI], Awaitable[None]]) -> None:
    async def play() -> None:
        async with serving(behaviour) as (server, client):
            await scene(server, client)

    asyncio.run(play())


def test_a_batch_is_answered_as_single_requests_are_and_in_another_order() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        asked = lines(40)
        batch = await submit(client, asked, metadata={"cell": "m"})
        assert batch.status == "validating"
        assert batch.metadata == {"cell": "m"}
        batch = await ended(client, batch)
        assert (batch.status, batch.error_file_id, batch.model) == ("completed", None, "simulated-model")
        assert batch.request_counts is not None
        assert batch.request_counts.model_dump() == {"total": 40, "completed": 40, "failed": 0}
        answers = await written(client, batch.output_file_id)
        custom_ids = [answer["custom_id"] for answer in answers]
        assert sorted(custom_ids) == sorted(request["custom_id"] for request in asked)
        assert custom_ids != [request["custom_id"] for request in asked]
        by_id = {answer["custom_id"]: answer for answer in answers}
        for request in asked:
            answer = by_id[request["custom_id"]]
            assert (answer["error"], answer["response"]["status_code"]) == (None, 200)
            assert answer["response"]["body"]["choices"][0]["message"]["content"] == answer_to(request["body"])
        tokens = sum(answer["response"]["body"]["usage"]["total_tokens"] for answer in answers)
        assert batch.usage is not None
        assert batch.usage.total_tokens == tokens
        assert server.stats()["batch_lines"] == {"simulated-model": 40}
        assert server.stats()["requests"] == 0

    run(Behaviour(), scene)


def test_a_batch_takes_its_time_and_shows_how_far_it_is() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        clock = asyncio.get_running_loop().time
        start = clock()
        batch, seen = await submit(client, lines(100)), set()
        while (batch := await client.batches.retrieve(batch.id)).status not in ENDED:
            assert batch.output_file_id is None
            seen.add(batch.request_counts.completed if batch.request_counts else 0)
            await asyncio.sleep(0.05)
        assert 0.9 < clock() - start < 3
        assert len(seen) >= 4

    run(Behaviour(batch_seconds=1), scene)


def test_what_cannot_be_answered_is_in_the_error_file_with_its_status() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        requests = [*lines(40), line("long", "word " * 100)]
        batch = await ended(client, await submit(client, requests))
        answers = await written(client, batch.output_file_id)
        errors = {error["custom_id"]: error for error in await written(client, batch.error_file_id)}
        assert batch.status == "completed"
        assert len(answers) + len(errors) == 41
        assert errors["long"]["response"]["body"]["error"]["code"] == "context_length_exceeded"
        assert {error["response"]["status_code"] for error in errors.values()} == {400, 500}
        assert all(error["error"] is None for error in errors.values())
        ends = {answer["response"]["body"]["choices"][0]["finish_reason"] for answer in answers}
        assert ends == {"stop", "length", "content_filter"}

    run(Behaviour(p400=0.1, p500=0.1, p_length=0.2, p_content_filter=0.2, max_prompt_chars=300), scene)


def test_a_batch_that_expires_has_answered_half() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        batch = await ended(client, await submit(client, lines(10)))
        answers, errors = await written(client, batch.output_file_id), await written(client, batch.error_file_id)
        assert (batch.status, len(answers), len(errors)) == ("expired", 5, 5)
        assert batch.expired_at is not None
        assert {error["error"]["code"] for error in errors} == {"batch_expired"}
        assert all(error["response"] is None for error in errors)
        assert len({each["custom_id"] for each in answers + errors}) == 10

    run(Behaviour(p_batch_expire=1), scene)


def test_a_batch_that_fails_says_why_and_has_no_files() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        batch = await ended(client, await submit(client, lines(3)))
        assert (batch.status, batch.output_file_id, batch.error_file_id) == ("failed", None, None)
        assert batch.errors is not None
        assert [error.code for error in batch.errors.data or []] == ["token_limit_exceeded"]

    run(Behaviour(p_batch_fail=1), scene)


@pytest.mark.parametrize(
    ("requests", "code", "number"),
    [
        ([line("a"), line("b"), line("a")], "duplicate_custom_id", 3),
        ([line("a"), line("b", url="/v1/embeddings")], "url_mismatch", 2),
        ([line("a"), line("b", body=chat_body("x", "other"))], "model_mismatch", 2),
        ([line("")], "missing_required_parameter", 1),
        (b'{"custom_id": "a"', "invalid_json_line", 1),
        (b"\n\n", "empty_file", None),
    ],
)
def test_an_input_that_breaks_a_rule_fails_with_the_line(requests: Any, code: str, number: int | None) -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        batch = await ended(client, await submit(client, requests))
        assert batch.status == "failed"
        assert batch.errors is not None
        assert [(error.code, error.line) for error in batch.errors.data or []] == [(code, number)]
        assert server.stats()["batch_lines"] == {}

    run(Behaviour(), scene)


def test_a_cancelled_batch_keeps_what_was_answered() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        batch = await submit(client, lines(20))
        while not (await client.batches.retrieve(batch.id)).request_counts.completed:  # type: ignore[union-attr]
            await asyncio.sleep(0.02)
        assert (await client.batches.cancel(batch.id)).status == "cancelling"
        batch = await ended(client, batch)
        answers, errors = await written(client, batch.output_file_id), await written(client, batch.error_file_id)
        assert batch.status == "cancelled"
        assert answers
        assert {error["error"]["code"] for error in errors} == {"batch_cancelled"}
        assert len(answers) + len(errors) == 20
        with pytest.raises(openai.ConflictError):
            await client.batches.cancel(batch.id)

    run(Behaviour(batch_seconds=60), scene)


def test_requests_that_no_batch_can_be_made_of_are_refused_at_once() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="a batch may have 5"):
            await submit(client, lines(6))
        with pytest.raises(openai.BadRequestError, match="endpoint"):
            await submit(client, lines(1), endpoint="/v1/responses")
        with pytest.raises(openai.BadRequestError, match="completion_window"):
            await submit(client, lines(1), completion_window="1h")
        with pytest.raises(openai.BadRequestError, match="no file"):
            await client.batches.create(
                input_file_id="file-x", endpoint="/v1/chat/completions", completion_window="24h"
            )
        with pytest.raises(openai.BadRequestError, match="purpose"):
            await client.files.create(file=b"{}", purpose="fine-tune")
        assert server.stats()["batches"] == 0

    run(Behaviour(batch_limit=5), scene)


def test_batches_are_listed_page_by_page_the_newest_first() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        made = [(await submit(client, lines(1))).id for _ in range(5)]
        page = await client.batches.list(limit=2)
        assert [batch.id for batch in page.data] == made[:2:-1]
        assert page.has_more
        assert [batch.id async for batch in client.batches.list(limit=2)] == made[::-1]
        assert server.stats()["batches"] == 5

    run(Behaviour(), scene)


def test_a_request_that_is_submitted_again_is_counted() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        for requests in (lines(3), lines(2), lines(1)):
            await ended(client, await submit(client, requests))
        assert server.stats()["batch_resubmitted"] == {"r-0": 3, "r-1": 2}
        assert server.stats()["batch_lines"] == {"simulated-model": 6}

    run(Behaviour(), scene)


def test_files_can_be_looked_at_and_deleted_and_unknown_ones_are_not_found() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        file = await client.files.create(file=("x.jsonl", b"{}\n"), purpose="batch")
        assert (file.bytes, file.filename, file.purpose) == (3, "x.jsonl", "batch")
        assert (await client.files.retrieve(file.id)).id == file.id
        assert (await client.files.content(file.id)).content == b"{}\n"
        assert (await client.files.delete(file.id)).deleted
        for call in (client.files.retrieve, client.files.content, client.files.delete, client.batches.retrieve):
            with pytest.raises(openai.NotFoundError):
                await call(file.id)

    run(Behaviour(), scene)


def test_a_batch_of_embeddings_is_answered_too_and_needs_the_key() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        request = line("e", url="/v1/embeddings", body={"model": "e", "input": "some words"})
        batch = await ended(client, await submit(client, [request], endpoint="/v1/embeddings"))
        (answer,) = await written(client, batch.output_file_id)
        assert len(answer["response"]["body"]["data"][0]["embedding"]) == 32
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="another").batches.list()

    run(Behaviour(api_key="k"), scene)


def test_single_requests_are_answered_while_a_large_batch_is_worked_on() -> None:
    async def scene(server: LoopbackModels, client: openai.AsyncOpenAI) -> None:
        batch = await submit(client, lines(3000))
        await client.chat.completions.create(**chat_body())
        assert (await client.batches.retrieve(batch.id)).status in {"validating", "in_progress"}
        batch = await ended(client, batch)
        assert len(await written(client, batch.output_file_id)) == 3000

    run(Behaviour(), scene)
