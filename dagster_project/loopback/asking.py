"""One request by HTTP, from its body to its reply: limits, latency, and faults of servers and connections.

Belongs here: the order in which a request meets what can happen to it. Does not belong here: what is said (`rules`).
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Mapping
from email.utils import formatdate

from aiohttp import web

from dagster_project.loopback.behaviour import Behaviour
from dagster_project.loopback.counters import Body, Counters
from dagster_project.loopback.limits import Limits
from dagster_project.loopback.plain_reply import JSON_TYPE, NOTHING, PlainReply, json_reply
from dagster_project.loopback.rules import Asked, Said, answer, broken, error, read_request, refused, tokens_of

_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in to go on</h1></body></html>\n"
_BROKEN_OFF = b'{"choices": [{"index": 0, "message": {"role": "assis'
_TOO_MUCH = {
    "requests": "too many requests",
    "tokens": "too much text: the tokens of this minute are used up",
    "in_flight": "too many requests at once",
}


def wrong_key(behaviour: Behaviour, request: web.BaseRequest) -> Said | None:
    """Return what somebody hears whose key is not let in."""
    given = request.headers.get("Authorization", "")
    if behaviour.api_key is None or given == f"Bearer {behaviour.api_key}":
        return None
    return error(401, f"Incorrect API key provided: {given.removeprefix('Bearer ')}", "invalid_api_key")


class Asking:
    """Answers requests to one server, and counts them."""

    def __init__(self, behaviour: Behaviour, counters: Counters) -> None:
        self._counters = counters
        self._at_work = 0
        self._clock = asyncio.get_running_loop().time
        self._behaviour = behaviour
        self._limits = Limits(behaviour)

    def behave(self, behaviour: Behaviour) -> None:
        """Take on a behaviour; caps that stay the same keep what was taken from them."""
        if not self._limits.are_those_of(behaviour):
            self._limits = Limits(behaviour)
        self._behaviour = behaviour

    async def reply(self, endpoint: str, request: web.BaseRequest) -> web.StreamResponse:
        """Return the reply to one request."""
        arrived = self._clock()
        self._counters.enter()
        try:
            asked = _read(endpoint, await request.read())
            if isinstance(asked, Said):
                return self._say("", asked)
            return await self._respond(request, asked, arrived)
        finally:
            self._counters.leave()

    async def _respond(self, request: web.BaseRequest, asked: Asked, arrived: float) -> web.StreamResponse:
        number = self._counters.one_more_try(asked.model, asked.digest)
        if self._behaviour.remember:
            self._counters.seen.append(asked.body)
        if refusal := wrong_key(self._behaviour, request):
            return self._say(asked.model, refusal)
        if cap := self._over(asked):
            if self._behaviour.late_429:
                await self._wait(asked, arrived + self._behaviour.latency)
            return self._throttled(asked, cap)
        if refusal := refused(self._behaviour, asked):
            return self._say(asked.model, refusal)
        self._at_work += 1
        try:
            return await self._work(request, asked, number, arrived)
        finally:
            self._at_work -= 1

    async def _work(self, request: web.BaseRequest, asked: Asked, number: int, arrived: float) -> web.StreamResponse:
        behaviour = self._behaviour
        if behaviour.drawn("hang", behaviour.p_hang, asked.digest, number):
            self._counters.ended(asked.model, "hang")
            await asyncio.get_running_loop().create_future()
        slow = behaviour.drawn("slow", behaviour.p_slow, asked.digest, number)
        await self._wait(asked, arrived + (behaviour.slow_seconds if slow else behaviour.latency))
        if behaviour.drawn("429", behaviour.p429, asked.digest, number):
            return self._throttled(asked, "requests")
        if failure := broken(behaviour, asked, number):
            return self._say(asked.model, failure)
        reply = answer(behaviour, asked)
        if fault := _fault_of_wire(behaviour, asked, number):
            self._counters.ended(asked.model, fault)
            return await _send_badly(request, fault, reply)
        return self._say(asked.model, Said(200, reply))

    def _over(self, asked: Asked) -> str | None:
        """Return the limit that this request goes beyond."""
        most = self._behaviour.max_in_flight
        if most is not None and self._at_work >= most:
            return "in_flight"
        tokens = tokens_of(self._behaviour, asked) if self._limits.counts_tokens else 0
        return self._limits.admit(self._clock(), tokens)

    async def _wait(self, asked: Asked, until: float) -> None:
        seconds = until - self._clock()
        if seconds <= 0:
            return
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self._counters.ended(asked.model, "gone")
            raise

    def _throttled(self, asked: Asked, cap: str) -> PlainReply:
        said = error(429, _TOO_MUCH[cap], "rate_limit_exceeded", "tokens" if cap == "tokens" else "requests")
        return self._say(asked.model, said, _retry_after(self._behaviour))

    def _say(self, model: str, said: Said, headers: Mapping[str, str] = NOTHING) -> PlainReply:
        self._counters.ended(model, str(said.status))
        if self._behaviour.rate_headers:
            headers = {**headers, **self._limits.headers(self._clock())}
        return json_reply(said.status, said.body, headers)


def _read(endpoint: str, raw: bytes) -> Asked | Said:
    try:
        return read_request(endpoint, json.loads(raw))
    except ValueError:
        return error(400, "the body is no JSON", "invalid_request_error")


def _retry_after(behaviour: Behaviour) -> Mapping[str, str]:
    seconds = behaviour.retry_after
    if seconds is None:
        return NOTHING
    if behaviour.retry_after_date:
        return {"Retry-After": formatdate(math.ceil(time.time() + seconds), usegmt=True)}
    return {"Retry-After": f"{seconds:g}"}


def _fault_of_wire(behaviour: Behaviour, asked: Asked, number: int) -> str | None:
    shares = (
        ("truncated", behaviour.p_truncated),
        ("garbage", behaviour.p_garbage),
        ("reset", behaviour.p_reset),
        ("drop", behaviour.p_drop),
    )
    for fault, share in shares:
        if behaviour.drawn(fault, share, asked.digest, number):
            return fault
    return None


async def _send_badly(request: web.BaseRequest, fault: str, reply: Body) -> web.StreamResponse:
    if fault == "truncated":
        return web.Response(body=_BROKEN_OFF, content_type=JSON_TYPE)
    if fault == "garbage":
        return web.Response(body=_PAGE, content_type="text/html")
    if fault == "drop":
        return await _half(request, json.dumps(reply).encode())
    if request.transport:
        request.transport.abort()
    return web.Response()


async def _half(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Announce a whole body, send half of it, and close the connection."""
    response = web.StreamResponse(headers={"Content-Type": JSON_TYPE, "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport:
        request.transport.close()
    return response
