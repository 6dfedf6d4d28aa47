"""Delivered prompts without those that were withdrawn: a sealed copy in the place of the delivered file.

A sealed file has a line for each row of the delivered one, so that every row keeps its number; of a withdrawn row the
line says no more than that. Belongs here: that file, and which rows are out. Does not belong here: who asked for it
(`withdrawal`), or what a register is (`withdrawn`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster_project.curation.normalising import squeeze_turns
from dagster_project.curation.prompt_files import Row, read_rows
from dagster_project.curation.prompt_rows import PromptRowError, parse_row
from dagster_project.identity import stable_id
from dagster_project.whole_files import replacing
from dagster_project.withdrawn import WITHDRAWN, Register

SEALED = ".sealed.jsonl"
DEFECT = f"{WITHDRAWN}: taken out by a legal request"
UNREADABLE = "it could not be read, and was not kept when the file was sealed"


def letters_of(messages: Sequence[Mapping[str, str]]) -> str:
    """Return what a prompt is recognised by: its users' letters and digits, or without any the hash of its turns."""
    turns = [message["content"] for message in messages if message["role"] == "user"]
    return squeeze_turns(turns) or stable_id("p", turns)


def withdrawn_rows(rows: Iterator[Row], register: Register) -> Iterator[tuple[int, str]]:
    """Yield the number of each row that the register refuses, and the id of its prompt."""
    for number, content, defect in rows if register.knows_prompts else ():
        messages = [] if defect else _messages(content)
        if messages and register.refuses(letters_of(messages)):
            yield number, stable_id("p", messages)


def seal(path: Path, rows: Iterator[Row], out: frozenset[int]) -> Path:
    """Write the sealed copy of a delivered file or folder beside it; return its path.

    Args:
        path: what was delivered.
        rows: its rows, or those of the sealed copy that there is.
        out: the numbers of withdrawn rows.
    """
    sealed = path.with_name(path.name + SEALED)
    with replacing(sealed) as temporary, temporary.open("w", encoding="utf-8") as file:
        for number, content, defect in rows:
            if number in out:
                line: dict[str, Any] = {"number": number, "defect": DEFECT}
            elif defect:
                line = {"number": number, "defect": defect if defect == DEFECT else f"{_rule(defect)}: {UNREADABLE}"}
            else:
                line = {"number": number, "row": content}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return sealed


def read_sealed(path: Path) -> Iterator[Row]:
    """Yield the rows of a sealed file, as those of the delivered one were."""
    with path.open(encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            yield line["number"], line.get("row"), line.get("defect")


def rows_of(path: Path) -> Iterator[Row]:
    """Yield the rows of a delivered file or folder, or of a sealed one."""
    return read_sealed(path) if path.name.endswith(SEALED) else read_rows(path)


def _messages(content: Any) -> list[dict[str, str]]:
    try:
        return parse_row(content).messages
    except PromptRowError:
        return []


def _rule(defect: str) -> str:
    """Return the word that a defect begins with: what follows may quote the row."""
    return defect.partition(":")[0]
