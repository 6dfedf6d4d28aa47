"""The journal loses no answer that counts, and takes no harm from a crash in the middle of a line."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer
from dagster_project.generation.journal import Journal, journal_path, only_one_process, read_answers
from dagster_project.generation.known import NAME, KnownAnswers
from dagster_project.generation.progress import SilentProgress
from dagster_project.identity import digest

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def answer(number: int, response: str = "yes", status: str = "ok", day: int = 1) -> Answer:
    return Answer(
        request_hash=digest(number),
        prompt_id=f"p-{number}",
        sample_index=0,
        status=status,
        model_name="simulated",
        revision="1",
        parameters="{}",
        licence="CC0-1.0",
        outputs_may_train=True,
        attempts=1,
        response=response,
        answered_at=f"2026-01-{day:02}T00:00:00.000000+00:00",
    )


def write(path: Path, *answers: Answer) -> None:
    async def append_all() -> None:
        journal = Journal(path)
        try:
            for each in answers:
                journal.write(each)
                await asyncio.sleep(0)
            await journal.all_on_disk()
        finally:
            await journal.close()

    asyncio.run(append_all())


@settings(max_examples=40)
@given(st.lists(TEXTS, max_size=5), st.data())
def test_any_prefix_of_its_bytes_loads_to_a_prefix_of_its_answers(texts: list[str], data: st.DataObject) -> None:
    answers = [answer(number, text) for number, text in enumerate(texts)]
    content = b"".join(each.line() for each in answers)
    kept = data.draw(st.integers(0, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.jsonl"
        path.write_bytes(content[:kept])
        whole = list(read_answers(path))
        assert whole == answers[: len(whole)]
        write(path, answer(99))
        assert list(read_answers(path)) == [*whole, answer(99)]


def test_a_torn_line_longer_than_a_block_is_cut_off_whole(tmp_path: Path) -> None:
    path = tmp_path / "cell.jsonl"
    path.write_bytes(answer(1).line() + answer(2, "long " * 50_000).line()[:-1])
    write(path, answer(3))
    assert list(read_answers(path)) == [answer(1), answer(3)]


def test_answers_that_come_together_share_a_trip_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (trips.append(file), fsync(file)))
    write(tmp_path / "cell.jsonl", *(answer(number) for number in range(500)))
    assert len(trips) < 50
    assert len(list(read_answers(tmp_path / "cell.jsonl"))) == 500


def test_a_line_is_in_the_file_before_the_disk_has_it(tmp_path: Path) -> None:
    """So a kill of the process loses none, however slow the disk is."""

    async def write_one() -> list[Answer]:
        journal = Journal(tmp_path / "cell.jsonl")
        journal.write(answer(1))
        found = list(read_answers(journal.path))
        await journal.close()
        return found

    assert asyncio.run(write_one()) == [answer(1)]


def test_a_full_disk_is_an_error_and_the_answers_before_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "cell.jsonl"
    write(path, answer(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
    try:
        with pytest.raises(SteerworksError, match="the journal cannot be written"):
            write(path, answer(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == answer(1).line()


def test_half_a_line_that_a_broken_disk_keeps_is_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written after it, so the next run cuts it off as one that a crash tore."""

    def broken(file: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def write_on(path: Path) -> None:
        journal = Journal(path)
        for number in (2, 3):
            with pytest.raises(SteerworksError, match="the journal cannot be written"):
                journal.write(answer(number, "short" if number == 3 else "long " * 100))
        await journal.close()

    path = tmp_path / "cell.jsonl"
    write(path, answer(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 500, hard))
    monkeypatch.setattr(os, "ftruncate", broken)
    try:
        asyncio.run(write_on(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        monkeypatch.undo()
    write(path, answer(4))
    assert list(read_answers(path)) == [answer(1), answer(4)]


def test_what_a_listener_raises_is_not_put_down_to_the_disk(tmp_path: Path) -> None:
    def deaf(_: Answer) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    async def write_one() -> None:
        journal = Journal(tmp_path / "cell.jsonl")
        journal.write(answer(1), deaf)
        try:
            await journal.all_on_disk()
        finally:
            await journal.close()

    with pytest.raises(BrokenPipeError):
        asyncio.run(write_one())


def test_a_journal_or_lock_that_cannot_be_opened_is_an_error_that_says_so(tmp_path: Path) -> None:
    async def hold(path: Path) -> None:
        async with only_one_process(path, SilentProgress()):
            """Nothing is done."""

    (tmp_path / "cell.jsonl").mkdir()
    with pytest.raises(SteerworksError, match=r"cell.jsonl: the journal cannot be written \(Is a directory\)"):
        Journal(tmp_path / "cell.jsonl")
    (tmp_path / "file").touch()
    with pytest.raises(SteerworksError, match=r"cell.lock: the lock of the cell cannot be taken"):
        asyncio.run(hold(tmp_path / "file" / "cell.jsonl"))


@pytest.mark.parametrize("line", [b'{"not": "an answer"}\n', answer(2)._replace(cost_usd=-5.0).line()])
def test_a_line_that_something_else_wrote_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "cell.jsonl"
    path.write_bytes(answer(1).line() + line)
    with pytest.raises(SteerworksError, match=r"cell.jsonl:2: this line is not an answer"):
        list(read_answers(path))


def known(root: Path, own: Path, *numbers: int, warn: Callable[[str], None] | None = None) -> dict[str, str | None]:
    """What an index, opened anew, finds: responses by request hash."""
    answers = KnownAnswers(root, warn)
    try:
        answers.refresh(own)
        hashes = [digest(number) for number in numbers]
        found = answers.find(own, hashes)
        assert {key: each.status == "ok" for key, each in found.items()} == answers.statuses(own, hashes)
        return {key: each.response for key, each in found.items()}
    finally:
        answers.close()


def test_other_journals_give_their_earliest_answer_and_no_failures(tmp_path: Path) -> None:
    own = journal_path(tmp_path, "m", "b1")
    write(own, answer(1, "own"), answer(2, "", "failed"))
    write(journal_path(tmp_path, "a", "b1"), answer(1, "other"), answer(3, "later", day=3), answer(4, "", "failed"))
    write(journal_path(tmp_path, "z", "b9", "completion"), answer(3, "earlier", day=2))
    assert known(tmp_path, own, 1, 2, 3, 4, 5) == {digest(1): "own", digest(2): "", digest(3): "earlier"}


def test_what_is_added_to_a_journal_is_found_and_an_answer_counts_more_than_a_failure(tmp_path: Path) -> None:
    own = journal_path(tmp_path, "m", "b1")
    write(own, answer(1, "", "failed"), answer(2, "first"))
    assert known(tmp_path, own, 1, 2) == {digest(1): "", digest(2): "first"}
    write(own, answer(1, "mended"), answer(2, "second"), answer(3, "new"))
    assert known(tmp_path, own, 1, 2, 3) == {digest(1): "mended", digest(2): "first", digest(3): "new"}


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"spoilt" * 2000)])
def test_an_index_that_is_lost_or_spoilt_is_made_again(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    own = journal_path(tmp_path, "m", "b1")
    write(own, answer(1))
    assert known(tmp_path, own, 1) == {digest(1): "yes"}
    spoil(tmp_path / "journal" / NAME)
    assert known(tmp_path, own, 1) == {digest(1): "yes"}


def test_an_index_that_is_spoilt_in_the_middle_is_made_again(tmp_path: Path) -> None:
    own = journal_path(tmp_path, "m", "b1")
    write(own, *(answer(number) for number in range(300)))
    for page in range(1, 8):
        assert len(known(tmp_path, own, *range(300))) == 300
        index = tmp_path / "journal" / NAME
        content = bytearray(index.read_bytes())
        content[page * 4096 : page * 4096 + 3000] = b"spoilt" * 500
        index.write_bytes(content)
        assert len(known(tmp_path, own, *range(300))) == 300


def test_a_journal_that_somebody_edited_or_removed_is_read_again(tmp_path: Path) -> None:
    own, other = journal_path(tmp_path, "m", "b1"), journal_path(tmp_path, "m", "b2")
    write(own, answer(1, "a longer one"), answer(2))
    write(other, answer(3))
    assert len(known(tmp_path, own, 1, 2, 3)) == 3
    own.write_bytes(answer(4, "as long as both of those before it" * 20).line() + answer(2, "two").line())
    other.unlink()
    assert known(tmp_path, own, 1, 2, 3) == {digest(2): "two"}


def test_a_torn_line_is_not_known_until_it_is_whole(tmp_path: Path) -> None:
    own = journal_path(tmp_path, "m", "b1")
    write(own, answer(1))
    with own.open("ab") as file:
        file.write(answer(2).line()[:-5])
    assert known(tmp_path, own, 1, 2) == {digest(1): "yes"}
    with own.open("ab") as file:
        file.write(answer(2).line()[-5:])
    assert known(tmp_path, own, 1, 2) == {digest(1): "yes", digest(2): "yes"}


def test_the_index_names_a_line_that_is_no_answer(tmp_path: Path) -> None:
    own = journal_path(tmp_path, "m", "b1")
    write(own, answer(1))
    with own.open("ab") as file:
        file.write(b'{"not": "an answer"}\n')
    with pytest.raises(SteerworksError, match=r"b1.jsonl:2: this line is not an answer"):
        known(tmp_path, own, 1)


BAD_LINES = [b'{"not": "an answer"}\n', b"\x00" * 500 + b"\n", b"\n", answer(2).line()[:-9] + b"\n"]


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_bad_line_of_another_cell_is_left_out_with_a_warning_until_it_is_mended(tmp_path: Path, bad: bytes) -> None:
    own, other = journal_path(tmp_path, "m", "b1"), journal_path(tmp_path, "n", "b1")
    write(own, answer(9))
    lines = [answer(1).line(), bad, answer(3).line()]
    other.parent.mkdir(parents=True)
    other.write_bytes(b"".join(lines))
    hashes = [digest(number) for number in (1, 2, 3)]
    warnings: list[str] = []
    for _ in range(2):
        answers = KnownAnswers(tmp_path, warnings.append)
        for _ in range(3):
            answers.refresh(own)
            assert set(answers.find(own, hashes)) == {digest(1), digest(3)}
        assert set(answers.statuses(own, hashes)) == {digest(1), digest(3)}
        answers.close()
    assert len(warnings) == 2
    assert f"{other}:2: this line is not an answer" in warnings[0]
    with pytest.raises(SteerworksError, match=r"b1.jsonl:2: this line is not an answer"):
        known(tmp_path, own, 1, 2)
    other.write_bytes(b"".join([lines[0], answer(2, "mended").line(), lines[2]]))
    assert known(tmp_path, other, 1, 2, 3) == {digest(1): "yes", digest(2): "mended", digest(3): "yes"}


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_bad_line_stops_its_own_cell_also_after_another_one_left_it_out(tmp_path: Path, bad: bytes) -> None:
    own, other = journal_path(tmp_path, "m", "b1"), journal_path(tmp_path, "n", "b1")
    write(own, answer(1))
    own.write_bytes(own.read_bytes() + bad)
    answers = KnownAnswers(tmp_path, print)
    answers.refresh(other)
    answers.close()
    with pytest.raises(SteerworksError, match=r"b1.jsonl:2: this line is not an answer"):
        known(tmp_path, own, 2, warn=print)


OPEN_TOGETHER = """
import os, sys
from pathlib import Path
from dagster_project.generation.known import KnownAnswers

for root in map(Path, sys.argv[1:]):
    for_all, go = os.pipe()
    children = []
    for _ in range(6):
        if not (child := os.fork()):
            os.close(go)
            os.read(for_all, 1)  # until the parent closes its end
            KnownAnswers(root).close()
            os._exit(0)
        children.append(child)
    os.close(go)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
"""


@pytest.mark.slow
def test_processes_that_start_together_make_one_index(tmp_path: Path) -> None:
    roots = [str(tmp_path / str(number)) for number in range(20)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", OPEN_TOGETHER, *roots], env=environment, check=True)


def test_journals_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """Their fields stand in the order of the alphabet, and there are fewer."""
    fields = json.loads(answer(1, "from before").line())
    for name in ("reasoning", "reasoning_tokens", "endpoint"):
        del fields[name]
    rest = {name: value for name, value in sorted(fields.items()) if name != "request_hash"}
    own = journal_path(tmp_path, "m", "b1")
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps({"request_hash": fields["request_hash"], **rest}, separators=(",", ":")) + "\n")
    assert known(tmp_path, own, 1) == {digest(1): "from before"}
