"""Does the `responses` table say what the journals say? Belongs here: the comparison, cell by cell."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dagster_project.generation.batches.log import BatchLog
from dagster_project.generation.claims import Claims
from dagster_project.generation.journal import journal_path, while_idle
from dagster_project.generation.known import KnownAnswers
from dagster_project.generation.requests import Request, RequestForm
from dagster_project.generation.table import PROMPTS_AT_A_TIME, Unsettled, rows_as_journalled
from dagster_project.lake import Lake, Session
from dagster_project.settings import ModelsFile


@dataclass(frozen=True)
class CellCount:
    """The requests of one cell: ``wanted`` are ``present`` (answered), ``failed`` for good, or ``missing``.

    Of those missing, ``in_batches`` are out with a Batch API. ``differing`` rows of the table are not as the journals
    have them, or lack; if the cell is ``at_work``, a run is about to write it anew. ``unwanted`` rows are as the
    journals have them, but no longer asked for: their prompt is not selected any more, the model has fewer samples, or
    it is asked otherwise now.
    """

    model: str
    prompt_batch: str
    wanted: int
    present: int
    failed: int
    missing: int
    in_batches: int
    unwanted: int
    differing: int
    at_work: bool = False


def verify_responses(lake: Lake, models: ModelsFile, cells: Iterable[tuple[str, str]]) -> Iterator[CellCount]:
    """Compare the table with the journals, for each of some cells, given as model and prompt batch.

    Raises:
        SteerworksError: a batch has no `selected_prompts`, a model is unknown, or a journal's line is no answer.
    """
    known = KnownAnswers(lake.root)
    claims = Claims(lake.root, known)
    try:
        for model, prompt_batch in cells:
            yield _compare(lake, RequestForm(models, model), prompt_batch, known, claims)
    finally:
        claims.close()
        known.close()


def _compare(lake: Lake, form: RequestForm, prompt_batch: str, known: KnownAnswers, claims: Claims) -> CellCount:
    cell = {"model": form.model, "prompt_batch": prompt_batch}
    own = journal_path(lake.root, form.model, prompt_batch)
    known.refresh(own)
    unsettled = Unsettled(form.spec)
    unsettled.pending |= BatchLog(own).requests_outstanding
    wanted = _noting_what_is_out(form.of_cell(lake, prompt_batch, PROMPTS_AT_A_TIME), unsettled, claims)
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        session.table(lake, "responses", cell)
        for name, requests in (("journalled", wanted), ("journalled_before", _no_longer_wanted(session))):
            expected = Lake(Path(folder) / name)
            with expected.streaming("responses", cell) as write:
                for rows in rows_as_journalled(requests, own, known, unsettled):
                    write(rows)
            session.table(expected, "responses", cell, name=name)
        rows = session.query("responses/compare_with_journal").rows(named=True)
    count = CellCount(**rows[0]) if rows else CellCount(form.model, prompt_batch, 0, 0, 0, 0, 0, 0, 0)
    with while_idle(own) as idle:
        return replace(count, at_work=not idle)


def _noting_what_is_out(
    lists: Iterable[list[Request]], unsettled: Unsettled, claims: Claims
) -> Iterator[list[Request]]:
    """Yield lists of requests, after it was noted which of them are out with a Batch API."""
    for requests in lists:
        unsettled.pending |= claims.handed_in([request.request_hash for request in requests])
        yield requests


def _no_longer_wanted(session: Session) -> Iterator[list[Request]]:
    """Yield what rows of the table were asked with that are not wanted any more; their bodies are not known."""
    rows = session.query("responses/no_longer_wanted")
    for some in rows.iter_slices(PROMPTS_AT_A_TIME):
        yield [Request(**row, body={}, parameters="", max_tokens=0) for row in some.iter_rows(named=True)]
