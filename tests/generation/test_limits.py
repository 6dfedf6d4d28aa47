"""The user's limits hold over all processes of the machine, and nothing of a killed process keeps a place."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.generation import Cell, Purse, SilentProgress, answer_cell, answer_cells
from dagster_project.generation.journal import journal_path
from dagster_project.generation.limits.budget import Budget
from dagster_project.generation.limits.gate import Gate
from dagster_project.generation.limits.ledger import Ledger
from dagster_project.generation.limits.quota import Quota
from dagster_project.generation.limits.rate_headers import RateLimit, RateLimits
from dagster_project.generation.spending import spent_before
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings.models import Limits
from tests.generation.cells import BATCH, loopback_models, start_process, until

pytestmark = pytest.mark.slow

Prompts = Callable[..., list[str]]
DEAR = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
"""At most 1 USD an answer."""
HOLDS = """
import sys, time
from pathlib import Path
from dagster_project.generation.limits.ledger import Ledger
from dagster_project.generation.limits.quota import Quota
from dagster_project.settings.models import Limits
folder = Path(sys.argv[1])
assert Ledger(folder, "m", 10, None, lambda: (0.0, 0.0)).hold(4)
assert Quota(folder, "e", Limits(max_in_flight=2)).enter(0) == 0
assert Quota(folder, "e", Limits(max_in_flight=1)).enter(0) > 0
print("holds", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_two_processes_share_the_places_of_an_endpoint_fairly(lake: Lake, prompts: Prompts) -> None:
    prompts(300)
    prompts(300, "b2", first=1000)
    with serve_models(Behaviour(latency=0.1)) as server:
        models = loopback_models(server.address, {"max_in_flight": 10})
        children = [start_process(lake, models, "m", batch) for batch in (BATCH, "b2")]
        journals = [lake.root / "journal" / "model=m" / f"prompt_batch={batch}.jsonl" for batch in (BATCH, "b2")]
        until(lambda: all(path.exists() and path.stat().st_size > 0 for path in journals))
        assert [child.wait() for child in children] == [0, 0]
        stats = server.stats()
    assert stats["max_in_flight"] == 10
    assert stats["requests"] == 600
    first_lines = [path.read_text().splitlines()[40] for path in journals]
    last_lines = [path.read_text().splitlines()[-1] for path in journals]
    answered_at = [[line.rpartition('"answered_at":"')[2] for line in lines] for lines in (first_lines, last_lines)]
    assert max(answered_at[0]) < min(answered_at[1]), "neither waited until the other was done"


def test_requests_a_minute_hold_for_two_processes_together(lake: Lake, prompts: Prompts) -> None:
    prompts(40)
    prompts(40, "b2", first=1000)
    with serve_models() as server:
        models = loopback_models(server.address, {"requests_per_minute": 1200})
        children = [start_process(lake, models, "m", batch) for batch in (BATCH, "b2")]
        until(lambda: server.stats()["requests"] > 0)
        begun = time.monotonic()
        assert [child.wait() for child in children] == [0, 0]
    assert time.monotonic() - begun >= 79 * 60 / 1200 - 0.3


def test_a_model_has_limits_of_its_own_beside_its_endpoints(lake: Lake, prompts: Prompts) -> None:
    prompts(30)
    with serve_models(Behaviour(latency=0.03)) as server:
        models = loopback_models(server.address, {"max_in_flight": 20}, max_in_flight=3)
        cells = [Cell("m", BATCH), Cell("n", BATCH)]
        other = models.models["n"].model_copy(update={"name": "another", "max_in_flight": 5})
        models = models.model_copy(update={"models": models.models | {"n": other}})
        assert all(report.ok == 30 for _, report in answer_cells(lake, models, cells, SilentProgress()))
        assert server.stats()["max_in_flight"] == 8


def test_tokens_a_minute_hold_and_a_guess_is_put_right_by_what_the_server_counts(lake: Lake, prompts: Prompts) -> None:
    prompts(30)
    with serve_models() as server:
        models = loopback_models(server.address, {"tokens_per_minute": 60_000})
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
    counted = report.prompt_tokens + report.completion_tokens
    assert counted / 1000 - 0.2 < report.seconds < counted / 1000 + 1.0


def nothing() -> tuple[float, float]:
    return 0.0, 0.0


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds a place and 4 USD until it is killed."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen([sys.executable, "-c", HOLDS, folder], env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "holds\n"
    return child


def test_what_a_killed_process_held_is_free_again_and_its_money_counts_as_spent(tmp_path: Path) -> None:
    quota, ledger = Quota(tmp_path, "e", Limits(max_in_flight=2)), Ledger(tmp_path, "m", 10, None, nothing)
    with holder(tmp_path) as child:
        try:
            assert quota.enter(0) == 0
            assert quota.enter(0) > 0, "both places are taken"
            assert not ledger.hold(7), "4 of the 10 are held"
            assert ledger.may_come_free(7)
            assert not ledger.may_come_free(11), "however little is spent of what is held"
            assert ledger.hold(6)
            ledger.settle(6, 1)
        finally:
            child.send_signal(signal.SIGKILL)
    assert quota.enter(0) == 0
    assert not ledger.may_come_free(5)
    assert ledger.spent_usd == (5.0, 5.0)
    assert not ledger.hold(6)
    assert ledger.hold(5)


def test_a_killed_process_that_waited_for_its_turn_keeps_no_share_of_the_places(tmp_path: Path) -> None:
    quota = Quota(tmp_path, "e", Limits(max_in_flight=10))
    with holder(tmp_path) as child:
        child.send_signal(signal.SIGKILL)
    assert [quota.enter(0) for _ in range(10)] == [0.0] * 10


def test_what_is_owed_to_a_limit_is_forgiven_with_it(tmp_path: Path) -> None:
    limited = Quota(tmp_path, "e", Limits(tokens_per_minute=60))
    assert limited.enter(600) == 0
    assert limited.enter(1) > 500
    assert Quota(tmp_path, "e", Limits(max_in_flight=4)).enter(1) == 0


def test_the_money_of_a_model_holds_over_runs_and_that_of_a_day_over_models(lake: Lake, prompts: Prompts) -> None:
    prompts(6)
    with serve_models(Behaviour(usage=False)) as server:
        models = loopback_models(server.address, prices=DEAR, max_usd=4.0)
        assert answer_cell(lake, models, "m", BATCH, SilentProgress(), Purse(3.0)).ok == 3
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).ok == 4
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).sent == 0
        prompts(6, first=50)
        a_day = models.model_copy(update={"max_usd_per_day": 6.0})
        assert answer_cell(lake, a_day, "n", BATCH, SilentProgress()).ok == 2
        assert server.stats()["requests"] == 6


