"""One connection to an endpoint: what the `openai` package's client knows, and what comes back through it.

The client reads the configuration as its users know it: address, key, organisation, extra headers. Requests take a
lean path beside it: aiohttp, which the client's own fast transport rides on, with the client's address and headers.
Through the client's typed models a call costs five times as much processor time, through its HTTP client twice.

Belongs here: addresses, keys, headers, and turning the HTTP client's exceptions into outcomes. Does
not belong here: when to ask, and whether to try again.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass

from dagster_project.generation.answers import TO_JSON
from dagster_project.generation.embedded import embedded_server
from dagster_project.generation.embedded_likelihood import (
    TOKENIZE,
    read_tokens,
    read_written,
    tokenize_body,
    writing_body,
)
from dagster_project.generation.limits.rate_headers import NO_LIMITS, RateLimits, read_limits
from dagster_project.generation.replies import Answered, Fault, Outcome, Refused, read_reply
from dagster_project.generation.requests import COMPLETIONS, Request
from dagster_project.settings import Endpoint, ModelsFile

if TYPE_CHECKING:
    import aiohttp
    import openai

CONNECT_SECONDS = 10.0
NO_KEY = "no-key-needed"
"""Sent to endpoints that need no key: given none, the client would send the user's OPENAI_API_KEY to a stranger."""


@dataclass(frozen=True)
class Connection:
    """An open connection to the endpoint of one model.

    ``client`` is for calls that are few; ``session`` carries the many, with the client's address and headers.
    ``scores_by_writing`` says that the server knows the likelihood only of what it writes, as the embedded one does.
    """

    client: openai.AsyncOpenAI
    session: aiohttp.ClientSession = field(repr=False)
    name: str
    address: str
    api_key: str = field(repr=False)
    timeout_seconds: float
    base: str
    scores_by_writing: bool = False

    async def send(self, request: Request) -> tuple[Outcome, RateLimits]:
        """Send one request, once, and read what comes back. The key is never part of an outcome."""
        import aiohttp  # noqa: PLC0415 - loads slowly

        try:
            async with asyncio.timeout(self.timeout_seconds):
                if self.scores_by_writing and request.route == COMPLETIONS:
                    return await self._score(request)
                return await self._exchange(self.base + request.route, request.body, request.read)
        except aiohttp.ClientError as error:
            return self._broken(error), NO_LIMITS
        except TimeoutError:
            words = f"no answer within {self.timeout_seconds:g} seconds"
            return Fault("timeout", words, replied=False, may_cost=True), NO_LIMITS

    async def _score(self, request: Request) -> tuple[Outcome, RateLimits]:
        """Have the server write the text that a request wants the likelihood of."""
        tokens: list[int] = []

        def read(body: bytes) -> Outcome:
            tokens.extend(read_tokens(body))
            return Answered("", None)

        told, limits = await self._exchange(self.base.removesuffix("v1/") + TOKENIZE, tokenize_body(request), read)
        if not isinstance(told, Answered):
            return told, limits
        if not tokens:
            return Refused("no_logprobs", "no tokens were told of the text"), limits
        body = writing_body(request, tokens)
        return await self._exchange(self.base + request.route, body, lambda reply: read_written(reply, tokens))

    async def _exchange(
        self, url: str, body: Mapping[str, Any], read: Callable[[bytes], Outcome]
    ) -> tuple[Outcome, RateLimits]:
        async with self.session.post(url, data=TO_JSON(body).encode(), allow_redirects=False) as reply:
            content = await reply.read()
        outcome = read_reply(reply.status, content, reply.headers, self.api_key.encode(), read)
        return outcome, read_limits(reply.headers)

    def _broken(self, error: Exception) -> Fault:
        """Name the first cause."""
        import aiohttp  # noqa: PLC0415 - loads slowly

        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        unconnected = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        reason = "timeout" if isinstance(cause, TimeoutError) and not unconnected else "connection"
        words = str(cause) or type(cause).__name__
        # A reply that is cut or garbled is one all the same: the endpoint is not down.
        replied = isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError)
        return Fault(reason, words.replace(self.api_key, "***"), replied=replied, may_cost=not unconnected)


