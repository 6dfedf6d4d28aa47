"""A Hub that keeps data sets in memory and misbehaves on purpose.

    python -m dagster_project.loopback.hub --port 8001 --token secret --fault "commit lost 1"

Clients find it by ``HF_ENDPOINT``, or by ``endpoint`` in ``config/publishing.yaml``, and want ``HF_HUB_DISABLE_XET=1``:
it takes large files as LFS does. ``GET /stats`` counts requests by what they are for.

Belongs here: the server, its addresses and its faults. Does not belong here: how Steerworks copes with them.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml
from aiohttp import web

from dagster_project.loopback.hub_store import Blob, Repository, Tree

REPO = "/{owner}/{name}"
API = f"/api/datasets{REPO}"
LARGE = (".parquet", ".html", ".jsonl")
_LARGEST_BODY = 2**30
FAULTS = ("429", "500", "cut", "lost", "hang")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LoopbackHub:
    """The server, as an asynchronous context manager; `serve_hub` runs it in a thread.

    Args:
        token: the only one that may write, or see what is private.
        faults: such as ``commit lost 2``: what a request is for, what goes wrong with it, how often. ``lost`` does what
            was asked and then cuts the connection; ``cut`` does not do it; ``hang`` does not answer.
        port: 0 takes any that is free.
    """

    def __init__(self, token: str = "hf_rehearsal", faults: Sequence[str] = (), port: int = 0) -> None:  # noqa: S107
        self.token = token
        self.port = port
        self.requests: Counter[str] = Counter()
        self.repositories: dict[str, Repository] = {}
        self.faults: dict[tuple[str, str], int] = {}
        for fault in faults:
            self.misbehave(fault)

    @property
    def address(self) -> str:
        """The ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self.port}"

    def misbehave(self, fault: str) -> None:
        """Let something go wrong with the next requests of a kind; see `LoopbackHub`.

        Raises:
            ValueError: there is no such fault.
        """
        purpose, kind, *times = fault.split()
        if kind not in FAULTS:
            raise ValueError(f"no such fault: {kind}; there are {', '.join(FAULTS)}")
        self.faults[purpose, kind] = int(times[0]) if times else 1

    async def __aenter__(self) -> LoopbackHub:
        app = web.Application(middlewares=[self._meet], client_max_size=_LARGEST_BODY)
        routes: list[tuple[str, str, str, Handler]] = [
            ("POST", "/api/repos/create", "create", self._create),
            ("POST", "/api/validate-yaml", "validate", self._validate),
            ("GET", "/api/whoami-v2", "whoami", self._whoami),
            ("GET", API, "info", self._info),
            ("GET", f"{API}/revision/{{revision}}", "info", self._info),
            ("GET", f"{API}/refs", "refs", self._refs),
            ("GET", f"{API}/tree/{{revision}}", "tree", self._tree),
            ("GET", f"{API}/tree/{{revision}}/{{path:.*}}", "tree", self._tree),
            ("POST", f"{API}/paths-info/{{revision}}", "paths", self._paths),
            ("POST", f"{API}/preupload/{{revision}}", "preupload", self._preupload),
            ("POST", f"/datasets{REPO}.git/info/lfs/objects/batch", "batch", self._batch),
            ("PUT", f"/large{REPO}/{{oid}}", "upload", self._upload),
            ("POST", f"/large{REPO}/{{oid}}/verify", "verify", self._verify),
            ("POST", f"{API}/commit/{{revision}}", "commit", self._commit),
            ("POST", f"{API}/branch/{{branch}}", "branch", self._branch),
            ("POST", f"{API}/tag/{{revision}}", "tag", self._tag),
            ("GET", f"/datasets{REPO}/resolve/{{revision}}/{{path:.*}}", "resolve", self._resolve),
            ("GET", "/stats", "stats", self._stats),
        ]
        self._purposes: dict[str, str] = {}
        for method, path, purpose, handler in routes:
            resource = app.router.add_route(method, path, handler).resource
            self._purposes[resource.canonical if resource else path] = purpose
            if purpose == "resolve":
                app.router.add_route("HEAD", path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request meet its faults, and see whether it may be heard at all."""
        resource = request.match_info.route.resource
        purpose = self._purposes.get(resource.canonical if resource else "", "unknown")
        self.requests[purpose] += 1
        kind = next((kind for kind in FAULTS if self.faults.get((purpose, kind), 0) > 0), None)
        if kind:
            self.faults[purpose, kind] -= 1
            return await self._fail(request, handler, kind)
        if refusal := self._refusal(request, purpose):
            return refusal
        return await handler(request)

    async def _fail(self, request: web.Request, handler: Handler, kind: str) -> web.StreamResponse:
        if kind == "hang":
            await asyncio.get_running_loop().create_future()
        if kind in ("429", "500"):
            headers = {"Retry-After": "0"} if kind == "429" else {}
            return web.Response(status=int(kind), text=f"<html>sorry, {_given(request)}</html>", headers=headers)
        if kind == "lost":
            await handler(request)
        if request.transport:
            request.transport.abort()
        return web.Response()

    def _refusal(self, request: web.Request, purpose: str) -> web.StreamResponse | None:
        """Return what somebody hears who may not do this, or asks for what is not there.

        The words quote what was given as a token, as careless servers do.
        """
        given = _given(request)
        if given and given != self.token:
            return _error(401, f"Invalid credentials in Authorization header: {given}")
        name = _name(request)
        if purpose in ("upload", "stats", "validate") or (not name and given):
            return None
        repository = self.repositories.get(name)
        if repository is None or (repository.private and not given):
            return _error(404, f"Repository not found, {given}", "RepoNotFound")
        is_writing = request.method not in ("GET", "HEAD") and purpose != "paths"
        return _error(401, "log in to write") if is_writing and not given else None

    def _of(self, request: web.Request) -> Repository:
        return self.repositories[_name(request)]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        wanted = await request.json()
        name = f"{wanted['organization']}/{wanted['name']}"
        if name in self.repositories:
            return _error(409, "You already created this dataset repo")
        self.repositories[name] = Repository(private=wanted.get("visibility") == "private")
        return web.json_response({"url": f"{self.address}/datasets/{name}", "name": name, "id": name})

    async def _validate(self, request: web.Request) -> web.StreamResponse:
        content = (await request.json())["content"]
        try:
            fields = yaml.safe_load(content.split("---\n")[1])
            wrong = [f"`{name}` is missing" for name in ("license", "configs") if name not in fields]
        except (yaml.YAMLError, IndexError, TypeError) as error:
            wrong = [str(error)]
        errors = [{"message": message} for message in wrong]
        return web.json_response({"errors": errors, "warnings": []}, status=400 if wrong else 200)

    async def _whoami(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"type": "user", "name": "rehearsal", "orgs": []})

    async def _info(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        sha = repository.resolve(request.match_info.get("revision", "main"))
        if sha is None:
            return _error(404, "Invalid rev id", "RevisionNotFound")
        siblings = [{"rfilename": path} for path in sorted(repository.commits[sha])]
        name = _name(request)
        known = {"id": name, "_id": name, "author": name.partition("/")[0], "sha": sha, "tags": [], "downloads": 0}
        return web.json_response({**known, "private": repository.private, "siblings": siblings, "gated": False})

    async def _refs(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        refs = {
            kind: [{"name": name, "ref": f"refs/{place}/{name}", "targetCommit": sha} for name, sha in known.items()]
            for kind, place, known in (("branches", "heads", repository.branches), ("tags", "tags", repository.tags))
        }
        return web.json_response({**refs, "converts": []})

    async def _tree(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        sha = repository.resolve(request.match_info["revision"])
        if sha is None:
            return _error(404, "Invalid rev id", "RevisionNotFound")
        root = request.match_info.get("path", "").strip("/")
        entries = _entries(repository.commits[sha], root, request.query.get("recursive", "").lower() == "true")
        if root and not entries:
            return _error(404, f"{root} does not exist", "EntryNotFound")
        return web.json_response(entries)

    async def _paths(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        sha = repository.resolve(request.match_info["revision"])
        if sha is None:
            return _error(404, "Invalid rev id", "RevisionNotFound")
        if request.content_type == "application/json":
            wanted = (await request.json())["paths"]
        else:
            wanted = (await request.post()).getall("paths")
        tree = repository.commits[sha]
        found = [entry for entry in _entries(tree, "", recursive=True) if entry["path"] in wanted]
        return web.json_response(found)

    async def _preupload(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        sha = repository.resolve(request.match_info["revision"])
        tree = repository.commits[sha] if sha else {}
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
                **({"oid": _remote_oid(tree[file["path"]])} if file["path"] in tree else {}),
            }
            for file in (await request.json())["files"]
        ]
        return web.json_response({"files": files})

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        objects = []
        for wanted in (await request.json())["objects"]:
            place = f"{self.address}/large/{_name(request)}/{wanted['oid']}"
            actions = {"upload": {"href": place}, "verify": {"href": f"{place}/verify"}}
            is_there = wanted["oid"] in repository.large
            objects.append({**wanted, **({} if is_there else {"actions": actions})})
        return web.json_response({"transfer": "basic", "objects": objects})

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        content, oid = await request.read(), request.match_info["oid"]
        if hashlib.sha256(content).hexdigest() != oid:
            return _error(400, "these are not the bytes that were announced")
        self._of(request).large[oid] = content
        return web.Response()

    async def _verify(self, request: web.Request) -> web.StreamResponse:
        is_there = request.match_info["oid"] in self._of(request).large
        return web.Response() if is_there else _error(404, "no such object")

    async def _commit(self, request: web.Request) -> web.StreamResponse:
        repository, branch = self._of(request), request.match_info["revision"]
        lines = [json.loads(line) for line in (await request.read()).splitlines()]
        header = lines[0]["value"]
        head = repository.branches.get(branch)
        if head is None:
            return _error(404, "Invalid rev id", "RevisionNotFound")
        if header.get("parentCommit") not in (None, head):
            return _error(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(repository.commits[head])
        for line in lines[1:]:
            if not _apply(repository, tree, line["key"], line["value"]):
                return _error(400, f"no such object: {line['value']}")
        sha = repository.commit(branch, tree, header["summary"])
        address = f"{self.address}/datasets/{_name(request)}/commit/{sha}"
        return web.json_response({"success": True, "commitOid": sha, "commitUrl": address, "hookOutput": ""})

    async def _branch(self, request: web.Request) -> web.StreamResponse:
        repository, branch = self._of(request), request.match_info["branch"]
        sha = repository.resolve((await request.json()).get("startingPoint", "main"))
        if branch in repository.branches:
            return _error(409, "Reference already exists")
        if sha is None:
            return _error(404, "Invalid rev id", "RevisionNotFound")
        repository.branches[branch] = sha
        return web.json_response({})

    async def _tag(self, request: web.Request) -> web.StreamResponse:
        repository, tag = self._of(request), (await request.json())["tag"]
        sha = repository.resolve(request.match_info["revision"])
        if tag in repository.tags:
            return _error(409, "Tag reference exists already")
        if sha is None:
            return _error(404, "Invalid rev id", "RevisionNotFound")
        repository.tags[tag] = sha
        return web.json_response({})

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        sha = repository.resolve(request.match_info["revision"])
        if sha is None:
            return _error(404, "Invalid rev id", "RevisionNotFound")
        blob = repository.commits[sha].get(request.match_info["path"])
        if blob is None:
            return _error(404, "Entry not found", "EntryNotFound")
        headers = {
            "X-Repo-Commit": sha,
            "ETag": f'"{blob.sha256 if blob.is_large else blob.oid}"',
            "Accept-Ranges": "bytes",
        }
        return _ranged(request, blob.content, headers)

    async def _stats(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(dict(sorted(self.requests.items())))


def _given(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _name(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['name']}" if "owner" in request.match_info else ""


def _error(status: int, message: str, code: str = "") -> web.Response:
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return web.json_response({"error": message}, status=status, headers=headers)


def _remote_oid(blob: Blob) -> str:
    return blob.sha256 if blob.is_large else blob.oid


def _entries(tree: Tree, root: str, recursive: bool) -> list[dict[str, Any]]:
    prefix = f"{root}/" if root else ""
    inside = {path: blob for path, blob in sorted(tree.items()) if path.startswith(prefix)}
    folders: set[str] = set()
    for path in inside:
        parents = path.removeprefix(prefix).split("/")[:-1]
        folders |= {prefix + "/".join(parents[: depth + 1]) for depth in range(len(parents))}
    entries = [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)]
    entries += [_file_entry(path, blob) for path, blob in inside.items()]
    return [entry for entry in entries if recursive or "/" not in str(entry["path"]).removeprefix(prefix)]


def _file_entry(path: str, blob: Blob) -> dict[str, Any]:
    size = len(blob.content)
    large = {"lfs": {"oid": blob.sha256, "size": size, "pointerSize": 130}} if blob.is_large else {}
    return {"type": "file", "path": path, "oid": blob.oid, "size": size, **large}


def _apply(repository: Repository, tree: Tree, key: str, value: dict[str, Any]) -> bool:
    """Do one operation of a commit on its tree, and say whether it could be done."""
    path = value.get("path", "")
    if key == "file":
        tree[path] = Blob(base64.b64decode(value["content"]), is_large=False)
    elif key == "lfsFile" and value["oid"] in repository.large:
        tree[path] = Blob(repository.large[value["oid"]], is_large=True)
    elif key == "deletedFile" and path in tree:
        del tree[path]
    else:
        return False
    return True


def _ranged(request: web.Request, content: bytes, headers: dict[str, str]) -> web.StreamResponse:
    wanted = request.http_range
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=content, headers=headers, content_type="application/octet-stream")
    start, stop, _ = wanted.indices(len(content))
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return web.Response(status=206, body=content[start:stop], headers=headers, content_type="application/octet-stream")


@contextmanager
def serve_hub(token: str = "hf_rehearsal", faults: Sequence[str] = ()) -> Iterator[LoopbackHub]:  # noqa: S107
    """Run the server in a thread of this process for as long as the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loopback-hub", daemon=True)
    thread.start()
    hub = LoopbackHub(token, faults)
    try:
        asyncio.run_coroutine_threadsafe(hub.__aenter__(), loop).result()
        try:
            yield hub
        finally:
            asyncio.run_coroutine_threadsafe(hub.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A Hub for rehearsals: keeps data sets in memory, fails on purpose.")
    parser.add_argument("--port", type=int, default=8001, help="0 takes any that is free")
    parser.add_argument("--token", default="hf_rehearsal", help="the only one that may write")
    parser.add_argument("--fault", action="append", default=[], help="such as `commit lost 1`; may be repeated")
    options = parser.parse_args(arguments)

    async def serve() -> None:
        async with LoopbackHub(options.token, options.fault, options.port) as hub:
            sys.stdout.write(f"simulated Hub at {hub.address}, counters at {hub.address}/stats\n")
            sys.stdout.flush()
            await asyncio.get_running_loop().create_future()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        sys.stdout.write("stopped\n")


if __name__ == "__main__":
    main()
