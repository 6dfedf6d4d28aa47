"""One connection to an endpoint: the lean path of the many requests, and the `openai` package's client for the few.

Both go to the same address with the same headers, so whoever knows how to configure that client knows models.yaml. Its
typed models cost five times as much processor time a call as aiohttp, its HTTP client twice, and loading it as much as
a thousand calls: so requests for answers go past it, over the library that its own fast transport rides on.

Belongs here: addresses, keys, headers, and turning the HTTP client's exceptions into outcomes. Does not belong here:
when to ask, and whether to try again.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic_core import to_json

from dagster_project import __version__
from dagster_project.errors import SteerworksError
from dagster_project.generation.embedded import embedded_server
from dagster_project.generation.embedded_likelihood import (
    TOKENIZE,
    read_tokens,
    read_written,
    tokenize_body,
    writing_body,
)
from dagster_project.generation.endpoint_secrets import Secrets, secrets_of
from dagster_project.generation.limits.rate_headers import NO_LIMITS, RateLimits, read_limits
from dagster_project.generation.replies import Answered, Dead, Fault, Outcome, Refused, read_reply
from dagster_project.generation.requests import COMPLETIONS, Request
from dagster_project.lazily import loading
from dagster_project.settings import Endpoint, ModelsFile

if TYPE_CHECKING:
    import aiohttp
    import openai
    from multidict import CIMultiDict

CONNECT_SECONDS = 10.0
MOST_OPEN_FILES, OTHER_OPEN_FILES = 1 << 16, 128
"""Of this process: what it allows itself at most, and what it has open beside its connections."""
OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""The interpreter's own 700 are there again after ten requests."""
LONGEST_HEADER_BYTES = 1 << 17
"""Of a reply. Some proxies add more than the client takes by itself, and the answer is paid for by then."""
UNTRUSTED = "shows a certificate that is not trusted here (a file of those to trust is named by SSL_CERT_FILE)"
NO_KEY = "no-key-needed"
"""Sent to endpoints that need no key: given none, the client would send the user's OPENAI_API_KEY to a stranger."""


@dataclass(frozen=True)
class Connection:
    """An open connection to an endpoint: its name, its settings, its address without a slash at the end, and its key.

    ``secrets`` are the key and whatever else its words may not repeat; ``session`` carries the
    requests; ``client`` is the `openai` package's, for its Batch API.
    """

    name: str
    endpoint: Endpoint
    address: str
    api_key: str = field(repr=False)
    secrets: Secrets = field(repr=False)
    session: aiohttp.ClientSession = field(repr=False)

    @cached_property
    def client(self) -> openai.AsyncOpenAI:
        """The `openai` package's client for the same endpoint, opened when it is first asked for."""
        return _client(self.endpoint, self.address, self.api_key)

    async def close(self) -> None:
        """Close the client if it was opened; the session is its opener's."""
        if "client" in vars(self):
            await self.client.close()

    async def send(self, request: Request) -> tuple[Outcome, RateLimits]:
        """Send one request, once, and read what comes back. No secret is part of an outcome."""
        import aiohttp  # noqa: PLC0415 - loads slowly

        try:
            async with asyncio.timeout(self.endpoint.timeout_seconds):
                if self.endpoint.kind == "embedded" and request.route == COMPLETIONS:
                    return await self._score(request)
                return await self._exchange(f"{self.address}/{request.route}", request.body, request.read)
        except aiohttp.ClientConnectorCertificateError as error:
            return Dead(UNTRUSTED, str(error.certificate_error)), NO_LIMITS
        except aiohttp.ClientError as error:
            return self._broken(error), NO_LIMITS
        except TimeoutError:
            words = f"no answer within {self.endpoint.timeout_seconds:g} seconds"
            return Fault("timeout", words, replied=False, may_cost=True), NO_LIMITS

    async def _score(self, request: Request) -> tuple[Outcome, RateLimits]:
        """Have the embedded server, which knows the likelihood only of what it writes, write the text in question."""
        tokens: list[int] = []

        def read(body: bytes) -> Outcome:
            tokens.extend(read_tokens(body))
            return Answered("", None)

        told, limits = await self._exchange(self.address.removesuffix("v1") + TOKENIZE, tokenize_body(request), read)
        if not isinstance(told, Answered):
            return told, limits
        if not tokens:
            return Refused("no_logprobs", "no tokens were told of the text"), limits
        body = writing_body(request, tokens)
        return await self._exchange(f"{self.address}/{request.route}", body, lambda reply: read_written(reply, tokens))

    async def _exchange(
        self, url: str, body: Mapping[str, Any], read: Callable[[bytes], Outcome]
    ) -> tuple[Outcome, RateLimits]:
        status, headers, content = await self._post(url, to_json(body))
        return read_reply(status, content, headers, self.secrets, read), read_limits(headers)

    async def _post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        from dagster_project.generation.clean_replies import StrayReplyError, read_body  # noqa: PLC0415 - loads slowly

        while True:
            try:
                async with self.session.post(url, data=body, allow_redirects=False) as reply:
                    return reply.status, reply.headers, await read_body(reply)
            except StrayReplyError:
                continue  # that connection is closed now, and the request was not sent

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
        return Fault(reason, self.secrets.masked(words), replied=replied, may_cost=not unconnected)


