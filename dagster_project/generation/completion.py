"""The assistant turns in between: prompts arrive with user turns only, and a model fills the gaps.

Belongs here: which turn comes next in a conversation. Does not belong here: how it is asked;
turns take the same way as responses, with a journal of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dagster_project.generation.answers import Answer
from dagster_project.generation.engine import Cell, Engine
from dagster_project.generation.journal import COMPLETION_FOLDER
from dagster_project.generation.limits.budget import Purse
from dagster_project.generation.progress import Progress
from dagster_project.generation.requests import Message, Request, RequestForm
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile


@dataclass(frozen=True)
class Completed:
    """A whole conversation that ends with the user, or the reason why there is none.

    ``model`` is the slug of the model that wrote turns of it, and None if none did. ``licence`` is the
    model's on the day of its first turn; ``may_train`` says whether its terms let the outputs of
    each day train other models.
    """

    messages: list[dict[str, str]] | None
    reason: str | None = None
    model: str | None = None
    licence: str | None = None
    may_train: bool | None = None


def complete_conversations(
    lake: Lake,
    models: ModelsFile,
    model: str,
    prompt_batch: str,
    conversations: Mapping[str, Sequence[Message]],
    progress: Progress,
    purse: Purse | None = None,
) -> dict[str, Completed]:
    """Put an assistant turn between each two user turns that follow each other.

    All conversations go forward together, a turn at a time: each turn needs those before it. A
    conversation whose turn fails stops there, with the reason.

    Args:
        lake: whose journals are read and written.
        models: endpoints and models.
        model: slug of the model that writes the turns.
        prompt_batch: the batch that the prompts are of.
        conversations: messages by prompt id, the last one the user's.
        progress: told after each turn; its total grows from turn to turn.
        purse: the run's money; None for no limit. A turn that it does not reach has the reason ``budget``.

    Raises:
        SteerworksError: as `answer_cells`; the turns until then are kept.
    """
    form = RequestForm(models, model)
    results = {prompt_id: Completed([dict(turn) for turn in turns]) for prompt_id, turns in conversations.items()}
    with Engine(lake, models, progress, purse) as engine:
        engine.run(_write_turns(engine, form, prompt_batch, results))
    return results


async def _write_turns(engine: Engine, form: RequestForm, prompt_batch: str, results: dict[str, Completed]) -> None:
    async with engine.cell(Cell(form.model, prompt_batch), COMPLETION_FOLDER) as cell:
        while requests := _next_requests(form, prompt_batch, results):
            answers = await cell.settle_some(requests)
            for request in requests:
                conversation = results[request.prompt_id]
                results[request.prompt_id] = _with_turn(conversation, form.model, answers[request.request_hash])


def _next_requests(form: RequestForm, prompt_batch: str, conversations: Mapping[str, Completed]) -> list[Request]:
    """One request for each conversation that still has a gap: for the turn that comes first."""
    return [
        form.request(prompt_batch, prompt_id, conversation.messages[:gap])
        for prompt_id, conversation in conversations.items()
        if conversation.messages and (gap := _first_gap(conversation.messages))
    ]


def _first_gap(messages: Sequence[Message]) -> int | None:
    """Return the place before which an assistant turn is missing."""
    for place in range(1, len(messages)):
        if messages[place - 1]["role"] == messages[place]["role"] == "user":
            return place
    return None


def _with_turn(conversation: Completed, model: str, answer: Answer) -> Completed:
    if answer.status != "ok" or answer.response is None or conversation.messages is None:
        return Completed(None, answer.reason)
    gap = _first_gap(conversation.messages)
    turn = {"role": "assistant", "content": answer.response}
    messages = [*conversation.messages[:gap], turn, *conversation.messages[gap:]]
    return Completed(
        messages,
        model=model,
        licence=conversation.licence or answer.licence,
        may_train=answer.outputs_may_train and conversation.may_train is not False,
    )
