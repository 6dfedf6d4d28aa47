"""Does the `responses` table say what the journals say? Belongs here: the comparison, cell by cell."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dagster_project.generation.journal import journal_path
from dagster_project.generation.known import KnownAnswers
from dagster_project.generation.requests import RequestForm
from dagster_project.generation.table import rows_of_cell
from dagster_project.lake import Lake, Session
from dagster_project.settings import ModelsFile


@dataclass(frozen=True)
class CellCount:
    """The requests of one cell: ``wanted`` are ``present`` (answered), ``failed`` for good, or ``missing``.

    ``differing`` rows of the table are not as the journals have them, are there without being wanted, or lack.
    """

    model: str
    prompt_batch: str
    wanted: int
    present: int
    failed: int
    missing: int
    differing: int


def verify_responses(lake: Lake, models: ModelsFile, cells: Iterable[tuple[str, str]]) -> Iterator[CellCount]:
    """Compare the table with the journals, for each of some cells, given as model and prompt batch.

    Raises:
        SteerworksError: a batch has no `selected_prompts`, a model is unknown, or a journal's line is no answer.
    """
    known = KnownAnswers(lake.root)
    try:
        for model, prompt_batch in cells:
            yield _compare(lake, RequestForm(models, model), prompt_batch, known)
    finally:
        known.close()


def _compare(lake: Lake, form: RequestForm, prompt_batch: str, known: KnownAnswers) -> CellCount:
    known.refresh(journal_path(lake.root, form.model, prompt_batch))
    cell = {"model": form.model, "prompt_batch": prompt_batch}
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        expected = Lake(Path(folder))
        with expected.streaming("responses", cell) as write:
            for rows in rows_of_cell(lake, form, prompt_batch, known):
                write(rows)
        session.table(expected, "responses", cell, name="journalled")
        session.table(lake, "responses", cell)
        rows = session.query("responses/compare_with_journal").rows(named=True)
    return CellCount(**rows[0]) if rows else CellCount(form.model, prompt_batch, 0, 0, 0, 0, 0)
