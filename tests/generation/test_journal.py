"""The journal loses no answer that counts, and takes no harm from a crash in the middle of a line."""

from __future__ import annotations

import asyncio
import resource
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer
from dagster_project.generation.journal import Journal, find_answers, journal_path, read_answers
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
        await asyncio.gather(*(journal.append(each) for each in answers))
        journal.close()

    asyncio.run(append_all())


@settings(max_examples=40, deadline=None)
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
    commit = Journal._write
    monkeypatch.setattr(
        Journal, "_write", lambda self, content: (trips.append(content.count(b"\n")), commit(self, content))
    )
    write(tmp_path / "cell.jsonl", *(answer(number) for number in range(500)))
    assert sum(trips) == 500
    assert len(trips) < 50
    assert len(list(read_answers(tmp_path / "cell.jsonl"))) == 500


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


def test_a_line_that_something_else_wrote_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cell.jsonl"
    path.write_bytes(answer(1).line() + b'{"not": "an answer"}\n')
    with pytest.raises(SteerworksError, match=r"cell.jsonl:2: this line is not an answer"):
        list(read_answers(path))


def test_other_journals_give_their_earliest_answer_and_no_failures(tmp_path: Path) -> None:
    own = journal_path(tmp_path, "m", "b1")
    write(own, answer(1, "own"), answer(2, "", "failed"))
    write(journal_path(tmp_path, "a", "b1"), answer(1, "other"), answer(3, "later", day=3), answer(4, "", "failed"))
    write(journal_path(tmp_path, "z", "b9", "completion"), answer(3, "earlier", day=2))
    known = find_answers(tmp_path, own, [digest(number) for number in range(1, 6)])
    assert {key: each.response for key, each in known.items()} == {
        digest(1): "own",
        digest(2): "",
        digest(3): "earlier",
    }
