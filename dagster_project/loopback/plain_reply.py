"""Whole JSON replies, written in one go.

aiohttp's own response costs as much time as everything else that is done for a small request.

Belongs here: bytes of HTTP. Does not belong here: what is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

JSON_TYPE = "application/json"
NOTHING: Mapping[str, str] = {}
_FIRST_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {JSON_TYPE}\r\n" for status in HTTPStatus
}


class PlainReply(web.StreamResponse):
    """A reply that is whole; small enough that nobody need wait until a slow client has read it."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str] = NOTHING) -> None:
        super().__init__(status=status)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        self._whole = f"{_FIRST_LINES[status]}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self._stays_open = True

    @property
    def keep_alive(self) -> bool:
        """Whether the connection is for further requests, too."""
        return self._stays_open

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write all of it.

        Raises:
            ConnectionResetError: the client is gone.
        """
        if request.transport is None:
            raise ConnectionResetError("the client is gone")
        self._stays_open = request.keep_alive
        request.transport.write(self._whole)

    async def write_eof(self, data: bytes = b"") -> None:
        """There is nothing left to write."""


def json_reply(status: int, body: Any, headers: Mapping[str, str] = NOTHING) -> PlainReply:
    """Return a value as a whole reply."""
    return PlainReply(status, json.dumps(body).encode(), headers)
