"""An OpenAI-compatible server that answers by rule and misbehaves on purpose.

    python -m dagster_project.loopback.models --port 8000 --latency 0.2 --p429 0.05

``POST /v1/chat/completions``, ``/v1/completions`` and ``/v1/embeddings`` answer, and ``/v1/files`` with ``/v1/batches``
do so in batches.
``GET /stats`` gives the counters, ``GET /stats?seen=1`` also the bodies of all requests, if they are remembered;
``POST /reset`` begins to count anew; ``POST /behaviour`` takes fields of `Behaviour` to change in mid-run.

Belongs here: the server, its addresses and its command line. Does not belong here: how Steerworks copes with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, asdict, fields
from functools import partial
from types import TracebackType
from typing import Any, Self, get_args, get_type_hints

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from dagster_project.loopback.asking import Asking, wrong_key
from dagster_project.loopback.batch_api import BatchApi
from dagster_project.loopback.behaviour import Behaviour
from dagster_project.loopback.counters import Body, Counters
from dagster_project.loopback.plain_reply import json_reply
from dagster_project.loopback.rules import ENDPOINTS, MODELS, answer_to, error

__all__ = ["Behaviour", "LoopbackModels", "answer_to", "main", "serve_models"]

_LARGEST_BODY = 512 * 2**20
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class LoopbackModels:
    """The server, as an asynchronous context manager; `serve_models` runs it in a thread."""

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0) -> None:
        self.behaviour = behaviour or Behaviour()
        self.port = port
        self.counters = Counters()

    @property
    def address(self) -> str:
        """The ``base_url`` for models.yaml."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def statuses(self) -> Counter[str]:
        """Requests by status, or by the fault that kept a status from being sent."""
        return self.counters.statuses

    @property
    def tries(self) -> dict[bytes, int]:
        """How often each distinct request was sent."""
        return self.counters.tries

    @property
    def max_in_flight(self) -> int:
        """The most requests at once."""
        return self.counters.max_in_flight

    @property
    def seen(self) -> list[Body]:
        """The bodies of all requests, if they are remembered."""
        return self.counters.seen

    def stats(self) -> Body:
        """Return the counters: requests by status, distinct requests, the most in flight at once, each model's."""
        return self.counters.stats()

    def behave(self, behaviour: Behaviour) -> None:
        """Take on another behaviour from now on."""
        self.behaviour = behaviour
        self._asking.behave(behaviour)
        self._batch_api.behaviour = behaviour

    async def __aenter__(self) -> Self:
        self._asking = Asking(self.behaviour, self.counters)
        self._batch_api = BatchApi(self.behaviour, self.counters)
        self._handlers: dict[tuple[str, str], Handler] = {
            **{("POST", endpoint): partial(self._asking.reply, endpoint) for endpoint in ENDPOINTS},
            ("GET", "/v1/models"): self._models,
            ("GET", "/stats"): self._stats,
            ("POST", "/reset"): self._reset,
            ("POST", "/behaviour"): self._behave,
        }
        # Without cancellation a request that hangs would outlive its client.
        server = web.Server(self._handle, request_factory=_request, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._batch_api.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if handler := self._handlers.get((request.method, request.path)):
            return await handler(request)
        unknown = error(404, f"Invalid URL ({request.method} {request.path})", "unknown_url")
        return await self._batch_api.reply(request) or json_reply(*unknown)

    async def _models(self, request: web.BaseRequest) -> web.StreamResponse:
        if refusal := wrong_key(self.behaviour, request):
            return json_reply(*refusal)
        names = [name for name in MODELS if name != self.behaviour.down_model]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "loopback"} for name in names]
        return json_reply(200, {"object": "list", "data": data})

    async def _stats(self, request: web.BaseRequest) -> web.StreamResponse:
        return json_reply(200, self.stats() | ({"seen": self.seen} if request.query.get("seen") else {}))

    async def _reset(self, request: web.BaseRequest) -> web.StreamResponse:  # noqa: ARG002 - as all handlers
        self.counters.reset()
        return json_reply(200, self.stats())

    async def _behave(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            changed = self.behaviour.changed(json.loads(await request.read()))
        except (ValueError, TypeError, AttributeError) as problem:
            return json_reply(*error(400, str(problem), "invalid_behaviour"))
        self.behave(changed)
        return json_reply(200, asdict(changed))


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)


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
        description="A server of models for rehearsals: answers by rule, misbehaves on purpose.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8000, help="0 takes any that is free")
    types = get_type_hints(Behaviour)
    meanings = dict(re.findall(r"^ +(\w+): (.+)$", Behaviour.__doc__ or "", re.MULTILINE))
    for field in fields(Behaviour):
        _add_option(parser, field, types[field.name], meanings.get(field.name, ""))
    options = vars(parser.parse_args(arguments))
    port = options.pop("port")
    asyncio.run(_serve_until_stopped(Behaviour(**options), port))
    sys.stdout.write("stopped\n")


def _add_option(parser: argparse.ArgumentParser, field: Field[Any], kind: Any, meaning: str) -> None:
    """Add one field; its type is plain, a plain one or None, or a choice of texts."""
    name, meaning = f"--{field.name.replace('_', '-')}", meaning.replace("%", "%%")
    if kind is bool:
        parser.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default, help=meaning)
        return
    parts = get_args(kind) or (kind,)
    if isinstance(parts[0], str):
        parser.add_argument(name, choices=parts, default=field.default, help=meaning)
        return
    parser.add_argument(name, type=parts[0], default=field.default, help=meaning)


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
