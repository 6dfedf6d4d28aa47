"""Evaluation sets as their makers publish them: JSON Lines, Parquet, or text with an item a line.

Belongs here: finding each item's name and its turns. Does not belong here: comparing them with
prompts (`benchmarks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.curation.prompt_files import opened, read_rows, suffix_of
from dagster_project.curation.prompt_rows import USER_ROLES
from dagster_project.errors import SteerworksError
from dagster_project.settings.curation import Benchmark

NAMES = ("id", "question_id", "task_id", "item_id", "uid", "key")
TEXTS = ("turns", "messages", "conversations", "prompt", "question", "instruction", "problem", "text", "input")
ROLES = ("role", "from")


@dataclass(frozen=True)
class Item:
    """One item: what its set calls it, and what its user says, turn by turn."""

    name: str
    turns: tuple[str, ...]


def read_items(benchmark: Benchmark) -> Iterator[Item]:
    """Yield the items of an evaluation set.

    Raises:
        SteerworksError: the file cannot be read, or a row has no text where it should be.
    """
    path = Path(benchmark.file)
    if not path.is_file():
        raise SteerworksError(f"{path}: no such file. It is the benchmark `{benchmark.name}` of curation.yaml.")
    if suffix_of(path) == ".txt":
        yield from _lines(path)
        return
    for number, row, defect in read_rows(path):
        turns = () if defect or not isinstance(row, dict) else tuple(_turns(row, benchmark.text))
        if not turns:
            wanted = f"`{benchmark.text}`" if benchmark.text else f"one of {', '.join(TEXTS)}"
            raise SteerworksError(
                f"{path}: row {number} has no text in {wanted} ({defect or 'another shape'}). "
                f"Name the field under `text` of the benchmark `{benchmark.name}` in curation.yaml."
            )
        yield Item(_name(row, benchmark.id, number), turns)


def _lines(path: Path) -> Iterator[Item]:
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            if text := line.decode("utf-8", "replace").strip():
                yield Item(f"line {number}", (text,))


def _name(row: dict[str, Any], field: str | None, number: int) -> str:
    found = _at(row, field) if field else next((row[name] for name in NAMES if row.get(name) is not None), None)
    return f"row {number}" if found is None else str(found)


def _turns(row: dict[str, Any], field: str | None) -> Iterator[str]:
    content = _at(row, field) if field else next((row[name] for name in TEXTS if row.get(name)), None)
    for turn in content if isinstance(content, list) else [content]:
        text = _spoken_by_user(turn) if isinstance(turn, dict) else turn
        if isinstance(text, str) and text.strip():
            yield text


def _spoken_by_user(turn: dict[str, Any]) -> Any:
    role = next((str(turn[name]).lower() for name in ROLES if name in turn), "user")
    return turn.get("content", turn.get("value")) if role in USER_ROLES else None


def _at(row: Any, path: str) -> Any:
    """Follow a path such as ``reference.0.question`` into a row; None if it leads nowhere."""
    for part in path.split("."):
        if isinstance(row, dict):
            row = row.get(part)
        elif isinstance(row, list) and part.isdecimal() and int(part) < len(row):
            row = row[int(part)]
        else:
            return None
    return row
