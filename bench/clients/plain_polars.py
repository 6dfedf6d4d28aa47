"""Reads a JSON Lines file as polars does it: `python -m bench.clients.plain_polars FILE`."""

from __future__ import annotations

import sys

import polars as pl

if __name__ == "__main__":
    print(pl.read_ndjson(sys.argv[1]).height)
