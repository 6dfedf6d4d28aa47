"""What the rehearsal Hub keeps: data set repositories with commits, branches, tags and large files.

Belongs here: the state and its rules, as git and the Hub have them; how a tree is listed, and what a commit does to
it. Does not belong here: HTTP.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Tree = dict[str, "Blob"]


class Blob(NamedTuple):
    """One file of a commit: its content, and whether it is kept as a large file."""

    content: bytes
    is_large: bool

    @property
    def sha256(self) -> str:
        """The name of a large file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def remote_oid(self) -> str:
        """The name that the Hub gives it."""
        return self.sha256 if self.is_large else self.oid

    @property
    def oid(self) -> str:
        """The name that git gives it; for a large file, that of its pointer."""
        size = len(self.content)
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {size}\n"
        content = pointer.encode() if self.is_large else self.content
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """One repository; it begins with a commit of one file, as on the Hub."""

    private: bool
    commits: dict[str, Tree] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.branches["main"] = self.commit(
            "main", {".gitattributes": Blob(b"*.parquet filter=lfs\n", False)}, "initial"
        )

    def resolve(self, revision: str) -> str | None:
        """Return the commit that a branch, a tag or a commit's own name stands for."""
        found = self.branches.get(revision) or self.tags.get(revision)
        return found or (revision if revision in self.commits else None)

    def commit(self, branch: str, tree: Tree, message: str) -> str:
        """Put a whole tree on top of a branch, and return the commit's name."""
        parent = self.branches.get(branch, "")
        listing = "\n".join(f"{path} {blob.oid}" for path, blob in sorted(tree.items()))
        name = hashlib.sha1(f"{parent}\n{message}\n{listing}".encode(), usedforsecurity=False).hexdigest()
        self.commits[name] = tree
        self.branches[branch] = name
        self.messages.append(message)
        return name

    def apply(self, tree: Tree, key: str, value: dict[str, Any]) -> bool:
        """Do one operation of a commit on its tree, and say whether it could be done."""
        path = value.get("path", "")
        if key == "file":
            tree[path] = Blob(base64.b64decode(value["content"]), is_large=False)
        elif key == "lfsFile" and value["oid"] in self.large:
            tree[path] = Blob(self.large[value["oid"]], is_large=True)
        elif key == "deletedFile" and path in tree:
            del tree[path]
        else:
            return False
        return True


def listing(tree: Tree, root: str, recursive: bool) -> list[dict[str, Any]]:
    """Return the files and folders under a folder of a tree, as the Hub lists them; ``root`` is empty for all."""
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