def test_money_whose_ledger_was_lost_is_counted_again_from_the_journals(lake: Lake, prompts: Prompts) -> None:
    prompts(6)
    with serve_models(Behaviour(usage=False)) as server:
        models = loopback_models(server.address, prices=DEAR, max_usd=4.0)
        assert start_process(lake, models).wait() == 0
        shutil.rmtree(lake.root / "limits")
        assert start_process(lake, models).wait() == 0
        assert server.stats()["requests"] == 4
        shutil.rmtree(lake.root / "limits")
        a_day = models.model_copy(update={"max_usd_per_day": 5.0})
        assert start_process(lake, a_day, "n").wait() == 0
        assert server.stats()["requests"] == 5
    assert spent_before(lake.root) == (5.0, 5.0)
    assert spent_before(lake.root, "m") == (4.0, 4.0)
    journal = journal_path(lake.root, "m", BATCH)
    line = journal.read_bytes().splitlines(keepends=True)[0]
    assert b'"cost_usd":1.0' in line
    for amount in (b"NaN", b"-5.0", b"Infinity"):  # a sum with one of these would hold no limit
        journal.write_bytes(journal.read_bytes() + line.replace(b'"cost_usd":1.0', b'"cost_usd":' + amount))
    assert spent_before(lake.root, "m") == (4.0, 4.0)


def test_the_money_of_a_day_is_there_again_on_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path, "m", 10, 4, nothing)
    assert ledger.hold(4)
    ledger.settle(4, 3)
    assert not ledger.hold(2)
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    assert ledger.spent_usd == (0.0, 3.0)
    assert ledger.hold(4)
    ledger.settle(4, 4)
    assert ledger.spent_usd == (4.0, 7.0)
    monkeypatch.undo()
    assert ledger.spent_usd == (4.0, 7.0)
    assert not ledger.hold(1)


