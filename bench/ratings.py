"""Generated annotations: skewed scores of attributes that go together, three to five annotators a response, in parts.

A part is what one campaign has collected: tasks of two responses, with annotators drawn from one crowd. All of it is
a hash of numbers, so the same part is the same wherever DuckDB is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

ATTRIBUTES = 5
ANNOTATORS = 5_000
PART = 2_500_000
"""Annotations of a part, at most: so many are in memory at once."""
PER_TASK = 7
"""Annotations of a task on average: two responses, three and a half annotators."""

GENERATE = """
copy (
    with tasks as (
        select
            i as task,
            substr(md5(i::varchar), 1, 20) as task_id,
            case when hash(i, 1) % 10 < 6 then 3 when hash(i, 1) % 10 < 9 then 4 else 5 end as raters,
            hash(i, 2) % {annotators} as first,
            1 + hash(i, 3) % 900 as stride
        from range({first_task}, {last_task}) as numbers (i)
    ),

    task_annotations as (
        select tasks.*, k, 'a-' || substr(md5(((first + k * stride) % {annotators})::varchar), 1, 20) as annotator
        from tasks
        cross join range(5) as seats (k)
        where k < raters
    ),

    rows as (
        select *, unnest([1, 2])::tinyint as position
        from task_annotations
    ),

    quality as (
        select *, 4 - (-ln((1 + hash(task, position, 4) % 1000) / 1001.0)) * 0.9 as level
        from rows
    )

    select
        task_id,
        task_id || '-' || position as response_id,
        annotator,
        'generated' as vendor,
        position,
        [
            greatest(0, least(4, round(
                level + (hash(task, position, j, 5) % 1000) / 1000.0 - 0.5
                + 1.8 * (hash(task, position, j, k, 6) % 1000) / 1000.0
                + 1.8 * (hash(task, position, j, k, 7) % 1000) / 1000.0 - 1.8
            )))::tinyint
            for j in range({attributes})
        ] as scores,
        if(hash(task, annotator) % 200 = 0, ['not_english'], []::varchar[]) as flags
    from quality
    order by task_id, response_id, annotator
) to '{path}' (format parquet, compression zstd, row_group_size 122880)
"""


TASKS = """
copy (
    select substr(md5(i::varchar), 1, 20) as task_id, unnest([1, 2])::tinyint as position
    from range({first_task}, {last_task}) as numbers (i)
    order by all
) to '{path}' (format parquet, compression zstd)
"""
RECORDS = """
copy (
    select 'a-' || substr(md5(i::varchar), 1, 20) as annotator, hash(i, 8) % 50 > 0 as trusted
    from range({annotators}) as numbers (i)
    order by all
) to '{path}' (format parquet, compression zstd)
"""


def write_ratings(folder: Path, annotations: int) -> None:
    """Write about so many annotations into ``annotations/``, their tasks into ``tasks/``, and the annotators."""
    parts = -(-annotations // PART)
    for name in ("annotations", "tasks"):
        (folder / name).mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute(RECORDS.format(annotators=ANNOTATORS, path=folder / "annotators.parquet"))
        for part in range(parts):
            tasks = annotations // PER_TASK // parts
            sizes = {"first_task": part * tasks, "last_task": (part + 1) * tasks}
            crowd = {"annotators": ANNOTATORS, "attributes": ATTRIBUTES}
            path = folder / "annotations" / f"part-{part:04}.parquet"
            connection.execute(GENERATE.format(**sizes, **crowd, path=path))
            connection.execute(TASKS.format(**sizes, path=folder / "tasks" / path.name))


if __name__ == "__main__":
    write_ratings(Path(sys.argv[1]), int(sys.argv[2]))
