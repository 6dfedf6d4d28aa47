"""Replies that nobody asked for: a connection that brings one between two requests is not used for the next.

Where a server, or a proxy before it, replies twice or tells an idle connection that its time is up, that reply would
otherwise be taken for the one to the next request, and so an answer be filed under another prompt. Belongs here:
noticing it before anything is sent. Does not belong here: what is sent, and when.
"""

from __future__ import annotations

import aiohttp
from aiohttp.connector import Connection


class StrayReplyError(aiohttp.ClientConnectionError):
    """The connection holds a reply to nothing; it is closed, and the request has not been sent."""


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
