"""The rehearsal server can be run by itself, and meets the same requests with the same faults."""

from __future__ import annotations

import subprocess
import sys
import urllib.request

from dagster_project.generation import SilentProgress, answer_cell
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from tests.generation.cells import BATCH, loopback_models, write_prompts


def test_it_runs_from_the_command_line_with_its_behaviour_as_options(lake: Lake) -> None:
    write_prompts(lake, [f"question {number}" for number in range(5)])
    command = [sys.executable, "-m", "dagster_project.loopback.models", "--port", "0", "--no-usage", "--p429", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().split()[3].rstrip(",") if server.stdout else ""
            assert answer_cell(lake, loopback_models(address), "m", BATCH, SilentProgress()).ok == 5
            with urllib.request.urlopen(address.replace("/v1", "/stats")) as stats:  # noqa: S310 - loopback
                assert b'"distinct": 5' in stats.read()
        finally:
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                raise
    assert lake.read("responses")["prompt_tokens"].to_list() == [None] * 5


def test_the_same_requests_meet_the_same_faults(lake: Lake) -> None:
    statuses = []
    for batch in ("b1", "b2"):
        write_prompts(lake, [f"question {number}" for number in range(30)], batch)
        with serve_models(Behaviour(p500=0.2, p400=0.1)) as server:
            answer_cell(Lake(lake.root), loopback_models(server.address, revision=batch), "m", batch, SilentProgress())
            statuses.append(server.stats()["statuses"])
    assert statuses[0] == statuses[1]
