"""One connection to an endpoint: the client that the `openai` package gives, and what comes back through it.

Belongs here: addresses, keys, headers, and turning the client's exceptions into outcomes. Does
not belong here: when to ask, and whether to try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagster_project.generation.embedded import embedded_server
from dagster_project.generation.replies import Fault, Outcome, read_answer, read_status
from dagster_project.settings import Endpoint, ModelsFile

if TYPE_CHECKING:
    import openai

CONNECT_SECONDS = 10.0
NO_KEY = "no-key-needed"
"""Sent to endpoints that need no key: given none, the client would send the user's OPENAI_API_KEY to a stranger."""


@dataclass(frozen=True)
class Connection:
    """An open connection to the endpoint of one model."""

    client: openai.AsyncOpenAI
    name: str
    address: str
    api_key: str = field(repr=False)
    timeout_seconds: float

    async def send(self, body: dict[str, Any]) -> Outcome:
        """Send one request, once, and read what comes back. The key is never part of an outcome."""
        import httpx2  # noqa: PLC0415 - comes with openai, which loads slowly
        import openai  # noqa: PLC0415 - loads slowly

        try:
            async with asyncio.timeout(self.timeout_seconds):
                reply = await self.client.post("/chat/completions", body=body, cast_to=httpx2.Response)
            return read_answer(reply.content)
        except openai.APIStatusError as error:
            # Some servers repeat the key in their error messages; it must reach no file and no screen.
            words = error.response.content.replace(self.api_key.encode(), b"***")
            return read_status(error.status_code, words, error.response.headers)
        except TimeoutError:
            return Fault("timeout", f"no answer within {self.timeout_seconds:g} seconds", replied=False)
        except openai.APIConnectionError as error:
            return self._broken(error)

    def _broken(self, error: openai.APIConnectionError) -> Fault:
        """Name the first cause: the client's own classes call a reset connection a timeout."""
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = "timeout" if isinstance(cause, TimeoutError) else "connection"
        words = str(cause) or type(cause).__name__
        return Fault(reason, words.replace(self.api_key, "***"), replied=False)


@asynccontextmanager
async def connect(models: ModelsFile, model: str) -> AsyncIterator[Connection]:
    """Open a connection to a model's endpoint; the embedded one is started if it does not run yet.

    Raises:
        SteerworksError: the key is not in the environment, or the embedded model is not installed.
    """
    endpoint = models.endpoint_of(model)
    if endpoint.kind == "embedded":
        server = await asyncio.to_thread(embedded_server, endpoint.max_in_flight)
        address, api_key = server.base_url, server.api_key
    else:
        address, api_key = endpoint.base_url or "", models.api_key_of(model) or NO_KEY
    async with _client(endpoint, address, api_key) as client:
        yield Connection(client, models.models[model].endpoint, address, api_key, endpoint.timeout_seconds)


def _client(endpoint: Endpoint, address: str, api_key: str) -> openai.AsyncOpenAI:
    import httpx2  # noqa: PLC0415 - comes with openai, which loads slowly
    import openai  # noqa: PLC0415 - loads slowly

    timeout = httpx2.Timeout(endpoint.timeout_seconds, connect=min(CONNECT_SECONDS, endpoint.timeout_seconds))
    limits = httpx2.Limits(max_connections=endpoint.max_in_flight, max_keepalive_connections=endpoint.max_in_flight)
    client = openai.AsyncOpenAI(
        base_url=address,
        api_key=api_key,
        max_retries=0,
        timeout=timeout,
        default_headers=endpoint.headers,
        http_client=openai.DefaultAioHttpClient(timeout=timeout, limits=limits, trust_env=endpoint.kind != "embedded"),
    )
    # The client fills these from the environment; only what models.yaml says may go out.
    client.organization, client.project = endpoint.organization, None
    return client
