"""Workers' pseudonyms, and the map back to the vendor's own ids, which stays in the vault.

Belongs here: the keyed hash, the check that it is always the same key, the map. Does not belong
here: anything that writes outside the vault.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from dagster_project.errors import SteerworksError
from dagster_project.identity import ID_HEX_DIGITS, canonical_json
from dagster_project.settings import Settings
from dagster_project.vendors.vault import open_vault, private_folder
from dagster_project.whole_files import PRIVATE, flush, write_whole

FINGERPRINTED = b"steerworks: fingerprint of a pseudonym key"


@dataclass(frozen=True)
class Pseudonyms:
    """The pseudonyms of one vendor's workers."""

    vault: Path
    vendor: str
    key: str

    @classmethod
    def of_vendor(cls, settings: Settings, vendor: str) -> Pseudonyms:
        """Return a vendor's pseudonyms, under the key that the vault knows.

        Raises:
            SteerworksError: the key is not set, or is another one than before.
        """
        key = settings.vendors.vendors[vendor].pseudonym_key()
        vault = open_vault(settings.home)
        _require_same_key(vault, vendor, key)
        return cls(vault, vendor, key)

    def pseudonym(self, worker: str) -> str:
        """Return ``a-`` and 80 bits of HMAC-SHA256(key, vendor, worker)."""
        message = f"{self.vendor}\0{worker}".encode()
        return "a-" + hmac.new(self.key.encode(), message, hashlib.sha256).hexdigest()[:ID_HEX_DIGITS]

    def remember(self, workers: Iterable[str]) -> None:
        """Add to the map those workers whom it does not have; only one process a vendor may do so."""
        known = workers_of(self.vault, self.vendor)
        named = {self.pseudonym(worker): worker for worker in workers}
        lines = [
            canonical_json({"pseudonym": pseudonym, "worker": worker}) + "\n"
            for pseudonym, worker in sorted(named.items())
            if pseudonym not in known
        ]
        if lines:
            _append(map_path(self.vault, self.vendor), "".join(lines).encode())


def workers_of(vault: Path, vendor: str) -> dict[str, str]:
    """Return the vendor's own worker id of each pseudonym; empty if nobody has delivered yet."""
    path = map_path(vault, vendor)
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_bytes()[: _whole_bytes(path)].splitlines()]
    return {row["pseudonym"]: row["worker"] for row in rows}


def map_path(vault: Path, vendor: str) -> Path:
    """Return where a vendor's map of workers lies."""
    return vault / "workers" / f"{vendor}.jsonl"


def _whole_bytes(path: Path) -> int:
    """Count the bytes up to the last whole line: a killed process may have left half a line."""
    return path.read_bytes().rfind(b"\n") + 1


def _append(path: Path, lines: bytes) -> None:
    private_folder(path.parent.parent, path.parent.name)
    path.touch(mode=PRIVATE)
    with path.open("r+b") as file:
        file.truncate(_whole_bytes(path))
        file.seek(0, 2)
        file.write(lines)
    flush(path)
    flush(path.parent)


def _require_same_key(vault: Path, vendor: str, key: str) -> None:
    fingerprint = hmac.new(key.encode(), FINGERPRINTED, hashlib.sha256).hexdigest()[:ID_HEX_DIGITS]
    path = vault / "keys.json"
    with FileLock(vault / ".keys.lock"):
        known = json.loads(path.read_text()) if path.exists() else {}
        if known.setdefault(vendor, fingerprint) != fingerprint:
            raise SteerworksError(
                f"vendor `{vendor}`: the pseudonym key is not the one that its workers' pseudonyms were made with "
                f"({path} has the fingerprint {known[vendor]}; this key's is {fingerprint}). Under another key every "
                "worker would count as somebody new. Set the former key, and start again; nothing was taken in."
            )
        write_whole(path, (canonical_json(known) + "\n").encode(), PRIVATE)
