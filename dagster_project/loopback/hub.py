"""A Hub that keeps data sets in memory and misbehaves on purpose.

    python -m dagster_project.loopback.hub --port 8001 --token secret --fault "commit lost 1"

Clients find it by ``HF_ENDPOINT``, or by ``endpoint`` in ``config/publishing.yaml``, and want ``HF_HUB_DISABLE_XET=1``:
it takes large files as LFS does. ``GET /stats`` counts requests by what they are for.

Belongs here: the server, who may ask, and its faults. Does not belong here: what it answers (`hub_api`), or how
Steerworks copes with it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aiohttp import web

from dagster_project.loopback.hub_api import Handler, HubApi, Route, error, name_of
from dagster_project.loopback.hub_store import Repository

_LARGEST_BODY = 2**30
FAULTS = ("429", "500", "cut", "lost", "hang")


class LoopbackHub:
    """The server, as an asynchronous context manager; `serve_hub` runs it in a thread.

    Args:
        token: the only one that may write, or see what is private.
        faults: such as ``commit lost 2``: what a request is for, what goes wrong with it, how often. ``lost`` does what
            was asked and then cuts the connection; ``cut`` does not do it; ``hang`` does not answer.
        port: 0 takes any that is free.
    """

    def __init__(self, token: str = "hf_rehearsal", faults: Sequence[str] = (), port: int = 0) -> None:  # noqa: S107
        self.token = token
        self.port = port
        self.requests: Counter[str] = Counter()
        self.repositories: dict[str, Repository] = {}
        self.faults: dict[tuple[str, str], int] = {}
        self._api = HubApi(self.repositories, lambda: self.address)
        for fault in faults:
            self.misbehave(fault)

    @property
    def address(self) -> str:
        """The ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self.port}"

    def misbehave(self, fault: str) -> None:
        """Let something go wrong with the next requests of a kind; see `LoopbackHub`.

        Raises:
            ValueError: there is no such fault.
        """
        purpose, kind, *times = fault.split()
        if kind not in FAULTS:
            raise ValueError(f"no such fault: {kind}; there are {', '.join(FAULTS)}")
        self.faults[purpose, kind] = int(times[0]) if times else 1

    async def __aenter__(self) -> LoopbackHub:
        app = web.Application(middlewares=[self._meet], client_max_size=_LARGEST_BODY)
        routes: list[Route] = [*self._api.routes(), ("GET", "/stats", "stats", self._stats)]
        self._purposes: dict[str, str] = {}
        for method, path, purpose, handler in routes:
            resource = app.router.add_route(method, path, handler).resource
            self._purposes[resource.canonical if resource else path] = purpose
            if purpose == "resolve":
                app.router.add_route("HEAD", path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request meet its faults, and see whether it may be heard at all."""
        resource = request.match_info.route.resource
        purpose = self._purposes.get(resource.canonical if resource else "", "unknown")
        self.requests[purpose] += 1
        kind = next((kind for kind in FAULTS if self.faults.get((purpose, kind), 0) > 0), None)
        if kind:
            self.faults[purpose, kind] -= 1
            return await self._fail(request, handler, kind)
        if refusal := self._refusal(request, purpose):
            return refusal
        return await handler(request)

    async def _fail(self, request: web.Request, handler: Handler, kind: str) -> web.StreamResponse:
        if kind == "hang":
            await asyncio.get_running_loop().create_future()
        if kind in ("429", "500"):
            headers = {"Retry-After": "0"} if kind == "429" else {}
            return web.Response(status=int(kind), text=f"<html>sorry, {_given(request)}</html>", headers=headers)
        if kind == "lost":
            await handler(request)
        if request.transport:
            request.transport.abort()
        return web.Response()

    def _refusal(self, request: web.Request, purpose: str) -> web.StreamResponse | None:
        """Return what somebody hears who may not do this, or asks for what is not there.

        The words quote what was given as a token, as careless servers do.
        """
        given = _given(request)
        if given and given != self.token:
            return error(401, f"Invalid credentials in Authorization header: {given}")
        name = name_of(request)
        if purpose in ("upload", "stats", "validate") or (not name and given):
            return None
        repository = self.repositories.get(name)
        if repository is None or (repository.private and not given):
            return error(404, f"Repository not found, {given}", "RepoNotFound")
        is_writing = request.method not in ("GET", "HEAD") and purpose != "paths"
        return error(401, "log in to write") if is_writing and not given else None

    async def _stats(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(dict(sorted(self.requests.items())))


def _given(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


@contextmanager
def serve_hub(token: str = "hf_rehearsal", faults: Sequence[str] = ()) -> Iterator[LoopbackHub]:  # noqa: S107
    """Run the server in a thread of this process for as long as the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loopback-hub", daemon=True)
    thread.start()
    hub = LoopbackHub(token, faults)
    try:
        asyncio.run_coroutine_threadsafe(hub.__aenter__(), loop).result()
        try:
            yield hub
        finally:
            asyncio.run_coroutine_threadsafe(hub.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A Hub for rehearsals: keeps data sets in memory, fails on purpose.")
    parser.add_argument("--port", type=int, default=8001, help="0 takes any that is free")
    parser.add_argument("--token", default="hf_rehearsal", help="the only one that may write")
    parser.add_argument("--fault", action="append", default=[], help="such as `commit lost 1`; may be repeated")
    options = parser.parse_args(arguments)

    async def serve() -> None:
        async with LoopbackHub(options.token, options.fault, options.port) as hub:
            sys.stdout.write(f"simulated Hub at {hub.address}, counters at {hub.address}/stats\n")
            sys.stdout.flush()
            await asyncio.get_running_loop().create_future()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        sys.stdout.write("stopped\n")


if __name__ == "__main__":
    main()
