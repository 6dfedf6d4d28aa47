"""Which cells still lack an answer, and why, asked of the lake.

Belongs here: the questions. Does not belong here: who fills them, and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import pyarrow as pa

from dagster_project.generation.requests import RequestForm
from dagster_project.lake import Lake, Session
from dagster_project.settings import ModelsFile

_ASKED = pa.schema(
    [
        ("model", pa.string()),
        ("endpoint", pa.string()),
        ("model_name", pa.string()),
        ("revision", pa.string()),
        ("sample_index", pa.int32()),
        ("parameters", pa.string()),
    ]
)


def unfilled_cells(lake: Lake, models: ModelsFile, slugs: Sequence[str]) -> list[tuple[str, str]]:
    """Return model and prompt batch of each cell that lacks settled answers, in the order of the models.

    One selected prompt without an answer to one of its samples is enough. An answer is settled if the next run would
    not ask again: not if the money or the tries ran out, and not if it is to another conversation than the one selected
    now, or was asked of another endpoint or revision or with other sampling parameters than the model has now. A batch
    without `selected_prompts` has no cells yet.

    Args:
        lake: where `selected_prompts` and `responses` are read.
        models: endpoints and models, for what is asked now.
        slugs: the models to look at.

    Raises:
        SteerworksError: no model has one of the slugs.
    """
    asked = [each for slug in slugs for each in _asked(RequestForm(models, slug))]
    with Session() as session:
        session.table(lake, "selected_prompts")
        session.table(lake, "responses")
        session.frame("models", pa.Table.from_pylist(asked, _ASKED))
        cells = session.query("responses/unfilled_cells").rows()
    return sorted(cells, key=lambda cell: slugs.index(cell[0]))


def unsettled_reasons(lake: Lake, cells: Collection[tuple[str, str]]) -> Counter[str]:
    """Return why requests of some cells, given as model and prompt batch, have no settled answer, and how many.

    A cell that was never asked has no reasons.
    """
    with Session() as session:
        session.table(lake, "responses")
        rows = session.query("responses/unsettled_reasons").rows()
    reasons: Counter[str] = Counter()
    for model, prompt_batch, reason, count in rows:
        if (model, prompt_batch) in cells:
            reasons[reason] += count
    return reasons


def _asked(form: RequestForm) -> list[dict[str, object]]:
    """Return what each sample of a model is asked with, as the table keeps it."""
    spec = form.spec
    shared = {"model": form.model, "endpoint": spec.endpoint, "model_name": spec.name, "revision": spec.revision}
    return [{**shared, "sample_index": index, "parameters": each} for index, each in enumerate(form.parameters)]
