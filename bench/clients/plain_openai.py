"""The `openai` client as it comes: `python -m bench.clients.plain_openai ADDRESS BODIES IN_FLIGHT`.

What a user would write instead of Steerworks: the client tries again by itself, and nothing is written down.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import openai

from bench.clients.tally import Tally

MOST_RETRIES = 7


async def _ask_all(address: str, bodies: Path, in_flight: int) -> Tally:
    tally = Tally()
    async with openai.AsyncOpenAI(base_url=address, api_key="no-key-needed", max_retries=MOST_RETRIES) as client:
        with bodies.open("rb") as lines:
            await asyncio.gather(*(_work(client, lines, tally) for _ in range(in_flight)))
    return tally


async def _work(client: openai.AsyncOpenAI, bodies: Iterator[bytes], tally: Tally) -> None:
    for body in bodies:
        try:
            await client.chat.completions.create(**json.loads(body))
            tally.ok += 1
        except openai.BadRequestError:
            tally.refused += 1
        except (openai.OpenAIError, ValueError):
            tally.lost += 1


if __name__ == "__main__":
    asyncio.run(_ask_all(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))).tell()
