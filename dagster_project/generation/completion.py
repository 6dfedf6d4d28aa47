"""The assistant turns in between: prompts arrive with user turns only, and a model fills the gaps.

Belongs here: which turn comes next in a conversation. Does not belong here: which candidate is the best
(`completion_ranking`), and how it is asked; turns take the same way as responses, with a journal of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_project.generation.answers import Answer
from dagster_project.generation.completion_ranking import Candidate, best_of, likelihood_request
from dagster_project.generation.engine import Cell, Engine
from dagster_project.generation.journal import COMPLETION_FOLDER
from dagster_project.generation.limits.purse import Purse
from dagster_project.generation.progress import Progress
from dagster_project.generation.requests import Message, Request, RequestForm, spec_of
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile

if TYPE_CHECKING:
    from dagster_project.settings import Completion

LIKELIHOOD_FOLDER = "likelihood"


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
    rules: Completion | None = None,
) -> dict[str, Completed]:
    """Put an assistant turn between each two user turns that follow each other.

    All conversations go forward together, a turn at a time: each turn needs those before it. Of several candidates
    for a turn `completion_ranking` takes one. A conversation stops, with the reason, if a turn has no candidate, or
    if what is still missing of its candidates may come with the next run: another one might then be the best.

    Args:
        lake: whose journals are read and written.
        models: endpoints and models.
        model: slug of the model that writes the turns.
        prompt_batch: the batch that the prompts are of.
        conversations: messages by prompt id, the last one the user's.
        progress: told after each turn; its total grows from turn to turn.
        purse: the run's money; None for no limit. A turn that it does not reach has the reason ``budget``.
        rules: how many candidates for each turn, and who says how likely the next turn is; one candidate by default.

    Raises:
        SteerworksError: as `answer_cells`; the turns until then are kept.
    """
    from dagster_project.settings import Completion  # noqa: PLC0415 - curation's settings, which answering does without

    rules = rules or Completion()
    results = {prompt_id: Completed([dict(turn) for turn in turns]) for prompt_id, turns in conversations.items()}
    with Engine(lake, models, progress, purse) as engine:
        engine.run(_write_turns(engine, _Writer(models, model, prompt_batch, rules), results))
    return results


class _Writer:
    """Who writes turns, how many candidates of each, and what is asked about them."""

    def __init__(self, models: ModelsFile, model: str, prompt_batch: str, rules: Completion) -> None:
        self.model = model
        self.prompt_batch = prompt_batch
        self.likelihood_model = rules.likelihood_model if rules.candidates > 1 else None
        self._candidates = rules.candidates
        self._models = models
        samples = {"samples": rules.candidates}
        spec = spec_of(models, model).model_copy(update=samples)
        self._form = RequestForm(models.model_copy(update={"models": {**models.models, model: spec}}), model)

    def turns(self, prompt_id: str, conversation: Sequence[Message]) -> list[Request]:
        """Return the requests for all candidates of the turn after a conversation."""
        return [
            self._form.request(self.prompt_batch, prompt_id, conversation, sample_index)
            for sample_index in range(self._candidates)
        ]

    def likelihood(self, prompt_id: str, conversation: Sequence[Message], text: str, next_turn: str) -> Request:
        """Return the request for the likelihood of a user's turn after a candidate."""
        turns = [*conversation, {"role": "assistant", "content": text}]
        model = self.likelihood_model or self.model
        return likelihood_request(self._models, model, self.prompt_batch, prompt_id, turns, next_turn)


async def _write_turns(engine: Engine, writer: _Writer, results: dict[str, Completed]) -> None:
    async with engine.cell(Cell(writer.model, writer.prompt_batch), COMPLETION_FOLDER) as cell:
        while gaps := _first_gaps(results):
            requests = {
                prompt_id: writer.turns(prompt_id, results[prompt_id].messages[:gap])  # type: ignore[index]
                for prompt_id, gap in gaps.items()
            }
            answers = await cell.settle_some([each for some in requests.values() for each in some])
            candidates = {key: [answers[each.request_hash] for each in some] for key, some in requests.items()}
            likelihoods = await _likelihoods(engine, writer, results, gaps, candidates)
            for prompt_id, gap in gaps.items():
                results[prompt_id] = _with_turn(
                    results[prompt_id], gap, writer.model, candidates[prompt_id], likelihoods.get(prompt_id, {})
                )


async def _likelihoods(
    engine: Engine,
    writer: _Writer,
    results: Mapping[str, Completed],
    gaps: Mapping[str, int],
    candidates: Mapping[str, Sequence[Answer]],
) -> dict[str, dict[str, Answer]]:
    """Return, by prompt id and by a candidate's text, what is said of the likelihood of the user's next turn."""
    if writer.likelihood_model is None:
        return {}
    asked: dict[str, dict[str, Request]] = {}
    for prompt_id, gap in gaps.items():
        messages = results[prompt_id].messages or []
        texts = {answer.response for answer in candidates[prompt_id] if answer.response is not None}
        if len(texts) > 1:
            asked[prompt_id] = {
                text: writer.likelihood(prompt_id, messages[:gap], text, messages[gap]["content"])
                for text in sorted(texts)
            }
    requests = [request for by_text in asked.values() for request in by_text.values()]
    if not requests:
        return {}
    async with engine.cell(Cell(writer.likelihood_model, writer.prompt_batch), LIKELIHOOD_FOLDER) as cell:
        answers = await cell.settle_some(requests)
    return {
        prompt_id: {text: answers[request.request_hash] for text, request in by_text.items()}
        for prompt_id, by_text in asked.items()
    }


def _first_gaps(conversations: Mapping[str, Completed]) -> dict[str, int]:
    """Return the place of the first gap of each conversation that has one."""
    gaps = {key: _first_gap(each.messages) for key, each in conversations.items() if each.messages}
    return {key: gap for key, gap in gaps.items() if gap}


def _first_gap(messages: Sequence[Message]) -> int | None:
    """Return the place before which an assistant turn is missing."""
    for place in range(1, len(messages)):
        if messages[place - 1]["role"] == messages[place]["role"] == "user":
            return place
    return None


def _with_turn(
    conversation: Completed, gap: int, model: str, answers: Sequence[Answer], likelihoods: Mapping[str, Answer]
) -> Completed:
    """Put the best candidate into a gap; or say why that cannot be."""
    messages = conversation.messages or []
    waited_for = [each for each in [*answers, *likelihoods.values()] if each.answered_at is None]
    whole = [answer for answer in answers if answer.status == "ok" and answer.response is not None]
    if waited_for or not whole:
        return Completed(None, (waited_for or [*answers])[0].reason)
    best = whole[best_of([_candidate(answer, likelihoods) for answer in whole], messages[:gap])]
    turn = {"role": "assistant", "content": best.response or ""}
    return Completed(
        [*messages[:gap], turn, *messages[gap:]],
        model=model,
        licence=conversation.licence or best.licence,
        may_train=best.outputs_may_train and conversation.may_train is not False,
    )


def _candidate(answer: Answer, likelihoods: Mapping[str, Answer]) -> Candidate:
    text = answer.response or ""
    said = likelihoods.get(text)
    likelihood = float(said.response) if said and said.response else None
    return Candidate(text, answer.finish_reason == "length", likelihood)
