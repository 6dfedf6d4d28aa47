"""Whatever becomes of the counters' file, counting goes on: from nothing, or for money from what is known of it."""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.errors import SteerworksError
from dagster_project.generation import SilentProgress, answer_cell
from dagster_project.generation.limits.ledger import Ledger
from dagster_project.generation.limits.shared_state import SharedState
from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT
from tests.generation.cells import BATCH, loopback_models

COUNTS = """
import sys
from pathlib import Path
from dagster_project.generation.limits.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), "m", 10, None, lambda: (3.0, 3.0))
assert ledger.hold(5)
ledger.settle(5, 1)
print(ledger.spent_usd)
"""


def counted_by_another_process(folder: Path) -> str:
    command = [sys.executable, "-c", COUNTS, str(folder)]
    return subprocess.run(command, check=True, cwd=PROJECT_ROOT, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0, 1e300])
def test_a_file_that_we_cannot_have_written_is_begun_anew(tmp_path: Path, number: float) -> None:
    path = tmp_path / "limits" / "m.money"
    path.parent.mkdir()
    path.write_bytes(struct.pack("<400d", *[number] * 400))
    assert counted_by_another_process(tmp_path) == "(4.0, 4.0)"


@given(content=st.binary(max_size=4_000))
def test_no_content_stops_the_counting(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("limits") / "e.counters"
    path.write_bytes(content)
    state = SharedState(path, 2, 2, lambda shared, row: shared.__setitem__(0, shared[0] + row[0]))
    with state:
        assert all(map(math.isfinite, [*state.shared, *state.mine]))
        state.shared[0], state.mine[1] = 1.0, 2.0
    with state:
        assert (state.shared[0], state.mine[1]) == (1.0, 2.0)


def test_threads_that_raise_and_lower_a_number_of_their_process_lose_nothing(tmp_path: Path) -> None:
    state = SharedState(tmp_path / "e.counters", 2, 2, lambda shared, row: None)
    with state:
        state.mine[0] = 2_000.0  # as much as is taken from it, should all of that come first

    def raise_it() -> None:
        for _ in range(2_000):
            with state:
                state.mine[0] += 2.0

    def lower_it() -> None:
        for _ in range(2_000):
            state.take_from_mine(0, 0.5)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for work in (raise_it, lower_it, raise_it, lower_it)]:
            done.result()
    with state:
        assert state.mine == [2_000.0 + 8_000.0 - 2_000.0, 0.0]
    state.take_from_mine(0, 1e9)
    with state:
        assert state.mine[0] == 0.0


def test_what_a_dead_process_owes_is_booked_even_if_whoever_finds_it_gets_no_further(tmp_path: Path) -> None:
    def book(shared: list[float], row: list[float]) -> None:
        shared[0] += row[0]

    path = tmp_path / "e.counters"
    state = SharedState(path, 1, 1, book)
    child = os.fork()
    if not child:
        debtor = SharedState(path, 1, 1, book)
        with debtor:
            debtor.mine[0] = 5.0
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with suppress(KeyboardInterrupt), state:
        state.bury()
        raise KeyboardInterrupt
    with state:
        assert (state.shared, state.others) == ([5.0], {})


@pytest.mark.parametrize("spoil", [lambda path: os.truncate(path, 0), Path.unlink])
def test_a_file_that_is_cut_or_deleted_while_it_is_used_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    ledger = Ledger(tmp_path, "m", 10, None, lambda: (0.0, 0.0))
    spoil(tmp_path / "limits" / "m.money")
    with pytest.raises(SteerworksError, match=r"m\.money: .* cut this file short or deleted it"):
        ledger.hold(1)


def test_a_file_that_was_deleted_is_not_counted_in_any_longer_by_a_process_that_goes_on(tmp_path: Path) -> None:
    assert Ledger(tmp_path, "m", 10, None, lambda: (9.0, 9.0)).spent_usd == (9.0, 9.0)
    shutil.rmtree(tmp_path / "limits")
    assert Ledger(tmp_path, "m", 10, None, lambda: (2.0, 2.0)).spent_usd == (2.0, 2.0)
    assert counted_by_another_process(tmp_path) == "(3.0, 3.0)"


def test_a_forked_process_counts_in_a_row_of_its_own(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "m", 10, None, lambda: (0.0, 0.0))
    assert ledger.hold(4)
    child = os.fork()
    if not child:
        held = Ledger(tmp_path, "m", 10, None, lambda: (0.0, 0.0)).hold(7)
        os._exit(int(held))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ledger.settle(4, 1)
    assert ledger.spent_usd == (1.0, 1.0)


def test_a_journal_folder_that_cannot_be_made_is_named(lake: Lake) -> None:
    lake.root.mkdir(parents=True)
    (lake.root / "journal").write_bytes(b"")
    with pytest.raises(SteerworksError, match=r"journal/index\.sqlite: the index of the journals cannot be opened"):
        answer_cell(lake, loopback_models("http://127.0.0.1:9/v1"), "m", BATCH, SilentProgress())
