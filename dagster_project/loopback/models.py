"""An OpenAI-compatible chat server that answers by rule and misbehaves on purpose.

    python -m dagster_project.loopback.models --port 8000 --latency 0.2 --p429 0.05

``POST /v1/chat/completions`` answers; ``GET /stats`` gives the counters, ``GET /stats?seen=1``
also the bodies of all requests, if they are remembered. Faults are drawn by hashing seed, request
and try, so the same requests meet the same faults in every run.

Belongs here: behaviour that real servers show. Does not belong here: how Steerworks copes with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from dagster_project.identity import digest, unit_interval

Body = dict[str, Any]
_WORDS_OF_ANSWER = 12


@dataclass(frozen=True)
class Behaviour:
    """How the server behaves; shares (``p…``) are in [0, 1], times in seconds, 0 or None switches a thing off.

    Attributes:
        latency: before each answer.
        p_slow: share of requests that take ``slow_seconds`` instead.
        slow_seconds: see ``p_slow``.
        p429: share of tries turned away with status 429 and ``retry_after``.
        retry_after: seconds in the Retry-After header of a 429; None leaves the header out.
        p500: share of tries that end with status 500.
        p400: share of prompts that every try is refused for with status 400.
        p_truncated: share of tries whose JSON breaks off.
        p_reset: share of tries whose connection is reset.
        p_empty: share of prompts that are answered with nothing.
        requests_per_second: beyond this, 429.
        max_prompt_chars: longer prompts do not fit the context.
        usage: whether tokens are counted.
        api_key: the only key that is let in; None lets everybody in.
        remember: keep the bodies of requests for ``/stats?seen=1``.
        seed: of all faults.
    """

    latency: float = 0.0
    p_slow: float = 0.0
    slow_seconds: float = 5.0
    p429: float = 0.0
    retry_after: float | None = None
    p500: float = 0.0
    p400: float = 0.0
    p_truncated: float = 0.0
    p_reset: float = 0.0
    p_empty: float = 0.0
    requests_per_second: float | None = None
    max_prompt_chars: int | None = None
    usage: bool = True
    api_key: str | None = None
    remember: bool = False
    seed: int = 1


class LoopbackModels:
    """The server, as an asynchronous context manager; `serve_models` runs it in a thread."""

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0) -> None:
        self.behaviour = behaviour or Behaviour()
        self.port = port
        self.statuses: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()
        self.in_flight = 0
        self.max_in_flight = 0
        self.seen: list[Body] = []
        self._allowance = self.behaviour.requests_per_second or 0.0
        self._allowed_at = 0.0

    @property
    def address(self) -> str:
        """The ``base_url`` for models.yaml."""
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        """Return the counters: requests by status, distinct requests, the most in flight at once."""
        return {
            "requests": sum(self.statuses.values()),
            "distinct": len(self.tries),
            "statuses": dict(sorted(self.statuses.items())),
            "max_in_flight": self.max_in_flight,
        }

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_post("/v1/chat/completions", self._chat)
        application.router.add_get("/stats", self._stats)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response(self.stats() | ({"seen": self.seen} if request.query.get("seen") else {}))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            response = await self._respond(request)
        finally:
            self.in_flight -= 1
        return response

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked = digest(body)
        self.tries[asked] += 1
        if self.behaviour.remember:
            self.seen.append(body)
        if refusal := self._refuse(request, body):
            return refusal
        one_try = (asked, self.tries[asked])
        slow = self._drawn("slow", self.behaviour.p_slow, *one_try)
        await asyncio.sleep(self.behaviour.slow_seconds if slow else self.behaviour.latency)
        return self._fault(request, one_try) or self._answer(body)

    def _refuse(self, request: web.Request, body: Body) -> web.Response | None:
        """What a server turns away before it works on it."""
        wanted = self.behaviour.api_key
        if wanted is not None and request.headers.get("Authorization") != f"Bearer {wanted}":
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            return self._error(401, f"Incorrect API key provided: {given}", "invalid_api_key")
        if not self._within_rate():
            return self._throttled()
        longest = self.behaviour.max_prompt_chars
        if longest is not None and sum(len(turn["content"]) for turn in body["messages"]) > longest:
            return self._error(400, "the prompt exceeds the maximum context length", "context_length_exceeded")
        if self._drawn("400", self.behaviour.p400, digest(body["messages"])):
            return self._error(400, "this prompt is refused on purpose", "invalid_request_error")
        return None

    def _fault(self, request: web.Request, one_try: tuple[str, int]) -> web.StreamResponse | None:
        """What goes wrong with this try, and perhaps not with the next."""
        if self._drawn("429", self.behaviour.p429, *one_try):
            return self._throttled()
        if self._drawn("500", self.behaviour.p500, *one_try):
            return self._error(500, "broken on purpose", "server_error")
        if self._drawn("truncated", self.behaviour.p_truncated, *one_try):
            return self._reply("truncated", 200, '{"choices": [{"index": 0, "message": {"role": "assis')
        if self._drawn("reset", self.behaviour.p_reset, *one_try) and request.transport:
            self.statuses["reset"] += 1
            request.transport.abort()
            return web.Response()
        return None

    def _answer(self, body: Body) -> web.Response:
        empty = self._drawn("empty", self.behaviour.p_empty, digest(body["messages"]))
        text = "" if empty else answer_to(body)
        reply: Body = {
            "id": f"chatcmpl-{digest(body)[:20]}",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"},
            ],
        }
        if self.behaviour.usage:
            prompt_tokens = sum(len(turn["content"].split()) for turn in body["messages"])
            completion_tokens = len(text.split())
            reply["usage"] = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
        return self._reply("200", 200, json.dumps(reply))

    def _within_rate(self) -> bool:
        """A bucket that holds one second's worth of requests."""
        rate = self.behaviour.requests_per_second
        if not rate:
            return True
        now = asyncio.get_running_loop().time()
        self._allowance = min(rate, self._allowance + (now - self._allowed_at) * rate)
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _throttled(self) -> web.Response:
        response = self._error(429, "too many requests", "rate_limit_exceeded")
        if self.behaviour.retry_after is not None:
            response.headers["Retry-After"] = f"{self.behaviour.retry_after:g}"
        return response

    def _error(self, status: int, message: str, code: str) -> web.Response:
        return self._reply(str(status), status, json.dumps({"error": {"message": message, "code": code}}))

    def _reply(self, counted_as: str, status: int, text: str) -> web.Response:
        self.statuses[counted_as] += 1
        return web.Response(status=status, text=text, content_type="application/json")

    def _drawn(self, fault: str, share: float, *ids: str | int) -> bool:
        return share > 0 and unit_interval(self.behaviour.seed, fault, *ids) < share


