"""A bare aiohttp client, the least that asking takes: `python -m bench.clients.bare ADDRESS BODIES IN_FLIGHT`.

Workers take bodies from a file and write nothing down. 429, 5xx and broken replies are tried again after Retry-After,
or else a backoff, up to 7 times; a worker that waits asks nothing else in the meantime.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import uvloop

from bench.clients.tally import Tally

MOST_TRIES = 8
_HEADERS = {"Content-Type": "application/json"}


async def _ask_all(address: str, bodies: Path, in_flight: int) -> Tally:
    tally = Tally()
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=_HEADERS) as session:
        with bodies.open("rb") as lines:
            await asyncio.gather(
                *(_work(session, f"{address}/chat/completions", lines, tally) for _ in range(in_flight))
            )
    return tally


async def _work(session: aiohttp.ClientSession, url: str, bodies: Iterator[bytes], tally: Tally) -> None:
    for body in bodies:
        for number in range(MOST_TRIES):
            wait = await _try(session, url, body, tally)
            if wait is None:
                break
            if number + 1 < MOST_TRIES:
                await asyncio.sleep(wait or min(8.0, 0.5 * 2.0**number))
        else:
            tally.lost += 1


async def _try(session: aiohttp.ClientSession, url: str, body: bytes, tally: Tally) -> float | None:
    """Return how long to wait before the next try, 0 for a backoff; None if there need be none."""
    try:
        async with session.post(url, data=body) as reply:
            content = await reply.read()
            if reply.status == 200:
                json.loads(content)["choices"][0]["message"]["content"]
                tally.ok += 1
                return None
            if reply.status != 429 and reply.status < 500:
                tally.refused += 1
                return None
            return float(reply.headers.get("Retry-After", 0))
    except (aiohttp.ClientError, TimeoutError, ValueError, LookupError):
        return 0.0


if __name__ == "__main__":
    uvloop.run(_ask_all(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))).tell()
