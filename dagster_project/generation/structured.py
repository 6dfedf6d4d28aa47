"""Questions with answers of a given shape, such as a judge's ratings.

Belongs here: asking them on the way that responses take, with a journal of their own. Does not belong here: what is
asked, and what an answer means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.generation.answers import Answer
from dagster_project.generation.engine import Cell, Engine
from dagster_project.generation.limits.purse import Purse
from dagster_project.generation.progress import Progress
from dagster_project.generation.requests import Message, Request, RequestForm
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile

STRUCTURED_FOLDER = "structured"
QUESTIONS_AT_ONCE = 1000


def ask_structured(
    lake: Lake,
    models: ModelsFile,
    model: str,
    group: str,
    questions: Mapping[str, tuple[Sequence[Message], Mapping[str, Any]]],
    progress: Progress,
    purse: Purse | None = None,
) -> dict[str, Answer]:
    """Return a model's answer to each question; what was answered before is not asked again.

    Args:
        lake: whose journals are read and written.
        models: endpoints and models.
        model: slug of the model that answers.
        group: what the questions have in common; names their journal.
        questions: by id, the messages and the shape of the answer (the chat API's ``response_format``).
        progress: told after each answer.
        purse: the run's money; None for no limit.

    Raises:
        SteerworksError: as `answer_cells`; the answers until then are kept.
    """
    form = RequestForm(models, model)
    requests = [
        form.request(group, name, messages, response_format=shape) for name, (messages, shape) in questions.items()
    ]
    answers: dict[str, Answer] = {}
    with Engine(lake, models, progress, purse) as engine:
        engine.run(_answer(engine, Cell(model, group), requests, answers))
    return answers


async def _answer(engine: Engine, asked: Cell, requests: list[Request], answers: dict[str, Answer]) -> None:
    async with engine.cell(asked, STRUCTURED_FOLDER) as cell:
        for start in range(0, len(requests), QUESTIONS_AT_ONCE):
            some = requests[start : start + QUESTIONS_AT_ONCE]
            found = await cell.settle_some(some)
            answers.update({request.prompt_id: found[request.request_hash] for request in some})
