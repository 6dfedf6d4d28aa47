"""Taking what was answered to withdrawn prompts out of the journals, and what is asked about them out of batches.

Belongs here: rewriting journals while nobody works on them. Does not belong here: which prompts (`withdrawal`).
What a Batch API brings for a request that was taken out is no answer to any, and is passed over when it is collected.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dagster_project.errors import SteerworksError
from dagster_project.generation.batches.log import logs_of_batches
from dagster_project.generation.journal import FOLDER, journals, while_idle
from dagster_project.whole_files import replacing

REQUESTS = "*.requests"


def lines_about(lake_root: Path, ids: Collection[str]) -> dict[Path, int]:
    """Return the journals and files of batch requests with lines about some prompts or tasks, and how many."""
    files = [*journals(lake_root), *sorted((lake_root / FOLDER).rglob(REQUESTS))]
    counts = {path: sum(_is_about(line, ids) for line in _lines(path)) for path in files}
    return {path: count for path, count in counts.items() if count}


def forget_lines(path: Path, ids: Collection[str]) -> None:
    """Write a journal, or a file of batch requests, without its lines about some prompts or tasks."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(line for line in _lines(path) if not _is_about(line, ids))


def indexes(lake_root: Path) -> list[Path]:
    """Return what lies beside the journals, knows requests by their hashes, and is made again when it is gone."""
    return sorted((lake_root / FOLDER).glob("*.sqlite*"))


@contextmanager
def nobody_asking(lake_root: Path) -> Iterator[None]:
    """Hold the locks of all cells while the block lasts.

    Raises:
        SteerworksError: a run works on one of them.
    """
    with ExitStack() as stack:
        for journal in sorted({*journals(lake_root), *(journal for _, _, journal in logs_of_batches(lake_root))}):
            if not stack.enter_context(while_idle(journal)):
                raise SteerworksError(
                    f"a run works on {journal.parent.name} {journal.stem}, so its journal cannot be rewritten. Wait "
                    "for the run or stop it, and start again: what is purged already stays purged."
                )
        yield


def _is_about(line: bytes, ids: Collection[str]) -> bool:
    if not any(each.encode() in line for each in ids):
        return False
    try:
        return json.loads(line).get("prompt_id") in ids
    except ValueError:
        return True  # a crash tore it, and what is left of it names one of them


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
