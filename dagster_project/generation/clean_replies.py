"""Replies as they must be for an answer to be filed under its prompt: asked for, and with an end.

Where a server, or a proxy before it, replies twice or tells an idle connection that its time is up, that reply would
otherwise be taken for the one to the next request; and one that never ends would take all memory. Belongs here:
noticing either. Does not belong here: what is sent, and when, and what a reply says.
"""

from __future__ import annotations

import aiohttp
from aiohttp.connector import Connection

LONGEST_REPLY_BYTES = 32 << 20
"""Of a body, unpacked: no model writes as much."""


class StrayReplyError(aiohttp.ClientConnectionError):
    """The connection holds a reply to nothing; it is closed, and the request has not been sent."""


class EndlessReplyError(aiohttp.ClientPayloadError):
    """A body goes on beyond all measure; its connection is closed."""


class CleanRequest(aiohttp.ClientRequest):
    """A request that goes out only on a connection on which nothing waits to be read."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Write the request to a connection.

        Raises:
            StrayReplyError: a reply is there before the request was sent.
        """
        if conn.protocol is not None and conn.protocol.should_close:
            raise StrayReplyError
        return await super().send(conn)


async def read_body(reply: aiohttp.ClientResponse) -> bytes:
    """Read a reply to its end.

    Raises:
        EndlessReplyError: it is longer than any answer.
    """
    parts, size = [], 0
    async for part in reply.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LONGEST_REPLY_BYTES:
            reply.close()
            raise EndlessReplyError(f"a reply has no end, or one beyond {LONGEST_REPLY_BYTES >> 20} MB")
    return b"".join(parts)