def answer_to(body: Body) -> str:
    """Return the answer to a request: it says that it is simulated, and depends on the whole body."""
    words = str(body["messages"][-1]["content"]).split()[:_WORDS_OF_ANSWER]
    return f"This answer is simulated (no model wrote it; request {digest(body)[:12]}). You asked: {' '.join(words)}"


@contextmanager
def serve_models(behaviour: Behaviour | None = None, port: int = 0) -> Iterator[LoopbackModels]:
    """Run the server in a thread of this process for as long as the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loopback-models", daemon=True)
    thread.start()
    server = LoopbackModels(behaviour, port)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted; the options are the fields of `Behaviour`."""
    parser = argparse.ArgumentParser(
        description="A chat server for rehearsals: answers by rule, misbehaves on purpose."
    )
    parser.add_argument("--port", type=int, default=8000)
    for field in fields(Behaviour):
        _add_option(parser, field)
    options = vars(parser.parse_args(arguments))
    port = options.pop("port")
    asyncio.run(_serve_until_stopped(Behaviour(**options), port))
    sys.stdout.write("stopped\n")


def _add_option(parser: argparse.ArgumentParser, field: Field[Any]) -> None:
    name = f"--{field.name.replace('_', '-')}"
    if isinstance(field.default, bool):
        parser.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default)
        return
    number = int if "int" in str(field.type) else float
    kind = str if "str" in str(field.type) else number
    parser.add_argument(name, type=kind, default=None if field.default is MISSING else field.default)


async def _serve_until_stopped(behaviour: Behaviour, port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A handler of our own also where the shell that started us has these signals ignored.
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with LoopbackModels(behaviour, port) as server:
        sys.stdout.write(f"simulated models at {server.address}, counters at http://127.0.0.1:{server.port}/stats\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    main()