def test_two_processes_never_spend_more_than_the_limit(lake: Lake, prompts: Prompts) -> None:
    prompts(30)
    prompts(30, "b2", first=1000)
    with serve_models(Behaviour(latency=0.02, usage=False)) as server:
        models = loopback_models(server.address, {"max_in_flight": 6}, prices=DEAR, max_usd=25.0)
        children = [start_process(lake, models, "m", batch) for batch in (BATCH, "b2")]
        assert [child.wait() for child in children] == [0, 0]
        assert server.stats()["requests"] == 25
    assert Counter(lake.read("responses")["reason"].to_list()) == {None: 25, "budget": 35}


@pytest.mark.parametrize(
    ("purse", "in_all", "a_day", "told"),
    [
        (Purse(4.0, 3.5), 10, 10, "`max_usd` of this run, 4.0000 USD, is reached: 3.5000 USD are spent"),
        (Purse(), 4, 4.5, "`max_usd` of model m, 4.0000 USD, is reached: 3.5000 USD are spent"),
        (Purse(), 5, 4, "`max_usd_per_day` of model m, 4.0000 USD, is reached: 3.5000 USD are spent"),
    ],
)
def test_the_limit_that_is_reached_is_told_once(
    tmp_path: Path, purse: Purse, in_all: float, a_day: float, told: str
) -> None:
    said: list[str] = []
    budget = Budget(purse, [Ledger(tmp_path, "model m", in_all, a_day, lambda: (3.5, 3.5))], said.append)
    assert not budget.spend(0.75)
    assert said == []
    assert not asyncio.run(budget.hold(1))
    budget.say_what_is_short(1)
    assert budget.spend(0.5)
    assert len(said) == 1
    assert told in said[0]


def test_what_limits_say_of_batches_reads_no_log_that_no_limit_is_about(lake: Lake, prompts: Prompts) -> None:
    """A log that cannot be read keeps no other model from what its own money allows."""
    prompts(3)
    log = journal_path(lake.root, "gone", BATCH).with_suffix(".batches")
    log.parent.mkdir(parents=True)
    log.write_text("garbage\n")
    log.with_suffix(".jsonl").touch()
    with serve_models(Behaviour(usage=False)) as server:
        for max_usd_per_day in (None, 2.0):
            models = loopback_models(server.address, prices=DEAR)
            limited = models.model_copy(update={"max_usd_per_day": max_usd_per_day})
            Ledger(lake.root, "all models", None, max_usd_per_day, lambda: (0.0, 0.0))
            report = answer_cell(lake, limited, "m", BATCH, SilentProgress(), Purse(1.0))
            assert report.failed["budget"] >= 1
        assert server.stats()["requests"] == 2


def test_an_endpoint_that_counts_more_than_was_held_back_is_told_once(tmp_path: Path) -> None:
    said: list[str] = []
    budget = Budget(Purse(), [Ledger(tmp_path, "model m", 10, None, nothing)], said.append)
    for spent in (1.0, 2.5, 2.5):
        assert asyncio.run(budget.hold(1.0))
        budget.settle(1.0, spent)
    assert len(said) == 1
    assert "the endpoint counts more tokens than `max_tokens` allows" in said[0]


def test_what_is_given_back_of_another_day_is_not_of_this_days_money(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "model m", 10, 5, nothing)
    assert ledger.hold(4)
    ledger.settle(4, 4)
    ledger.correct(-3, time.time() - 86_400)
    assert ledger.spent_usd == (4, 1)
    assert not ledger.hold(2)
    ledger.correct(-3, time.time())
    assert ledger.spent_usd == (1, 0)
    ledger.correct(2, time.time() - 86_400)
    assert ledger.spent_usd == (3, 2)


HOLDS_A_WHILE = """
import sys
from pathlib import Path
from dagster_project.generation.limits.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), "m", 10, None, lambda: (0.0, 0.0))
assert ledger.hold(9)
print("holds", flush=True)
sys.stdin.readline()
ledger.settle(9, 2)
sys.stdin.readline()
"""


