"""Files that quote what is withdrawn: rounds for vendors, prompts as delivered, journals, what releases were made from.

Belongs here: one function a kind of file. Does not belong here: tables (`prompt_tables`, `delivered`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from dagster_project.curation.delivery import delivered_batches, prompt_file, seal_delivery, withdrawn_from
from dagster_project.generation.forgetting import forget_lines, indexes, lines_about
from dagster_project.identity import canonical_json
from dagster_project.releases.kept_inputs import kept_files
from dagster_project.whole_files import remove, write_whole
from dagster_project.withdrawal.scope import Cut, Scope, count_marked, drop, dropping

HALF_WRITTEN = (
    "lake/**/.*.tmp",
    "outbox/**/.*.tmp",
    "vault/workers/.*.tmp",
    "inbox/prompts/.*",
    "releases/.building-*",
)
TASK_TABLES = ("annotation_tasks", "control_tasks", "personal_data")


def prompt_deliveries(scope: Scope) -> Iterator[Cut]:
    """Yield the prompt files that hold a withdrawn prompt: a sealed copy takes their place."""
    home, register = scope.settings.home, scope.register
    for delivery in delivered_batches(home):
        path = prompt_file(home, delivery)
        left_behind = delivery.sealed is not None and path.with_name(delivery.file).exists()
        if (found := withdrawn_from(home, delivery, register)) or left_behind:
            yield Cut("inbox/prompts", path, len(found), partial(seal_delivery, home, delivery.batch, register))


def journals(scope: Scope) -> Iterator[Cut]:
    """Yield the journals that have answers about a withdrawn prompt, and what knows them by their hashes."""
    ids = scope.withdrawal.prompt_ids | scope.withdrawal.task_ids
    found = lines_about(scope.lake.root, ids)
    for path, count in found.items():
        yield Cut("lake/journal", path, count, partial(forget_lines, path, ids))
    for path in indexes(scope.lake.root) if found else ():
        yield Cut("lake/journal", path, 1, partial(path.unlink, missing_ok=True))


def tasks(scope: Scope) -> Iterator[Cut]:
    """Yield what goes from the tasks and from the orders for further annotators."""
    for table in TASK_TABLES:
        yield from dropping(scope.lake, table, scope.marks)
    for path in scope.lake.parts("top_up_tasks"):
        if count := count_marked(path, scope.marks):
            yield Cut("lake/top_up_tasks", path, count, partial(_drop_order, scope, path))


def _drop_order(scope: Scope, path: Path) -> None:
    drop(path, scope.marks)
    if not scope.lake.rows("top_up_tasks", {"campaign": path.parent.name.partition("=")[2]}):
        path.unlink()  # an order of nothing would keep the number of its round


def outbox(scope: Scope) -> Iterator[Cut]:
    """Yield the exported rounds that show a withdrawn prompt or name a withdrawn worker."""
    for path in sorted(scope.settings.home.outbox.glob("*/*/round-*.jsonl")):
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        left = [line for line in (_left_of_line(scope, path, line) for line in lines) if line is not None]
        if left != lines:
            changed = len(lines) - len(set(lines) & set(left))
            yield Cut("outbox", path, changed, partial(_write_round, path, left))


def _left_of_line(scope: Scope, path: Path, line: str) -> str | None:
    task = json.loads(line)
    if task["task_id"] in scope.withdrawal.task_ids:
        return None
    excluded = task["exclude_annotators"]
    if path.parent.parent.name != scope.withdrawal.vendor or scope.worker not in excluded:
        return line
    return canonical_json({**task, "exclude_annotators": [worker for worker in excluded if worker != scope.worker]})


def _write_round(path: Path, lines: list[str]) -> None:
    write_whole(path, "".join(f"{line}\n" for line in lines).encode(), path.stat().st_mode & 0o777)
    if not lines and path.stem != "round-1":
        path.unlink()


def kept_inputs(scope: Scope) -> Iterator[Cut]:
    """Yield the files of earlier days that releases were made from, if they hold anything of it: they go whole."""
    for path in kept_files(scope.lake):
        if count := count_marked(path, scope.marks):
            yield Cut("lake/kept", path, count, partial(path.unlink, missing_ok=True))


def findings(scope: Scope) -> Iterator[Cut]:
    """Yield results of expectations whose samples name it, and pages about annotators that do."""
    names = [name.encode() for ids in scope.marks.values() for name in ids]
    for path in scope.lake.parts("expectation_results"):
        if count := _rows_naming(path, names):
            yield Cut("lake/expectation_results", path, count, partial(path.unlink, missing_ok=True))
    for path in sorted((scope.settings.home.root / "reports").rglob("*.html")):
        if any(name in path.read_bytes() for name in names):
            yield Cut("reports", path, 1, partial(path.unlink, missing_ok=True))


def leftovers(scope: Scope) -> Iterator[Cut]:
    """Yield what processes that are gone left half-written: nothing tells what it holds."""
    home = scope.settings.home
    found = [path for pattern in HALF_WRITTEN for path in sorted(home.root.glob(pattern)) if _is_left_behind(path)]
    for path in found:
        yield Cut("leftovers", path, 1, partial(remove, path))


def _is_left_behind(path: Path) -> bool:
    """Say whether the process whose number stands in a file's name is gone."""
    number = re.search(r"[.-](\d+)(\.tmp)?$", path.name)
    return number is not None and not Path("/proc", number[1]).exists()


def _rows_naming(path: Path, names: list[bytes]) -> int:
    told = pq.read_table(path, columns=["observed", "sample"], partitioning=None).to_pylist()
    return sum(any(name in canonical_json(row).encode() for name in names) for row in told)
