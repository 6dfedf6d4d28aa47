"""What a request is about: every id under which a prompt or a worker is known in this home.

Belongs here: finding ids. Does not belong here: the files and rows that have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.curation.delivery import delivered_batches, withdrawn_from
from dagster_project.curation.sealing import letters_of
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors import Pseudonyms
from dagster_project.withdrawal.scope import Row, Scope, count_marked, marked
from dagster_project.withdrawn import Register, Withdrawal, joined

TEXT_TABLES = ("raw_prompts", "curated_prompts", "selected_prompts", "annotation_tasks")
TASK_COLUMNS = ("task_id", "prompt_id", "of_task_id", "messages")
TASKS_AT_ONCE = 4_096


def withdrawal_of_prompt(lake: Lake, settings: Settings, prompt_id: str) -> Scope:
    """Return the withdrawal of a prompt, and of every other whose users say the same letters and digits.

    Raises:
        SteerworksError: no prompt has this id, and none that was withdrawn had it.
    """
    register = Register.of_home(settings.home)
    earlier, messages = register.of_prompt(prompt_id), _messages(lake, prompt_id)
    if earlier is None and not messages:
        raise SteerworksError(
            f"no prompt in {lake.root} has the id `{prompt_id}`. `steerworks sql` finds it: "
            "select prompt_id, messages from curated_prompts where messages::varchar like '%…%'."
        )
    text_hash = earlier.text_hash if earlier else register.text_hash(letters_of(messages))
    asked = Withdrawal(kind="prompt", day=_today(), text_hash=text_hash, prompt_ids=frozenset([prompt_id]))
    known = register.having(asked)
    batches = _ids_by_batch(lake, settings, known)
    prompt_ids = asked.prompt_ids.union(*batches.values(), earlier.prompt_ids if earlier else ())
    tasks = _tasks_by_campaign(lake, known, prompt_ids)
    found = asked.model_copy(
        update={
            "prompt_ids": prompt_ids,
            "task_ids": frozenset[str]().union(*tasks.values()),
            "campaigns": frozenset(tasks),
            "prompt_batches": frozenset(batches) | _batches_having(lake, prompt_ids),
        }
    )
    withdrawal = joined(earlier, found)
    texts = tuple(turn["content"] for turn in messages if turn["role"] == "user")
    return Scope(lake, settings, withdrawal, register.having(withdrawal), texts=texts)


def withdrawal_of_worker(lake: Lake, settings: Settings, vendor: str, worker: str) -> Scope:
    """Return the withdrawal of a vendor's worker.

    Raises:
        SteerworksError: there is no such vendor, it employs nobody, or the key for pseudonyms is not as before.
    """
    if vendor not in settings.vendors.vendors:
        raise SteerworksError(
            f"there is no vendor `{vendor}` in {settings.folder / 'vendors.yaml'}; it has: "
            f"{', '.join(sorted(settings.vendors.vendors))}."
        )
    if settings.vendors.vendors[vendor].kind == "model":
        raise SteerworksError(f"vendor `{vendor}` has models annotate: there is nobody to withdraw.")
    register = Register.of_home(settings.home)
    pseudonym = Pseudonyms.of_vendor(settings, vendor).pseudonym(worker.strip())
    rated = (part for part in lake.parts("deliveries") if count_marked(part, {"annotator": frozenset([pseudonym])}))
    campaigns = frozenset(part.parent.name.partition("=")[2] for part in rated)
    found = Withdrawal(kind="worker", day=_today(), vendor=vendor, pseudonym=pseudonym, campaigns=campaigns)
    withdrawal = joined(register.of_name(found.name), found)
    return Scope(lake, settings, withdrawal, register.having(withdrawal), worker=worker.strip())


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _messages(lake: Lake, prompt_id: str) -> list[dict[str, str]]:
    """Return the conversation of a prompt from the first table that has it; nothing if none does."""
    marks = {"prompt_id": frozenset([prompt_id])}
    for path in (path for table in TEXT_TABLES for path in lake.parts(table)):
        if count_marked(path, marks):
            rows = _rows(path, ("prompt_id", "messages"), marks)
            if messages := next((row["messages"] for row in rows if row["messages"]), None):
                return list(messages)
    return []


def _rows(path: Path, columns: tuple[str, ...], marks: dict[str, frozenset[str]]) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, list(columns))
            yield from rows.filter(marked(rows, marks)).to_pylist()


def _ids_by_batch(lake: Lake, settings: Settings, register: Register) -> dict[str, frozenset[str]]:
    """Return the prompts that the register refuses, in the files as they were delivered."""
    found = {}
    for delivery in delivered_batches(settings.home):
        if rows := withdrawn_from(settings.home, delivery, register):
            ids = set(rows.values())
            for path in lake.parts("raw_prompts", {"prompt_batch": delivery.batch}):
                table = pq.read_table(path, columns=["row_number", "prompt_id"], partitioning=None)
                ids |= {row["prompt_id"] for row in table.to_pylist() if row["row_number"] in rows}
            found[delivery.batch] = frozenset(ids)
    return found


def _batches_having(lake: Lake, prompt_ids: frozenset[str]) -> frozenset[str]:
    parts = [path for table in ("curated_prompts", "selected_prompts") for path in lake.parts(table)]
    having = (path for path in parts if count_marked(path, {"prompt_id": prompt_ids}))
    return frozenset(path.parent.name.partition("=")[2] for path in having)


def _tasks_by_campaign(lake: Lake, register: Register, prompt_ids: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the tasks that ask about the prompts, control tasks among them: by their ids, or by their text."""
    found: dict[str, frozenset[str]] = {}
    for table in ("annotation_tasks", "control_tasks"):
        for path in lake.parts(table):
            campaign = path.parent.name.partition("=")[2]
            known = found.get(campaign, frozenset())
            if ids := frozenset(_tasks(path, register, prompt_ids, known)):
                found[campaign] = known | ids
    return found


def _tasks(path: Path, register: Register, prompt_ids: frozenset[str], known: frozenset[str]) -> Iterator[str]:
    with pq.ParquetFile(path) as file:
        columns = [name for name in TASK_COLUMNS if name in file.schema_arrow.names]
        for batch in file.iter_batches(TASKS_AT_ONCE, columns=[*columns, "position"]):
            for row in batch.filter(pc.equal(batch["position"], 1)).to_pylist():
                is_named = row.get("prompt_id") in prompt_ids or row.get("of_task_id") in known
                if is_named or register.refuses(letters_of(row["messages"])):
                    yield row["task_id"]