@asynccontextmanager
async def connect(models: ModelsFile, model: str) -> AsyncIterator[Connection]:
    """Open a connection to a model's endpoint; the embedded one is started if it does not run yet.

    Raises:
        SteerworksError: the key is not in the environment, or the embedded model is not installed.
    """
    _load_client()
    endpoint = models.endpoint_of(model)
    if endpoint.kind == "embedded":
        server = await asyncio.to_thread(embedded_server, endpoint.max_in_flight, endpoint.serves)
        address, api_key = server.base_url, server.api_key
    else:
        address, api_key = (endpoint.base_url or "").rstrip("/"), models.api_key_of(model) or NO_KEY
    client = _client(endpoint, address, api_key)
    async with client, _session(endpoint, client) as session:
        yield Connection(
            client,
            session,
            models.models[model].endpoint,
            address,
            api_key,
            endpoint.timeout_seconds,
            str(client.base_url.join("./")),
            scores_by_writing=endpoint.kind == "embedded",
        )


@cache
def _load_client() -> None:
    """Import the client's modules, and set them apart from what the garbage collector looks through.

    They are some hundred thousand objects that stay until the process ends. Going through them again and again while
    they are loaded, and once more at the end, takes half as long as a cell of a thousand requests.
    """
    gc.disable()
    try:
        import httpx2  # noqa: F401, PLC0415 - comes with openai, which loads slowly
        import openai  # noqa: PLC0415 - loads slowly

        openai.AsyncOpenAI, openai.DefaultAioHttpClient  # noqa: B018 - loaded when they are first named
        if "duckdb" not in sys.modules:  # its binding complains at exit of whatever was set apart
            gc.freeze()
    finally:
        gc.enable()


def _client(endpoint: Endpoint, address: str, api_key: str) -> openai.AsyncOpenAI:
    import httpx2  # noqa: PLC0415 - comes with openai, which loads slowly
    import openai  # noqa: PLC0415 - loads slowly

    timeout = httpx2.Timeout(endpoint.timeout_seconds, connect=min(CONNECT_SECONDS, endpoint.timeout_seconds))
    http = openai.DefaultAioHttpClient(
        timeout=timeout,
        trust_env=endpoint.kind != "embedded",
        # A key goes nowhere but to the configured address; so without TLS there is nothing to load certificates for.
        follow_redirects=False,
        verify=not address.startswith("http://"),
    )
    client = openai.AsyncOpenAI(
        base_url=address,
        api_key=api_key,
        max_retries=0,
        timeout=timeout,
        default_headers=endpoint.headers,
        http_client=http,
    )
    # The client fills these from the environment; only what models.yaml says may go out.
    client.organization, client.project = endpoint.organization, None
    return client


def _session(endpoint: Endpoint, client: openai.AsyncOpenAI) -> aiohttp.ClientSession:
    """Return a session that sends what the client would send."""
    import aiohttp  # noqa: PLC0415 - loads slowly
    import httpx2  # noqa: PLC0415 - comes with openai, which loads slowly

    headers = {**client.auth_headers, **client.default_headers}
    context = httpx2.create_ssl_context() if client.base_url.scheme == "https" else False
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=endpoint.max_in_flight, ssl=context),
        # The client marks headers that are to be left out.
        headers={name: value for name, value in headers.items() if isinstance(value, str)},
        timeout=aiohttp.ClientTimeout(total=None, connect=min(CONNECT_SECONDS, endpoint.timeout_seconds)),
        proxy=None if endpoint.kind == "embedded" else _proxy(client),
    )


def _proxy(client: openai.AsyncOpenAI) -> str | None:
    """Return the environment's proxy for the client's address: looked up once, and not for each request."""
    address = client.base_url
    return None if proxy_bypass(address.host) else getproxies().get(address.scheme)
