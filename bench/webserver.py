"""The Dagster UI on a home, and the queries that its page of an asset's partitions sends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.processes import PROJECT_ROOT, environment
from bench.steerworks import SCRIPTS, home_environment

START_SECONDS = 120.0
ASSET = {"path": ["responses"]}
HEALTH = """
query PartitionHealthQuery($assetKey: AssetKeyInput!) {
  assetNodeOrError(assetKey: $assetKey) {
    ... on AssetNode {
      id
      partitionKeysByDimension { name type partitionKeys }
      assetPartitionStatuses {
        ... on DefaultPartitionStatuses { materializedPartitions materializingPartitions failedPartitions }
        ... on MultiPartitionStatuses {
          primaryDimensionName
          ranges {
            primaryDimStartKey primaryDimEndKey
            secondaryDim {
              ... on DefaultPartitionStatuses { materializedPartitions materializingPartitions failedPartitions }
            }
          }
        }
      }
    }
  }
}
"""
STATS = """
query AssetGraphLiveQuery($assetKey: AssetKeyInput!) {
  assetNodes(assetKeys: [$assetKey], loadMaterializations: true) {
    id
    partitionStats { numMaterialized numMaterializing numPartitions numFailed }
  }
}
"""
DETAIL = """
query AssetPartitionDetailQuery($assetKey: AssetKeyInput!, $partitionKey: String!) {
  assetOrError(assetKey: $assetKey) {
    ... on Asset {
      id
      definition { id latestRunForPartition(partition: $partitionKey) { id status endTime } }
      assetEventHistory(partitions: [$partitionKey], limit: 1000, eventTypeSelectors: [MATERIALIZATION]) {
        results { ... on MaterializationEvent { runId timestamp metadataEntries { label } } }
      }
    }
  }
}
"""
"""The queries are those of the UI, by the names that it gives them, without the parts for dates."""


def partitions_page(home: Path, cell: str) -> dict[str, float]:
    """Return seconds to open the page of `responses`, the first time and again, and then one cell on it.

    ``page cells`` is how many cells the page shows as materialised.
    """
    with _webserver(home) as address:
        cold, shown = _opened(address)
        warm, _ = _opened(address)
        began = time.perf_counter()
        _answer(address, DETAIL, {"partitionKey": cell})
        detail = time.perf_counter() - began
    return {"page cold": cold, "page warm": warm, "cell": detail, "page cells": shown}


def _opened(address: str) -> tuple[float, int]:
    """Return how long the page's queries took, and the number of materialised partitions."""
    began = time.perf_counter()
    _answer(address, HEALTH)
    nodes = _answer(address, STATS)["assetNodes"]
    return time.perf_counter() - began, nodes[0]["partitionStats"]["numMaterialized"]


def _answer(address: str, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": {"assetKey": ASSET, **(variables or {})}}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310 - loopback
        answer: dict[str, Any] = json.load(reply)
    if "errors" in answer:
        raise RuntimeError(f"the UI's query failed: {answer['errors']}")
    data: dict[str, Any] = answer["data"]
    return data


@contextmanager
def _webserver(home: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [str(SCRIPTS / "dagster-webserver"), "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=PROJECT_ROOT,
        env=environment(home_environment(home)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_up(process, address)
        yield address
    finally:
        # The group is the webserver's own: it holds the code server that it started.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the Dagster webserver did not come up")
