"""Tasks over responses that exist already: one JSON Lines file a campaign.

Belongs here: the shape of such a file, and reading it. Does not belong here: pairing generated
responses, or freezing (`tasks`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from dagster_project.errors import SteerworksError
from dagster_project.identity import digest, stable_id
from dagster_project.settings.yaml_file import Strict
from dagster_project.withdrawn import Register

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/-]{1,128}$")]
Problem = tuple[int, str]
SHOWN_PROBLEMS = 20
_PLAIN_RULES = {
    "extra_forbidden": "no such field here; check the spelling",
    "missing": "this field is missing",
    "string_pattern_mismatch": "an id has 1 to 128 of the characters A-Z a-z 0-9 . _ : / -",
}


class Message(Strict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class ImportedResponse(Strict):
    """A response, and the model that wrote it with its terms, as far as they are known.

    Without a model's terms its responses can be rated, and not released.
    """

    response_id: Id
    response: str
    model: str | None = Field(default=None, min_length=1)
    licence: str | None = Field(default=None, min_length=1)
    outputs_may_train: bool | None = None


class ImportedTask(Strict):
    """One line of the file. A ``prompt`` is short for a conversation of one user turn."""

    task_id: Id
    prompt_id: Id | None = None
    prompt: str | None = Field(default=None, min_length=1)
    messages: tuple[Message, ...] | None = None
    source: str = Field(default="unknown", min_length=1)
    licence: str = Field(default="unknown", min_length=1)
    responses: tuple[ImportedResponse, ...]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either `prompt` or `messages`, and not both")
        if self.messages is not None and (not self.messages or self.messages[-1].role != "user"):
            raise ValueError("the last of `messages` must be the user's: a response answers it")
        if not 1 <= len(self.responses) <= 2:
            raise ValueError("`responses` must hold one or two: as many as are shown at once")
        if len({response.response_id for response in self.responses}) < len(self.responses):
            raise ValueError("the two responses have the same response_id")
        return self

    @property
    def conversation(self) -> list[dict[str, str]]:
        """The conversation up to the response."""
        if self.messages is None:
            return [{"role": "user", "content": self.prompt or ""}]
        return [message.model_dump() for message in self.messages]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the task's columns of the table ``annotation_tasks`` that do not depend on the campaign."""
        messages = self.conversation
        for position, response in enumerate(self.responses, start=1):
            yield {
                "task_id": self.task_id,
                "position": position,
                "prompt_id": self.prompt_id or stable_id("p", messages),
                "response_id": response.response_id,
                "messages": messages,
                "response": response.response,
                "model": response.model,
                "model_licence": response.licence,
                "outputs_may_train": response.outputs_may_train,
                "source": self.source,
                "source_licence": self.licence,
            }


def read_imported(path: Path, taken: Set[str], register: Register) -> list[dict[str, Any]]:
    """Return the file's rows; ``taken`` are the task ids of other campaigns, ``register`` knows withdrawn prompts.

    Raises:
        SteerworksError: the file is absent, empty or not UTF-8, or rows of it break a rule; up to
            twenty of them are named with their row number and rule.
    """
    problems: list[Problem] = []
    rows = [row for task in _valid_tasks(path, _Ledger(taken, register), problems) for row in task.rows()]
    if problems:
        listed = "\n".join(f"{path}, row {number}: {rule}." for number, rule in problems[:SHOWN_PROBLEMS])
        more = len(problems) - SHOWN_PROBLEMS
        rest = f"\n… and {more} more." if more > 0 else ""
        raise SteerworksError(f"{listed}{rest}\nMend these rows, and start again; no task was frozen.")
    if not rows:
        raise SteerworksError(f"{path}: holds no task. Write one JSON object a line, and start again.")
    return rows


def require_not_withdrawn(task: ImportedTask, register: Register) -> None:
    """Raise ValueError if a task asks about a prompt that was withdrawn."""
    from dagster_project.curation.sealing import letters_of  # noqa: PLC0415 - few registers name prompts

    if register.knows_prompts and register.refuses(letters_of(task.conversation)):
        raise ValueError("its prompt was withdrawn by a legal request; take the row out of the file")


class _Ledger:
    """What earlier rows of the file claimed, so that no id stands for two things, and what must not come back."""

    def __init__(self, taken: Set[str], register: Register) -> None:
        self.taken = taken
        self.register = register
        self.tasks: dict[str, int] = {}
        self.responses: dict[str, tuple[int, str]] = {}

    def enter(self, number: int, task: ImportedTask) -> None:
        """Note a row's ids.

        Raises:
            ValueError: one of them is taken, or the prompt was withdrawn.
        """
        require_not_withdrawn(task, self.register)
        if task.task_id in self.taken:
            raise ValueError(f"task_id: `{task.task_id}` is a task of another campaign; give it another id")
        if (first := self.tasks.setdefault(task.task_id, number)) != number:
            raise ValueError(f"task_id: `{task.task_id}` stands in row {first} already; each task is one row")
        for response in task.responses:
            meant = digest([task.conversation, response.model_dump()])
            first, known = self.responses.setdefault(response.response_id, (number, meant))
            if known != meant:
                raise ValueError(f"response_id: `{response.response_id}` stands for another response in row {first}")


def _valid_tasks(path: Path, ledger: _Ledger, problems: list[Problem]) -> Iterator[ImportedTask]:
    for number, line in _lines(path):
        try:
            task = ImportedTask.model_validate(_object(line))
            ledger.enter(number, task)
        except ValidationError as error:
            problems.append((number, "; ".join(_rule(dict(problem)) for problem in error.errors())))
        except ValueError as error:
            problems.append((number, str(error)))
        else:
            yield task


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())
    except FileNotFoundError:
        raise SteerworksError(
            f"{path}: no such file. A campaign names it under `imported`, as a path from the project's root."
        ) from None
    except UnicodeDecodeError:
        raise SteerworksError(f"{path}: not UTF-8. Save it as UTF-8, and start again; no task was frozen.") from None


def _object(line: str) -> Any:
    try:
        content = json.loads(line)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("not JSON; write one object a line") from None
    if not isinstance(content, dict):
        raise ValueError("JSON, but not an object; write one object a line")
    return content


def _rule(problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    rule = problem["msg"].removeprefix("Value error, ")
    return f"{where + ': ' if where else ''}{_PLAIN_RULES.get(problem['type'], rule)}"
