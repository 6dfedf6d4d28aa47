"""What filling cells would take, before anything is asked: requests, tokens, money.

Belongs here: the estimate. Does not belong here: asking, and limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dagster_project.generation.batches.log import BatchLog
from dagster_project.generation.claims import Claims
from dagster_project.generation.journal import journal_path
from dagster_project.generation.known import KnownAnswers
from dagster_project.generation.prices import cost_usd, highest_cost_usd
from dagster_project.generation.requests import Request, RequestForm
from dagster_project.generation.table import PROMPTS_AT_A_TIME
from dagster_project.lake import Lake, Session
from dagster_project.settings import ModelsFile


@dataclass
class Estimate:
    """What one model would be asked for in some cells.

    ``prompt_tokens`` are guessed from the length of the prompts; ``completion_tokens`` and ``usd`` from the model's
    answers so far, ``answers_so_far`` of them, or from ``max_tokens`` if there are none. More than ``most_usd`` it
    cannot cost, as long as the endpoint counts no more tokens than ``max_tokens`` and the prompt's bytes allow.
    """

    model: str
    answers_so_far: int
    mean_completion_tokens: float
    cells: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    most_usd: float = 0.0


def estimate(lake: Lake, models: ModelsFile, cells: Iterable[tuple[str, str]]) -> list[Estimate]:
    """Return what filling some cells, given as model and prompt batch, would take, by model.

    Raises:
        SteerworksError: a batch has no `selected_prompts`, a model is unknown, or a journal's line is no answer.
    """
    known = KnownAnswers(lake.root, lambda _: None)  # the run itself says what it leaves out
    claims = Claims(lake.root, known)
    estimates: dict[str, Estimate] = {}
    try:
        for model, prompt_batch in cells:
            form = RequestForm(models, model)
            if model not in estimates:
                estimates[model] = _so_far(lake, form)
            _add_cell(estimates[model], lake, form, prompt_batch, known, claims)
    finally:
        claims.close()
        known.close()
    return list(estimates.values())


def _so_far(lake: Lake, form: RequestForm) -> Estimate:
    with Session() as session:
        session.table(lake, "responses", {"model": form.model})
        rows = session.query("responses/mean_completion").rows(named=True)
    if not rows:
        return Estimate(form.model, 0, form.spec.sampling.most_tokens)
    return Estimate(form.model, rows[0]["answers"], rows[0]["mean_completion_tokens"])


def _add_cell(
    sums: Estimate, lake: Lake, form: RequestForm, prompt_batch: str, known: KnownAnswers, claims: Claims
) -> None:
    own = journal_path(lake.root, form.model, prompt_batch)
    known.refresh(own)
    out = BatchLog(own).requests_outstanding
    sums.cells += 1
    for requests in form.of_cell(lake, prompt_batch, PROMPTS_AT_A_TIME):
        hashes = [request.request_hash for request in requests]
        not_asked = known.statuses(own, hashes).keys() | out | claims.handed_in(hashes)
        for request in requests:
            if request.request_hash not in not_asked:
                _add_request(sums, form, request)


def _add_request(sums: Estimate, form: RequestForm, request: Request) -> None:
    read, written = request.likely_prompt_tokens, round(sums.mean_completion_tokens)
    sums.requests += 1
    sums.prompt_tokens += read
    sums.completion_tokens += written
    usd = cost_usd(form.spec.prices, read, written)
    sums.usd += usd
    sums.most_usd += max(usd, highest_cost_usd(form.spec.prices, request))
