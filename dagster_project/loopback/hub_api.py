"""What the rehearsal Hub answers: the part of the Hub's HTTP API that `huggingface_hub` and `datasets` use.

Belongs here: addresses, requests and answers. Does not belong here: what is kept (`hub_store`), who may ask, and what
goes wrong on purpose (`hub`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable

import yaml
from aiohttp import web

from dagster_project.loopback.hub_store import Repository, listing

REPO = "/{owner}/{name}"
API = f"/api/datasets{REPO}"
LARGE = (".parquet", ".html", ".jsonl")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, str, Handler]
"""Method, address, what a request is for, and what answers it."""


class HubApi:
    """Answers requests about some repositories; ``address`` says under which address clients find it."""

    def __init__(self, repositories: dict[str, Repository], address: Callable[[], str]) -> None:
        self.repositories = repositories
        self._address = address

    def routes(self) -> list[Route]:
        """Return everything that can be asked."""
        return [
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
        ]

    def _of(self, request: web.Request) -> Repository:
        return self.repositories[name_of(request)]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        wanted = await request.json()
        name = f"{wanted['organization']}/{wanted['name']}"
        if name in self.repositories:
            return error(409, "You already created this dataset repo")
        self.repositories[name] = Repository(private=wanted.get("visibility") == "private")
        return web.json_response({"url": f"{self._address()}/datasets/{name}", "name": name, "id": name})

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
            return error(404, "Invalid rev id", "RevisionNotFound")
        siblings = [{"rfilename": path} for path in sorted(repository.commits[sha])]
        name = name_of(request)
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
            return error(404, "Invalid rev id", "RevisionNotFound")
        root = request.match_info.get("path", "").strip("/")
        entries = listing(repository.commits[sha], root, request.query.get("recursive", "").lower() == "true")
        if root and not entries:
            return error(404, f"{root} does not exist", "EntryNotFound")
        return web.json_response(entries)

    async def _paths(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        sha = repository.resolve(request.match_info["revision"])
        if sha is None:
            return error(404, "Invalid rev id", "RevisionNotFound")
        if request.content_type == "application/json":
            wanted = (await request.json())["paths"]
        else:
            wanted = (await request.post()).getall("paths")
        tree = repository.commits[sha]
        found = [entry for entry in listing(tree, "", recursive=True) if entry["path"] in wanted]
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
                **({"oid": tree[file["path"]].remote_oid} if file["path"] in tree else {}),
            }
            for file in (await request.json())["files"]
        ]
        return web.json_response({"files": files})

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        objects = []
        for wanted in (await request.json())["objects"]:
            place = f"{self._address()}/large/{name_of(request)}/{wanted['oid']}"
            actions = {"upload": {"href": place}, "verify": {"href": f"{place}/verify"}}
            is_there = wanted["oid"] in repository.large
            objects.append({**wanted, **({} if is_there else {"actions": actions})})
        return web.json_response({"transfer": "basic", "objects": objects})

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        content, oid = await request.read(), request.match_info["oid"]
        if hashlib.sha256(content).hexdigest() != oid:
            return error(400, "these are not the bytes that were announced")
        self._of(request).large[oid] = content
        return web.Response()

    async def _verify(self, request: web.Request) -> web.StreamResponse:
        is_there = request.match_info["oid"] in self._of(request).large
        return web.Response() if is_there else error(404, "no such object")

    async def _commit(self, request: web.Request) -> web.StreamResponse:
        repository, branch = self._of(request), request.match_info["revision"]
        lines = [json.loads(line) for line in (await request.read()).splitlines()]
        header = lines[0]["value"]
        head = repository.branches.get(branch)
        if head is None:
            return error(404, "Invalid rev id", "RevisionNotFound")
        if header.get("parentCommit") not in (None, head):
            return error(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(repository.commits[head])
        for line in lines[1:]:
            if not repository.apply(tree, line["key"], line["value"]):
                return error(400, f"no such object: {line['value']}")
        sha = repository.commit(branch, tree, header["summary"])
        address = f"{self._address()}/datasets/{name_of(request)}/commit/{sha}"
        return web.json_response({"success": True, "commitOid": sha, "commitUrl": address, "hookOutput": ""})

    async def _branch(self, request: web.Request) -> web.StreamResponse:
        repository, branch = self._of(request), request.match_info["branch"]
        sha = repository.resolve((await request.json()).get("startingPoint", "main"))
        if branch in repository.branches:
            return error(409, "Reference already exists")
        if sha is None:
            return error(404, "Invalid rev id", "RevisionNotFound")
        repository.branches[branch] = sha
        return web.json_response({})

    async def _tag(self, request: web.Request) -> web.StreamResponse:
        repository, tag = self._of(request), (await request.json())["tag"]
        sha = repository.resolve(request.match_info["revision"])
        if tag in repository.tags:
            return error(409, "Tag reference exists already")
        if sha is None:
            return error(404, "Invalid rev id", "RevisionNotFound")
        repository.tags[tag] = sha
        return web.json_response({})

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        repository = self._of(request)
        sha = repository.resolve(request.match_info["revision"])
        if sha is None:
            return error(404, "Invalid rev id", "RevisionNotFound")
        blob = repository.commits[sha].get(request.match_info["path"])
        if blob is None:
            return error(404, "Entry not found", "EntryNotFound")
        headers = {
            "X-Repo-Commit": sha,
            "ETag": f'"{blob.remote_oid}"',
            "Accept-Ranges": "bytes",
        }
        return _ranged(request, blob.content, headers)


def name_of(request: web.Request) -> str:
    """Return the repository that a request is about; nothing if it is about none."""
    return f"{request.match_info['owner']}/{request.match_info['name']}" if "owner" in request.match_info else ""


def error(status: int, message: str, code: str = "") -> web.Response:
    """Return an error as the Hub words it."""
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return web.json_response({"error": message}, status=status, headers=headers)


def _ranged(request: web.Request, content: bytes, headers: dict[str, str]) -> web.StreamResponse:
    wanted = request.http_range
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=content, headers=headers, content_type="application/octet-stream")
    start, stop, _ = wanted.indices(len(content))
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return web.Response(status=206, body=content[start:stop], headers=headers, content_type="application/octet-stream")
