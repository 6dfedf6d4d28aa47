"""The rehearsal Hub keeps what the Hub keeps, and can be run by itself."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from dagster_project.loopback.hub import LoopbackHub, serve_hub
from dagster_project.loopback.hub_store import Blob, Repository

TOKEN = "secret"  # noqa: S105 - of the Hub on loopback


def status(hub: LoopbackHub, path: str, body: dict[str, object] | None = None, token: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(hub.address + path, data, headers), timeout=10) as reply:  # noqa: S310
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_private_repository_is_not_there_for_those_without_its_token() -> None:
    with serve_hub(TOKEN) as hub:
        wanted: dict[str, object] = {"organization": "me", "name": "set", "type": "dataset", "visibility": "private"}
        assert status(hub, "/api/repos/create", wanted) == 404
        assert status(hub, "/api/repos/create", wanted, "wrong") == 401
        assert status(hub, "/api/repos/create", wanted, TOKEN) == 200
        assert status(hub, "/api/datasets/me/set") == 404
        assert status(hub, "/api/datasets/me/set", token=TOKEN) == 200
        assert status(hub, "/api/repos/create", wanted, TOKEN) == 409


def test_large_files_must_be_there_before_a_commit_names_them() -> None:
    with serve_hub(TOKEN) as hub:
        hub.repositories["me/set"] = repository = Repository(private=False)
        lines = [
            {"key": "header", "value": {"summary": "one"}},
            {"key": "lfsFile", "value": {"path": "a.parquet", "algo": "sha256", "oid": "0" * 64, "size": 3}},
        ]
        request = urllib.request.Request(  # noqa: S310
            f"{hub.address}/api/datasets/me/set/commit/main",
            "\n".join(map(json.dumps, lines)).encode(),
            {"Authorization": "Bearer secret", "Content-Type": "application/x-ndjson"},
        )
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(request, timeout=10)  # noqa: S310
        assert repository.messages == ["initial"]


def test_files_are_named_as_git_names_them() -> None:
    assert Blob(b"hello\n", is_large=False).oid == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_fault_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such fault: 418"):
        LoopbackHub(faults=["commit 418"])


def test_it_runs_from_the_command_line_with_its_faults_as_options() -> None:
    command = [sys.executable, "-m", "dagster_project.loopback.hub", "--port", "0", "--fault", "whoami 500 1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().split()[3].rstrip(",") if server.stdout else ""
            request = urllib.request.Request(  # noqa: S310
                f"{address}/api/whoami-v2", headers={"Authorization": "Bearer hf_rehearsal"}
            )
            with pytest.raises(urllib.error.HTTPError, match="500"):
                urllib.request.urlopen(request, timeout=10)  # noqa: S310
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
                assert json.load(reply)["name"] == "rehearsal"
        finally:
            server.terminate()
            server.wait(timeout=20)
