"""Which cells still lack an answer, asked of the lake.

Belongs here: the question. Does not belong here: who fills them, and when.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from dagster_project.generation.requests import spec_of
from dagster_project.lake import Lake, Session
from dagster_project.settings import ModelsFile


def unfilled_cells(lake: Lake, models: ModelsFile, slugs: Sequence[str]) -> list[tuple[str, str]]:
    """Return model and prompt batch of each cell that lacks a settled answer to a selected prompt and sample.

    An answer is settled if the next run would not ask again: not if the money or the tries ran out,
    and not if it is to another conversation than the one selected now. A batch without
    `selected_prompts` has no cells yet.

    Args:
        lake: where `selected_prompts` and `responses` are read.
        models: endpoints and models, for the number of samples.
        slugs: the models to look at.

    Raises:
        SteerworksError: no model has one of the slugs.
    """
    samples = [{"model": slug, "samples": spec_of(models, slug).samples} for slug in slugs]
    schema = pa.schema([("model", pa.string()), ("samples", pa.int32())])
    with Session() as session:
        session.table(lake, "selected_prompts")
        session.table(lake, "responses")
        session.frame("models", pa.Table.from_pylist(samples, schema))
        return session.query("responses/unfilled_cells").rows()
