"""Lines of JSON in Steerworks' own shape, sorted many at a time, and one by one where there is any doubt.

Belongs here: which lines go which way, and that the next ones are looked at meanwhile. Does not belong here: which
lines are beyond doubt (`bulk`), or what a line breaks (`sorting`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from dagster_project.vendors.bulk import Bulk, Sure
from dagster_project.vendors.formats import Found
from dagster_project.vendors.jsonl import LineBlock, line_blocks, read_line
from dagster_project.vendors.sorted_rows import SortedRows

BLOCKS_AT_ONCE = 2


@dataclass(frozen=True)
class LineSorter:
    """How a file's lines are sorted: by ``bulk`` if they are beyond doubt, and if not by ``sort_one``.

    Lines by ``withdrawn_workers``, who are named by their pseudonyms, are looked at one by one.
    """

    bulk: Bulk
    sort_one: Callable[[SortedRows, Found], None]
    withdrawn_workers: frozenset[str]

    def sort(self, path: Path) -> Iterator[tuple[SortedRows, int]]:
        """Yield the annotations of some megabytes at a time, and the number of the last line of them."""
        waiting: deque[tuple[LineBlock, Future[Sure | None]]] = deque()
        with ThreadPoolExecutor(BLOCKS_AT_ONCE) as threads:
            for block in line_blocks(path):
                waiting.append((block, threads.submit(self.bulk.accept, block)))
                if len(waiting) > BLOCKS_AT_ONCE:
                    yield from self._sort_block(*waiting.popleft())
            while waiting:
                yield from self._sort_block(*waiting.popleft())

    def _sort_block(self, block: LineBlock, looked_at: Future[Sure | None]) -> Iterator[tuple[SortedRows, int]]:
        rows, sure = SortedRows(), self._without_withdrawn(looked_at.result())
        places = pl.Series(dtype=pl.Int64)
        if sure is not None and sure.rows:
            places = pl.concat([frame["place"].cast(pl.Int64) for frame in sure.rows])
            _take(rows, sure, block.first)
        if len(places) < block.count:
            self._sort_others(rows, block, places)
        if rows.accepted or rows.broken or rows.many:
            yield rows, block.first + block.count - 1

    def _sort_others(self, rows: SortedRows, block: LineBlock, taken: pl.Series) -> None:
        lines = block.lines()
        places = pl.Series(range(len(lines)), dtype=pl.Int64)
        for place in places.filter(~places.is_in(taken.implode())):
            if lines[place].strip():
                number = block.first + place
                self.sort_one(rows, Found(number, number, read_line(lines[place])))

    def _without_withdrawn(self, sure: Sure | None) -> Sure | None:
        if sure is None or not self.withdrawn_workers:
            return sure
        allowed = [frame.filter(~pl.col("annotator").is_in(self.withdrawn_workers)) for frame in sure.rows]
        return replace(sure, rows=[frame for frame in allowed if frame.height])


def _take(rows: SortedRows, sure: Sure, first: int) -> None:
    rows.fields.update(sure.fields)
    rows.first_campaign = min(sure.rows, key=lambda frame: frame["place"][0])["campaign"][0]
    for frame in sure.rows:
        workers = frame["worker"].unique().to_list()
        rows.workers.update(workers)
        rows.names.update(workers)
        number = (pl.col("place").cast(pl.Int64) + first).alias("row_number")
        rows.many.append(frame.with_columns(number, number.alias("source_row")).drop("worker", "place"))
