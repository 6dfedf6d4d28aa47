"""The benchmark at a small size: what it reports is what the server counted and what lies in the lake."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.cases import CASES
from bench.figures import Limit, Row, typical
from bench.processes import python
from bench.run import Run, ask, audited, configure, prepare, steerworks_client
from bench.server import serve
from bench.workload import Workload
from dagster_project.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow


def bench(folder: Path, *arguments: str) -> dict[str, dict]:
    """Run the command; return its rows by case."""
    results = folder / "results.json"
    command = python("bench", "--results", str(results), "--markdown", str(folder / "table.md"), *arguments)
    finished = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    rows = json.loads(results.read_text())["rows"]
    assert all(row["case"] in finished.stdout for row in rows)
    return {row["case"]: row for row in rows}


def test_a_small_run_reports_what_was_sent_and_that_nothing_is_lost_or_stale(tmp_path: Path) -> None:
    rows = bench(tmp_path, "--scale", "0.05", "refused", "again")
    refused = rows["1% refused with 400"]
    assert refused["reached"] is True
    assert (refused["ours"]["sent"], refused["ours"]["re-sent"]) == (100, 0)
    assert refused["ours"]["ok"] + refused["ours"]["refused"] == 100
    assert refused["others"]["bare"]["sent"] == 100
    assert 0 < refused["ours"]["first"] < refused["ours"]["wall"]
    sent = {case: row["ours"]["sent"] for case, row in rows.items() if case.startswith("again")}
    assert list(sent.values()) == [0, 1, 10, 101]
    assert all(row["ours"]["lost"] == row["ours"]["stale"] == 0 for row in rows.values())
    assert "| again, 1 prompt added |" in (tmp_path / "table.md").read_text()


def test_figures_of_a_client_are_the_counters_of_its_server(tmp_path: Path) -> None:
    workload, run = Workload(60), Run(tmp_path)
    bodies = run.prepared(workload) / "bodies.jsonl"
    with serve({"p429": 0.2, "retry_after": 0.1, "p400": 0.1}) as server:
        asked = ask(server, python("bench.clients.bare", server.address, str(bodies), "8"))
        counted = server.counters()
    told = json.loads(asked.finished.output)
    assert (told["ok"], told["refused"], told["lost"]) == (counted.statuses["200"], counted.statuses["400"], 0)
    assert counted.statuses["429"] == asked.figures["429s"] > 0
    assert asked.figures["sent"] == counted.requests == 60 + counted.statuses["429"]
    assert asked.figures["re-sent"] == 0
    assert 0 < asked.finished.cpu < asked.finished.wall * 2


def test_answers_to_edited_prompts_are_stale_and_answers_that_are_missing_are_lost(tmp_path: Path) -> None:
    answered, wanted = Workload(20), Workload(25, edited=3)
    folder = Run(tmp_path).fresh(answered)
    with serve({}) as server:
        configure(folder, answered, server, in_flight=8)
        assert ask(server, steerworks_client(folder, answered)).finished.problem == ""
    assert audited(folder, answered) == {"ok": 20, "refused": 0, "lost": 0, "stale": 0}
    prepare(folder, wanted)
    assert audited(folder, wanted) == {"ok": 17, "refused": 0, "lost": 5, "stale": 3}


def test_a_program_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    workload = Workload(20)
    folder = Run(tmp_path).fresh(workload)
    with serve({}) as server:
        configure(folder, workload, server, in_flight=8)
        asked = ask(server, [*steerworks_client(folder, workload)[:-1], "no-such-batch"])
    assert "no-such-batch" in asked.finished.problem
    assert Row("x", audited(folder, workload), problem=asked.finished.problem).broken


def test_targets_of_time_are_judged_at_full_size_only_and_a_loss_at_any() -> None:
    slow = Row("x", {"wall": 9.0, "lost": 0}, limits=(Limit("wall", 4.5),))
    assert (slow.reached(scale=1), slow.reached(scale=0.1)) == (False, None)
    assert Row("x", {"wall": 1.0, "lost": 1}, limits=(Limit("wall", 4.5),)).reached(scale=0.1) is False


def test_of_repetitions_the_median_time_counts_and_the_worst_loss() -> None:
    rows = [Row("x", {"wall": wall, "lost": lost}) for wall, lost in ((1.0, 0), (5.0, 2), (2.0, 0))]
    assert typical(rows).ours == {"wall": 2.0, "lost": 2}


@pytest.mark.parametrize(("lost", "code"), [(1, 1), (0, 0)])
def test_the_exit_code_tells_a_loss_and_forgives_a_missed_target(
    lost: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("x", {"wall": 9.0, "lost": lost}, limits=(Limit("wall", 4.5),))
    monkeypatch.setitem(CASES, "x", lambda run: iter([row]))
    assert main(["x", "--results", str(tmp_path / "results.json")]) == code
    assert json.loads((tmp_path / "results.json").read_text())["rows"][0]["reached"] is False


def test_curation_finds_what_was_planted_and_leaves_fresh_prompts_in(tmp_path: Path) -> None:
    rows = bench(tmp_path, "--scale", "0.01", "prompts")
    largest = rows["prompts, 10,000"]
    assert largest["ours"]["wrongly out"] <= 0.01
    assert largest["ours"]["missed"] <= 0.15
    assert largest["ours"]["together"] < 1024
    assert rows["prompts, 1,000"]["others"]["datasketch"]["near-duplicates"] > 50


def test_a_release_is_measured_beside_a_copy_of_its_parquet(tmp_path: Path) -> None:
    rows = bench(tmp_path, "--scale", "0.0001", "release")
    assert all(not row["problem"] for row in rows.values())
    full, alone = rows["release, 100 responses"]["ours"], rows["no exports, 100"]["ours"]
    assert 0 < full["rows"] <= 100
    assert full["bytes"] > alone["bytes"] > 0
    assert full["times a copy"] > 0
    for kind in ("response", "task", "prompt", "annotation"):
        assert rows[f"explain {kind}, 100"]["ours"]["wall"] > 0
