"""Many small cells: what a cell costs by itself, and how long the UI takes to open the partitions page."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figures import Row
from bench.run import Run, ask, audited, configure
from bench.server import serve
from bench.steerworks import backfill, home_environment
from bench.webserver import partitions_page
from bench.workload import Workload

MODELS = 10
BATCHES = 50
FULL_BATCHES = 500
PROMPTS = 4


def cells(run: Run) -> Iterator[Row]:
    """Backfill all models over all batches, then open the page."""
    batches = FULL_BATCHES if run.full else max(2, round(BATCHES * run.scale))
    workload = Workload(PROMPTS, batches=batches, models=MODELS)
    home = run.fresh_home(workload)
    with serve({}) as server:
        configure(home, workload, server, in_flight=100)
        asked = ask(server, backfill(), home_environment(home))
        count = MODELS * batches
        figures = {**asked.figures, **audited(home, workload)}
        figures["ms a cell"] = asked.finished.wall / count * 1000
        figures["CPU ms a cell"] = asked.finished.cpu / count * 1000
        yield Row(f"{count:,} cells", figures, problem=asked.finished.problem)
        page = partitions_page(home, f"{workload.slugs[0]}|{workload.batch_names[0]}")
    yield Row(f"partitions page, {count:,} cells", page)
    run.discard(home)