@asynccontextmanager
async def connect(models: ModelsFile, model: str) -> AsyncIterator[Connection]:
    """Open a connection to a model's endpoint; the embedded one is started if it does not run yet.

    Raises:
        SteerworksError: the key is not in the environment, its proxy cannot be used, the embedded model is not
            installed, or the process may not open as many files as there are places in flight.
    """
    endpoint, proxy = models.endpoint_of(model), None
    if endpoint.kind == "embedded":
        server = await asyncio.to_thread(embedded_server, endpoint.max_in_flight, endpoint.serves)
        address, api_key = server.base_url, server.api_key
        secrets = secrets_of(endpoint, api_key)
    else:
        address, key = (endpoint.base_url or "").rstrip("/"), models.api_key_of(model)
        api_key, proxy = key or NO_KEY, _proxy(address)
        secrets = secrets_of(endpoint, key, proxy)
    async with _session(endpoint, address, api_key, proxy) as session:
        connection = Connection(models.models[model].endpoint, endpoint, address, api_key, secrets, session)
        try:
            yield connection
        finally:
            await connection.close()


def _session(endpoint: Endpoint, address: str, api_key: str, proxy: str | None) -> aiohttp.ClientSession:
    with loading():
        import aiohttp  # noqa: PLC0415 - loads slowly

        from dagster_project.generation.clean_replies import CleanRequest  # noqa: PLC0415 - loads slowly

    _spare_the_garbage_collector()
    _allow_open_files(endpoint.max_in_flight)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=endpoint.max_in_flight, ssl=_certificates(address)),
        headers=_headers(endpoint, api_key),
        timeout=aiohttp.ClientTimeout(total=None, connect=min(CONNECT_SECONDS, endpoint.timeout_seconds)),
        proxy=proxy,
        request_class=CleanRequest,
        max_line_size=LONGEST_HEADER_BYTES,
        max_field_size=LONGEST_HEADER_BYTES,
    )


def _headers(endpoint: Endpoint, api_key: str) -> CIMultiDict[str]:
    """Return what the client would send, but for what it says about itself. Those of models.yaml come last."""
    from multidict import CIMultiDict  # noqa: PLC0415 - comes with aiohttp, which loads slowly

    headers = CIMultiDict(
        {
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": f"steerworks/{__version__}",
        }
    )
    if endpoint.organization:
        headers["OpenAI-Organization"] = endpoint.organization
    headers.update(endpoint.headers)
    return headers


def _proxy(address: str) -> str | None:
    """Return the environment's proxy for an address: looked up once, and not for each request."""
    parts = urlsplit(address)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise SteerworksError(
            f"the variable {parts.scheme}_proxy of the environment names a proxy that is none of HTTP, which {address} "
            "cannot be asked through. Name another, or exempt the host in no_proxy."
        )
    return proxy


def _certificates(address: str) -> ssl.SSLContext | bool:
    """Return those that the client trusts: the operating system's. Without TLS there is nothing to load them for."""
    if not address.startswith("https://"):
        return False
    import httpx2  # noqa: PLC0415 - comes with openai, and loads slowly

    return httpx2.create_ssl_context()


def _spare_the_garbage_collector() -> None:
    """Have it look less often, and not at the modules: a hundred thousand objects that stay until the process ends.

    What asking makes has no cycles but after faults, so it finds hardly anything.
    """
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    if "duckdb" not in sys.modules:  # its binding complains at exit of whatever was set apart
        gc.freeze()


def _allow_open_files(max_in_flight: int) -> None:
    """Let the process have a file for each place in flight: many systems begin with 1,024, and allow far more."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = MOST_OPEN_FILES if most == resource.RLIM_INFINITY else min(MOST_OPEN_FILES, most)
    if resource.RLIM_INFINITY != allowed < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))
    if enough < max_in_flight + OTHER_OPEN_FILES:
        raise SteerworksError(
            f"a process may open {enough} files here, which is too few for `max_in_flight` {max_in_flight} in "
            f"models.yaml and {OTHER_OPEN_FILES} others. Lower it, or allow more (`ulimit -Hn`)."
        )


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
