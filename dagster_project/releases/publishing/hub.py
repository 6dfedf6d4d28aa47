"""One data set repository on the Hub: reading what is there, one atomic commit, one tag.

Belongs here: calls of `huggingface_hub`, and what their errors mean. Does not belong here: what is to be done when
(`publish`).

The token is in headers and in no text: what the Hub says is quoted with the token taken out, and without the
exceptions that carried it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dagster_project.errors import SteerworksError
from dagster_project.identity import file_sha256

if TYPE_CHECKING:
    from huggingface_hub import GitRefInfo, HfApi

MADE_BY_THE_HUB = ".gitattributes"
KIND = "dataset"
Answer = TypeVar("Answer")
AGAIN = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})
"""Statuses after which it is worth looking again at what is there: 409 and 412 say that somebody else was faster."""
LONGEST_WAIT = 120.0


class TryAgainError(Exception):
    """The Hub could not be reached, or could not do it now; whether it did, nobody knows. ``wait`` is in seconds."""

    def __init__(self, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.wait = min(wait, LONGEST_WAIT)


class HubRepository:
    """A data set repository, seen with one token.

    Every method raises `TryAgainError` for what may pass, and SteerworksError for what will not.
    """

    def __init__(self, name: str, token: str, endpoint: str | None = None) -> None:
        self.name = name
        self._token = token
        self._endpoint = endpoint

    @cached_property
    def _api(self) -> HfApi:
        from huggingface_hub import HfApi  # noqa: PLC0415 - loads slowly, and only publishing needs it

        return HfApi(endpoint=self._endpoint, token=self._token, library_name="steerworks")

    def address(self, version: str) -> str:
        """Return where a person sees a version."""
        return f"{self._api.endpoint}/datasets/{self.name}/tree/{version}"

    def is_private(self) -> bool | None:
        """Say whether only its owners see it; None if there is no such repository."""
        from huggingface_hub.errors import RepositoryNotFoundError  # noqa: PLC0415

        def look() -> bool | None:
            try:
                return bool(self._api.dataset_info(self.name).private)
            except RepositoryNotFoundError as error:
                if error.response.status_code == 404:
                    return None
                raise

        return self._ask(look)

    def create(self, private: bool) -> None:
        """Make the repository."""
        self._ask(lambda: self._api.create_repo(self.name, repo_type=KIND, private=private, exist_ok=True))

    def refs(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the commit of each branch, and of each tag."""
        refs = self._ask(lambda: self._api.list_repo_refs(self.name, repo_type=KIND))
        return _commits(refs.branches), _commits(refs.tags)

    def differences(self, folder: Path, paths: Sequence[str], revision: str) -> list[str]:
        """Return the paths of files that a revision does not have as a folder has them; both ways, sorted."""
        from huggingface_hub import RepoFile  # noqa: PLC0415

        entries = self._ask(
            lambda: list(self._api.list_repo_tree(self.name, recursive=True, revision=revision, repo_type=KIND))
        )
        there = {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}
        there.pop(MADE_BY_THE_HUB, None)
        same = {path for path in paths if path in there and _is_same(folder / path, there[path])}
        return sorted((set(paths) | there.keys()) - same)

    def commit(self, folder: Path, paths: Sequence[str], parent: str, branch: str, message: str) -> None:
        """Make a branch hold exactly the files of a folder, in one commit on top of its last one, or not at all."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete  # noqa: PLC0415

        unwanted = [path for path in self.differences(folder, paths, parent) if path not in set(paths)]
        operations: list[Any] = [CommitOperationAdd(path, folder / path) for path in paths]
        operations += [CommitOperationDelete(path) for path in unwanted]
        self._ask(
            lambda: self._api.create_commit(
                self.name, operations, commit_message=message, revision=branch, parent_commit=parent, repo_type=KIND
            )
        )

    def create_branch(self, branch: str, revision: str) -> None:
        """Let a new branch begin at a revision."""
        self._ask(lambda: self._api.create_branch(self.name, branch=branch, revision=revision, repo_type=KIND))

    def create_tag(self, tag: str, revision: str, message: str) -> None:
        """Name a commit, once and for all."""
        self._ask(
            lambda: self._api.create_tag(self.name, tag=tag, revision=revision, tag_message=message, repo_type=KIND)
        )

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """Return what a call of the client gives; what it raises becomes what to do about it.

        That is raised outside of any handler, as a context manager could not: whoever logs an exception logs those
        that it came from, and the client's hold what the Hub said to the token.
        """
        try:
            return call()
        except Exception as error:  # an upload wraps its cause in whatever there is
            problem = self._meaning(error)
        raise problem

    def _meaning(self, error: Exception) -> Exception:
        import httpx2  # noqa: PLC0415
        from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

        for cause in _causes(error):
            said = self._clean(cause)
            if isinstance(cause, HfHubHTTPError):
                return self._meaning_of_status(cause.response.status_code, said, cause.response.headers)
            if isinstance(cause, httpx2.TransportError | json.JSONDecodeError):
                return TryAgainError(f"{type(cause).__name__}: {said}")
        return SteerworksError(f"the Hub did not take it: {self._clean(error)}")

    def _meaning_of_status(self, status: int, said: str, headers: Mapping[str, str]) -> Exception:
        if status in AGAIN:
            wait = headers.get("Retry-After", "")
            return TryAgainError(said, float(wait) if wait.isdecimal() else 0)
        hints = {
            401: "The token is not one that the Hub knows, or has no access to this repository.",
            403: "The token may not write to this repository: make one that may, under Settings, Access Tokens.",
        }
        return SteerworksError(f"{self.name}: {hints.get(status, 'The Hub refused.')} It said: {said}")

    def _clean(self, error: BaseException) -> str:
        text = " ".join(str(error).replace(self._token, "***").split())
        return text or type(error).__name__


def _commits(refs: Sequence[GitRefInfo]) -> dict[str, str]:
    return {ref.name: ref.target_commit for ref in refs}


def _is_same(file: Path, entry: Any) -> bool:
    from huggingface_hub.utils.sha import git_hash  # noqa: PLC0415

    if entry.size != file.stat().st_size:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == file_sha256(file))
    return bool(entry.blob_id == git_hash(file.read_bytes()))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and what it was raised from, outermost first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
