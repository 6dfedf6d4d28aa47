"""Asking about prompts on behalf of curation: embeddings, and a judge's verdicts.

They take the same way as responses, with journals of their own: what was answered once is never asked again, whatever
became of the run. Belongs here: the requests, and having many of them settled. Does not belong here: what
the answers mean for a prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer
from dagster_project.generation.engine import Cell, Engine
from dagster_project.generation.limits.purse import Purse
from dagster_project.generation.progress import Progress
from dagster_project.generation.replies import unpacked
from dagster_project.generation.requests import EMBEDDINGS, Message, Request, RequestForm, spec_of
from dagster_project.identity import digest
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile

REQUESTS_AT_A_TIME = 2_000
EMBEDDING_FOLDER, JUDGING_FOLDER = "embedding", "judging"


@dataclass(frozen=True)
class Embedding:
    """The vector of one text, or the reason why the endpoint gives none; ``request_hash`` is over text and model."""

    request_hash: str
    vector: Sequence[float] | None
    reason: str | None


class UnfinishedError(SteerworksError):
    """Some questions have no final answer yet; the next run asks for them."""


def embed(
    lake: Lake,
    models: ModelsFile,
    model: str,
    prompt_batch: str,
    texts: Mapping[str, str],
    progress: Progress,
    purse: Purse | None = None,
    take: Callable[[str, Embedding], None] | None = None,
) -> None:
    """Have each text embedded, and give the embeddings on as they are there, in the order of the texts.

    Args:
        lake: whose journals are read and written.
        models: endpoints and models; `for_curation` where the model is one of curation's.
        model: slug of the embedding model.
        prompt_batch: whose journal takes the answers.
        texts: by key, which is a prompt id.
        progress: told after each answer.
        purse: the run's money; None for no limit.
        take: is given each text's key and its embedding. Without it the embeddings only come to be known.

    Raises:
        UnfinishedError: the money did not reach for all, or tries were used up; what was answered is kept.
        SteerworksError: as `answer_cells`.
    """

    def give(request: Request, answer: Answer) -> None:
        if take is None:
            return
        vector = None if answer.response is None else unpacked(answer.response)
        take(request.prompt_id, Embedding(request.request_hash, vector, answer.reason))

    requests = (embedding_request(models, model, prompt_batch, key, text) for key, text in texts.items())
    _settle(lake, models, Cell(model, prompt_batch), EMBEDDING_FOLDER, requests, progress, purse, give)


def embedding_request(models: ModelsFile, model: str, prompt_batch: str, prompt_id: str, text: str) -> Request:
    """Render the request for one embedding; its hash covers the text, and the model as `RequestForm` knows it."""
    spec = spec_of(models, model)
    asked = {"embedding_of": text, "endpoint": spec.endpoint, "name": spec.name, "revision": spec.revision}
    return Request(
        model=model,
        prompt_batch=prompt_batch,
        prompt_id=prompt_id,
        sample_index=0,
        body={"model": spec.name, "input": text},
        parameters="{}",
        conversation_hash=digest(text),
        request_hash=digest(asked),
        max_tokens=0,
        route=EMBEDDINGS,
    )


def judge(
    lake: Lake,
    models: ModelsFile,
    model: str,
    prompt_batch: str,
    conversations: Mapping[str, Sequence[Message]],
    progress: Progress,
    purse: Purse | None = None,
) -> dict[str, Answer]:
    """Return what a judge says to each conversation, by prompt id.

    Raises:
        UnfinishedError: as `embed`.
        SteerworksError: as `answer_cells`.
    """
    form = RequestForm(models, model)
    said: dict[str, Answer] = {}

    def take(request: Request, answer: Answer) -> None:
        said[request.prompt_id] = answer

    requests = (form.request(prompt_batch, prompt_id, turns) for prompt_id, turns in conversations.items())
    _settle(lake, models, Cell(model, prompt_batch), JUDGING_FOLDER, requests, progress, purse, take)
    return said


def _settle(
    lake: Lake,
    models: ModelsFile,
    cell: Cell,
    purpose: str,
    requests: Iterator[Request],
    progress: Progress,
    purse: Purse | None,
    take: Callable[[Request, Answer], None],
) -> None:
    """Have requests settled, some at a time, and give each with its final answer."""
    first = list(islice(requests, 1))
    if not first:
        return
    open_ones: list[str] = []

    async def work(engine: Engine) -> None:
        async with engine.cell(cell, purpose) as opened:
            for some in _portions(first, requests):
                answers = await opened.settle_some(some)
                for request in some:
                    answer = answers[request.request_hash]
                    if answer.answered_at is None:
                        open_ones.append(answer.reason or "unknown")
                    else:
                        take(request, answer)

    with Engine(lake, models, progress, purse) as engine:
        engine.run(work(engine))
    if open_ones:
        reasons = ", ".join(f"{open_ones.count(reason)} {reason}" for reason in sorted(set(open_ones)))
        raise UnfinishedError(
            f"model `{cell.model}`: {purpose} of the batch `{cell.prompt_batch}` is not finished ({reasons}). "
            "Run again, with more money if that was it: what was answered is kept, and only the rest is asked."
        )


def _portions(first: list[Request], rest: Iterable[Request]) -> Iterator[list[Request]]:
    requests = iter(rest)
    portion = first + list(islice(requests, REQUESTS_AT_A_TIME - len(first)))
    while portion:
        yield portion
        portion = list(islice(requests, REQUESTS_AT_A_TIME))
