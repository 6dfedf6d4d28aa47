"""A Label Studio server: a campaign's tasks to it, annotations from it into the inbox.

Belongs here: talking to the server, and what was pulled already. Does not belong here: the interface that annotators
see (`label_interface`), how an exported task is read (`tools.label_studio`), or starting a server (`cli.annotate`).

What is pulled goes through the inbox as every vendor's files do, so that it is kept, counted and pseudonymised in the
same way. Pulling again brings only what was added or changed.
"""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from dagster_project.errors import SteerworksError
from dagster_project.identity import canonical_json
from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors.label_interface import labelling_interface
from dagster_project.vendors.outbox import GUIDELINE, round_path
from dagster_project.vendors.tasks import frozen_rubric
from dagster_project.vendors.vault import open_vault, private_folder
from dagster_project.whole_files import PRIVATE, write_whole

TASKS_AT_ONCE = 100
TIMEOUT_SECONDS = 60
OVERLAP = timedelta(minutes=5)
"""A change is committed later than it is dated: the last minutes before a mark are looked at again."""
LONGEST_TITLE = 50
FORMAT = "label-studio"


@dataclass(frozen=True)
class Studio:
    """A server, and the token of the user who may do all."""

    url: str
    token: str

    def call(self, method: str, path: str, content: Any = None, **query: Any) -> Any:
        """Return the answer to a request.

        Raises:
            SteerworksError: the server cannot be reached, or refuses.
        """
        url = f"{self.url.rstrip('/')}{path}?{urllib.parse.urlencode(query)}"
        body = None if content is None else json.dumps(content).encode()
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - the user's own server
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise SteerworksError(f"Label Studio refused {method} {path}: {error.code}{_detail(error)}") from None
        except (OSError, ValueError) as error:
            raise SteerworksError(f"Label Studio at {self.url} does not answer ({error}). Is it running?") from None

    def project(self, campaign: str) -> int | None:
        """Return the number of a campaign's project; None if there is none."""
        projects = _pages(
            lambda page: self.call("GET", "/api/projects/", page=page, page_size=TASKS_AT_ONCE), "results"
        )
        return next((one["id"] for one in projects if one["description"] == _mark(campaign)), None)

    def tasks(self, project: int, since: datetime | None = None, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield a project's tasks with their annotations, by their numbers.

        Args:
            project: its number.
            since: only tasks that changed after this moment.
            after: only tasks of higher numbers. Each request begins where the one before ended, so that a task that
                changes meanwhile moves no other out of sight.
        """
        query = {"project": project, "fields": "all", "page_size": TASKS_AT_ONCE}
        while True:
            wanted = {"filters": {"conjunction": "and", "items": _filters(since, after)}, "ordering": ["tasks:id"]}
            found = self.call("GET", "/api/tasks", query=json.dumps(wanted), **query)["tasks"]
            yield from found
            if len(found) < TASKS_AT_ONCE:
                return
            after = found[-1]["id"]


@dataclass
class _Progress:
    """How far pulling is. A pass over a project may take several pulls; it ends when no task is left.

    ``known`` is the latest time of each annotation that was pulled; ``since`` the last that was known when the last
    whole pass began, ``begun`` the same of the pass that goes on, ``after`` the task that it has come to.
    """

    known: dict[str, str] = field(default_factory=dict)
    since: str | None = None
    begun: str | None = None
    after: int = 0

    @property
    def changed_since(self) -> datetime | None:
        """The moment before which no task needs to be looked at."""
        return datetime.fromisoformat(self.since) - OVERLAP if self.since else None

    def unknown(self, task: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the annotations of a task that are new or changed."""
        return [one for one in task["annotations"] if self.known.get(str(one["id"])) != one["updated_at"]]

    def begin(self) -> None:
        """Begin a pass, unless one goes on."""
        if self.after == 0:
            self.begun = max(self.known.values(), default=None)

    def end(self) -> None:
        """End a pass: what it looked at needs no other look."""
        self.since, self.after = self.begun, 0


def push(lake: Lake, settings: Settings, studio: Studio, campaign: str) -> int:
    """Bring a campaign's exported rounds to the server; return how many tasks were new there.

    The project is made if need be. What is there already is not sent again. Nobody can be kept from a task by
    Label Studio itself, so whom a round excludes must be told to them.

    Raises:
        SteerworksError: the vendor's format is another, nothing is exported yet, or the server refuses.
    """
    if settings.vendor_of(campaign).format != FORMAT:
        raise SteerworksError(f"campaign `{campaign}`: give its vendor `format: {FORMAT}` in vendors.yaml.")
    paths = sorted(round_path(settings, campaign, 1).parent.glob("round-*.jsonl"))
    if not paths:
        raise SteerworksError(f"campaign `{campaign}` has no exported round yet: materialise its `annotation_tasks`.")
    tasks = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").split("\n") if line]
    most = max(len(task["responses"]) for task in tasks)
    project = studio.project(campaign) or _make_project(lake, settings, studio, campaign, most)
    there = {(task["data"]["task_id"], task["data"]["round"]) for task in studio.tasks(project)}
    new = [_shown(task, most) for task in tasks if (task["task_id"], task["round"]) not in there]
    for start in range(0, len(new), TASKS_AT_ONCE):
        studio.call("POST", f"/api/projects/{project}/import", new[start : start + TASKS_AT_ONCE])
    return len(new)


def pull(settings: Settings, studio: Studio, campaign: str, at_most: int | None = None) -> Path | None:
    """Put what was annotated since the last time into the inbox; return the file, or None if there is nothing.

    What was pulled is noted in the vault after the file is in the inbox: a kill in between brings the same file
    again, which counts once. After ``at_most`` tasks the next pull goes on.

    Raises:
        SteerworksError: the campaign has no project on the server, or the server refuses.
    """
    project = studio.project(campaign)
    if project is None:
        raise SteerworksError(
            f"Label Studio has no project of campaign `{campaign}`. `steerworks annotate push` makes it."
        )
    note = private_folder(open_vault(settings.home), FORMAT) / f"pulled-{campaign}.json"
    with FileLock(note.with_suffix(".lock")):
        progress = _Progress(**json.loads(note.read_text())) if note.exists() else _Progress()
        tasks = _changed(studio, project, progress, at_most)
        path = _deliver(settings, campaign, tasks) if tasks else None
        write_whole(note, canonical_json(asdict(progress)).encode(), PRIVATE)
    return path


def _changed(studio: Studio, project: int, progress: _Progress, at_most: int | None) -> list[dict[str, Any]]:
    """Return tasks with the annotations that are new or changed, and move the progress on."""
    progress.begin()
    found: list[dict[str, Any]] = []
    for task in studio.tasks(project, progress.changed_since, progress.after):
        if changed := progress.unknown(task):
            found.append({"id": task["id"], "data": task["data"], "annotations": [_kept(one) for one in changed]})
            progress.known |= {str(one["id"]): one["updated_at"] for one in changed}
        progress.after = task["id"]
        if len(found) == at_most:
            return found
    progress.end()
    return found


def _deliver(settings: Settings, campaign: str, tasks: list[dict[str, Any]]) -> Path:
    content = "".join(canonical_json(task) + "\n" for task in tasks).encode()
    name = f"{campaign}-{hashlib.sha256(content).hexdigest()[:12]}.jsonl"
    path = settings.home.inbox / settings.campaign(campaign).vendor / name
    write_whole(path, content, PRIVATE)
    return path


def _make_project(lake: Lake, settings: Settings, studio: Studio, campaign: str, responses: int) -> int:
    rubric = frozen_rubric(lake, settings, campaign)
    guideline = round_path(settings, campaign, 1).with_name(GUIDELINE).read_text(encoding="utf-8")
    project: int = studio.call(
        "POST",
        "/api/projects/",
        {
            "title": f"campaign {campaign}"[:LONGEST_TITLE],
            "description": _mark(campaign),
            "label_config": labelling_interface(rubric, responses),
            "expert_instruction": _as_html(guideline),
            "show_instruction": True,
            "maximum_annotations": settings.campaign(campaign).annotators_per_task,
            "show_collab_predictions": False,
        },
    )["id"]
    return project


def _as_html(page: str) -> str:
    escaped = page.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<div style="white-space: pre-wrap">{escaped}</div>'


def _mark(campaign: str) -> str:
    return f"steerworks:{campaign}"


def _shown(task: dict[str, Any], responses: int) -> dict[str, Any]:
    """Return a task as Label Studio shows it."""
    texts = {response["position"]: response["text"] for response in task["responses"]}
    data = {
        "task_id": task["task_id"],
        "round": task["round"],
        "guideline_version": task["guideline_version"],
        "conversation": "\n\n".join(f"{turn['role'].upper()}: {turn['content']}" for turn in task["messages"]),
        **{f"response_{position}": texts.get(position, "") for position in range(1, responses + 1)},
    }
    return {"data": data}


def _kept(annotation: dict[str, Any]) -> dict[str, Any]:
    """Return what is needed of an annotation; the rest names people and serves the tool."""
    names = ("id", "completed_by", "result", "was_cancelled", "created_at", "updated_at", "lead_time")
    return {name: annotation.get(name) for name in names}


def _filters(since: datetime | None, after: int) -> list[dict[str, Any]]:
    filters = [{"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": after}]
    if since is not None:
        moment = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        filters.append(
            {"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": moment}
        )
    return filters


def _detail(error: urllib.error.HTTPError) -> str:
    """Return what the server says of an error, in its own words for it: the rest of an answer may name people."""
    try:
        return f" {json.load(error)['detail']}"
    except (ValueError, KeyError, TypeError):
        return ""


def _pages(call: Any, name: str) -> Iterator[dict[str, Any]]:
    """Yield what stands under a name on all pages of a list."""
    page, count = 1, 0
    while found := call(page):
        count += len(found[name])
        yield from found[name]
        if not found[name] or count >= found.get("total", found.get("count", 0)):
            return
        page += 1
