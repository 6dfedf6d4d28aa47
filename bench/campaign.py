"""A generated campaign, closed and judged: all that the lake holds when a release is due.

`python -m bench.campaign FOLDER TASKS` lays out a configuration and a home. Prompts, answers, tasks and deliveries are
hashes of numbers, so that the same size is the same wherever it is made; everything after them is made by the project's
own stages.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.texts import generated_texts, some_sentences
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.quality import judge_annotators, measure_agreement, reach_consensus, retain_annotations
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from dagster_project.vendors import merge

CAMPAIGN = "bench"
PARTITION = {"campaign": CAMPAIGN}
BATCH = {"prompt_batch": "bench"}
PROMPTS_FILE = PROJECT_ROOT / "prompts" / "starter.jsonl"
MODELS = ("bird", "fish", "toad", "wolf")
ANNOTATORS = 2_000
JUSTIFICATIONS = 5_000
ANSWER_ROWS = 8_192
"""Rows of a row group of many answers, as generation writes them."""
CONFIGURATION = {
    "vendors.yaml": "vendors:\n  acme: {licence: CC-BY-4.0}\n",
    "campaigns.yaml": f"campaigns:\n  {CAMPAIGN}:\n    vendor: acme\n    guideline_version: '1'\n"
    "    pairing: {prompt_batches: [bench]}\n",
    "releases/v1.0.0.yaml": f"name: Generated\ncampaigns: [{CAMPAIGN}]\nlicence: cc-by-4.0\n",
    "releases/v2.0.0.yaml": f"name: Tables alone\ncampaigns: [{CAMPAIGN}]\nlicence: cc-by-4.0\nexports: []\n",
}

PROMPTS = """
create temp view prompts as
select
    'bench' as prompt_batch,
    1 + i as intake_number,
    'p-' || substr(md5('prompt' || i), 1, 20) as prompt_id,
    prompt_id as cluster,
    'prompts.jsonl' as file,
    1 + i as row_number,
    'the benchmark' as source,
    'CC0-1.0' as licence,
    if(
        i % 3 > 0,
        [{'role': 'user', 'content': question}],
        [
            {'role': 'user', 'content': question},
            {'role': 'assistant', 'content': reply},
            {'role': 'user', 'content': second_question}
        ]
    ) as messages,
    'c-' || i as conversation_hash,
    if(i % 3 > 0, 1, 2) as turns,
    700 as chars,
    true as kept,
    true as selected,
    []::varchar[] as touches,
    if(i % 3 > 0, null, 'bird') as completion_model,
    if(i % 3 > 0, null, 'Apache-2.0') as completion_licence,
    if(i % 3 > 0, null, true) as completion_may_train,
    response_1,
    response_2,
    i