def test_a_run_that_waits_for_money_of_another_says_so_and_goes_on_with_what_comes_back(tmp_path: Path) -> None:
    said: list[str] = []
    budget = Budget(Purse(), [Ledger(tmp_path, "m", 10, None, nothing)], said.append)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", HOLDS_A_WHILE, str(tmp_path)]

    async def hold(child: subprocess.Popen[str]) -> bool:
        waiting = asyncio.create_task(budget.hold(5))
        await asyncio.sleep(2.5)
        assert not waiting.done()
        assert child.stdin
        child.stdin.write("\n")
        child.stdin.flush()
        return await asyncio.wait_for(waiting, 10)

    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "holds\n"
        assert asyncio.run(hold(child))
        assert said == ["waiting for money: what is left below its limit is held back for requests of another run"]
        budget.settle(5, 5)
        assert not asyncio.run(budget.hold(4)), "7 of the 10 are spent"
        child.communicate("\n")


def test_money_that_cannot_come_free_is_not_waited_for(lake: Lake, prompts: Prompts) -> None:
    """Another model holds money of the day, but this one has spent its own."""
    prompts(1)
    prompts(3, "b2", first=1000)
    with serve_models(Behaviour(latency=15)) as server:
        models = loopback_models(server.address, prices=DEAR, max_usd=0.5)
        models.models["n"] = models.models["n"].model_copy(update={"max_usd": None})
        with start_process(lake, models, "n", "b2") as other:
            until(lambda: server.max_in_flight == 3)
            report = answer_cell(lake, models, "m", BATCH, SilentProgress())
            assert other.poll() is None, "its money came free only with its answers"
            other.kill()
    assert report.failed == {"budget": 1}


def test_a_long_wait_for_a_limit_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []

    async def wait_twice() -> None:
        quotas = [Quota(tmp_path, name, limits) for name, limits in LIMITS.items()]
        gate = Gate(4, quotas, said.append)
        await gate.enter(10)
        gate.leave(-1000)  # the server counted so many more than were guessed
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(gate.enter(10), 1.5)

    asyncio.run(wait_twice())
    assert [text.partition(" s for ")[2] for text in said] == ["tokens_per_minute"] * 2
    assert all(90 < int(text.split()[1]) <= 102 for text in said)


def test_a_long_wait_that_the_server_asks_for_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []

    async def wait() -> None:
        gate = Gate(4, [], said.append)
        await gate.enter(10)
        gate.told(RateLimits(requests=RateLimit(limit=100, remaining=0, reset=60), tokens=None))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(gate.enter(10), 1.5)

    asyncio.run(wait())
    assert said == ["waiting 60 s for the server, which takes no more until then"]


LIMITS = {"endpoint-e": Limits(requests_per_minute=6000), "model-m": Limits(tokens_per_minute=600)}


@settings(max_examples=50)
@given(st.lists(st.floats(0.0, 0.4), min_size=1, max_size=60), st.integers(60, 6000))
def test_in_no_minute_more_requests_enter_than_are_allowed(gaps: list[float], rate: int) -> None:
    """Whenever they come, on a clock of the test's own."""
    import tempfile

    now, entered = 1_000_000.0, []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now)
        quota = Quota(Path(folder), "e", Limits(requests_per_minute=rate))
        for gap in gaps:
            now += gap
            while wait := quota.enter(0):
                now += wait
            entered.append(now)
            quota.leave(0)
    for first in entered:
        assert sum(first <= other < first + 60 for other in entered) <= rate
        assert sum(first <= other < first + 1 for other in entered) <= rate / 60 * 1.05 + 1


def test_two_models_of_one_endpoint_fill_its_places_and_each_keeps_its_own_limit(lake: Lake, prompts: Prompts) -> None:
    prompts(40)
    with serve_models(Behaviour(latency=0.05)) as server:
        models = loopback_models(server.address, {"max_in_flight": 8}, requests_per_minute=6000)
        other = models.models["n"].model_copy(update={"name": "another"})
        models = models.model_copy(update={"models": models.models | {"n": other}})
        begun = time.process_time()
        results = dict(answer_cells(lake, models, [Cell("m", BATCH), Cell("n", BATCH)], SilentProgress()))
        assert time.process_time() - begun < 3, "nobody waits in a busy loop"
        assert server.stats()["max_in_flight"] == 8
    assert [report.ok for report in results.values()] == [40, 40]