from texts
"""
SHOWN = """
create temp view shown as
select
    'bench' as campaign,
    't-' || substr(md5('task' || i), 1, 20) as task_id,
    position,
    'r-' || substr(md5('response' || i), 1, 19) || position as response_id,
    prompts.* exclude (i, licence, row_number, response_1, response_2),
    licence as source_licence,
    if(position = 1, response_1, response_2) as response,
    {models}[1 + (i + if(position = 1, 0, 1 + i // 4 % 3)) % 4] as model,
    model || '-large' as model_name,
    '2026-01' as revision,
    '{{"temperature":0.7}}' as parameters,
    'q-' || i || '-' || position as request_hash,
    'Apache-2.0' as model_licence,
    true as outputs_may_train,
    'acme' as vendor,
    '1' as guideline_version,
    '{rubric_hash}' as rubric_hash,
    3 as annotators,
    i
from prompts
cross join (values (1), (2)) as sides (position)
"""
ANSWERS = """
select
    * exclude (i),
    0 as sample_index,
    'ok' as status,
    'stop' as finish_reason,
    model_licence as licence,
    180 as prompt_tokens,
    370 as completion_tokens,
    0.001 as cost_usd,
    'local' as endpoint,
    1 as attempts,
    2.5 as seconds,
    timestamptz '2026-02-01 09:00:00+00' as answered_at
from shown
where model = $model
"""
DELIVERED = """
with tasks as (
    select
        i,
        case when hash(i, 1) % 10 < 6 then 3 when hash(i, 1) % 10 < 9 then 4 else 5 end as raters,
        hash(i, 2) % $annotators as first,
        1 + hash(i, 3) % 300 as stride
    from range($tasks) as numbers (i)
),

seats as (
    select *, 'a-' || substr(md5('rater' || ((first + k * stride) % $annotators)), 1, 20) as annotator
    from tasks
    cross join range(5) as seats (k)
    where k < raters
),

given as (
    select *, 4 - (-ln((1 + hash(i, position, 4) % 1000) / 1001.0)) * 0.9 as level
    from seats
    cross join (values (1), (2)) as sides (position)
)

select
    'bench' as campaign,
    'd-bench' as delivery_id,
    row_number() over (order by i, k, position) as row_number,
    row_number as source_row,
    't-' || substr(md5('task' || i), 1, 20) as task_id,
    'r-' || substr(md5('response' || i), 1, 19) || position as response_id,
    annotator,
    'acme' as vendor,
    [
        greatest(0, least(4, round(level + (hash(i, position, j, k, 6) % 1000) / 500.0 - 1)))
        for j in range(5)
    ] as scores,
    if(hash(i, k, 'flag') % 200 = 0, ['not_english'], []) as flags,
    if(position = 2, [-2, -1, -1, 1, 1, 2][1 + ((hash(i, 8) % 4) + (hash(i, k, 9) % 3))::bigint], null) as preference,
    if(position = 2, reasons.reason, null) as justification,
    timestamptz '2026-03-01 09:00:00+00' + to_seconds((hash(i, k) % 2000000)::bigint) as submitted_at,
    1 as revision,
    false as withdrawn,
    1 as round,
    '1' as guideline_version,
    60.0 as seconds,
    false as simulated
from given
join reasons on hash(i, k, 10) % $reasons = reasons.number
order by row_number
"""


def settings_in(folder: Path) -> Settings:
    """Return the settings of the benchmark's home."""
    return Settings(folder / "config", Home(folder / "home"))


def lay_out(folder: Path, tasks: int) -> None:
    """Write configuration and lake of a campaign of so many tasks of two responses, ready to be released."""
    shutil.copytree(PROJECT_ROOT / "config", folder / "config", ignore=shutil.ignore_patterns("releases"))
    for name, text in CONFIGURATION.items():
        path = folder / "config" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    settings = settings_in(folder)
    lake = Lake(settings.home.lake)
    scratch = folder / "scratch"
    with Session() as session:
        session.limit(scratch)
        _open_texts(session, scratch, tasks, settings.rubric_of(CAMPAIGN).shape_hash)
        _write_prompts(session, lake)
        _write_deliveries(session, lake, tasks)
    shutil.rmtree(scratch)
    merge(lake, CAMPAIGN)
    for stage in (judge_annotators, retain_annotations, measure_agreement, reach_consensus):
        stage(lake, settings, CAMPAIGN)


def _open_texts(session: Session, scratch: Path, tasks: int, rubric_hash: str) -> None:
    """Give a session the views of which everything else is made."""
    scratch.mkdir()
    path = scratch / "texts.parquet"
    chunks = generated_texts(PROMPTS_FILE, tasks)
    first = next(chunks)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for chunk in (first, *chunks):
            writer.write_table(chunk)
    session.connection.execute(f"create temp view texts as from read_parquet('{path}')")
    session.connection.execute(PROMPTS)
    session.connection.execute(SHOWN.format(models=list(MODELS), rubric_hash=rubric_hash))
    reasons = some_sentences(PROMPTS_FILE, JUSTIFICATIONS)
    session.frame("reasons", pa.table({"number": pa.array(range(len(reasons)), pa.int64()), "reason": reasons}))


def _write_prompts(session: Session, lake: Lake) -> None:
    """Write prompts, answers and tasks."""
    for table, key in {"raw_prompts": "i", "curated_prompts": "i", "selected_prompts": "prompt_id"}.items():
        with lake.streaming(table, BATCH) as write:
            for rows in _rows(session, table, f"from prompts order by {key}"):
                write(rows)
    for model in MODELS:
        with lake.streaming("responses", {"model": model, **BATCH}) as write:
            for rows in _rows(session, "responses", f"from ({ANSWERS}) order by prompt_id", {"model": model}):
                write(rows)
    with lake.adding("annotation_tasks", PARTITION, "tasks") as write:
        for rows in _rows(session, "annotation_tasks", "from shown order by task_id, position"):
            write(rows)


def _write_deliveries(session: Session, lake: Lake, tasks: int) -> None:
    """Write one delivery of all ratings with its receipt, and close the campaign."""
    now = datetime(2026, 4, 1, tzinfo=UTC)
    count = 0
    given = {"tasks": tasks, "annotators": ANNOTATORS, "reasons": JUSTIFICATIONS}
    with lake.adding("deliveries", PARTITION, "d-bench") as write:
        for rows in _rows(session, "deliveries", f"from ({DELIVERED})", given):
            count += rows.num_rows
            write(rows)
    receipt = {
        "campaign": CAMPAIGN,
        "delivery_id": "d-bench",
        "vendor": "acme",
        "file": "all.jsonl",
        "bytes": 1,
        "file_rows": count,
        "rows": count,
        "accepted": count,
        "quarantined": 0,
        "simulated": False,
        "received_at": now,
    }
    for table, row in {"intake": receipt, "campaign_closings": {"campaign": CAMPAIGN, "closed_at": now}}.items():
        lake.add(table, PARTITION, "one", pa.Table.from_pylist([row], TABLES[table].schema))


def _rows(session: Session, table: str, query: str, given: Mapping[str, Any] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a query in a table's columns and types; columns that it lacks are null."""
    parameters = dict(given) if given else None
    there = {name for name, *_ in session.connection.execute(f"describe {query}", parameters).fetchall()}
    columns = [name if name in there else f"null as {name}" for name in TABLES[table].column_names]
    result = session.connection.sql(f"select {', '.join(columns)} {query}", params=parameters)
    rows = ANSWER_ROWS if table == "responses" else TABLES[table].row_group_rows
    for batch in result.to_arrow_reader(rows):
        yield pa.Table.from_batches([batch]).cast(TABLES[table].schema)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), int(sys.argv[2]))
