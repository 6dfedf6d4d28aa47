"""What was withdrawn by a legal request and must not come back: the register in the vault.

``vault/withdrawals/`` has a record a withdrawal and the key of its hashes. A prompt is known by a keyed hash of its
letters, a worker by the pseudonym, which is one already: neither tells what it stands for. A record is written
before anything is purged, so that intake refuses from then on, and a purge that was killed is known.

Belongs here: the register, and asking it. Does not belong here: purging (`withdrawal`), or what counts of a text.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from dagster_project.identity import ID_HEX_DIGITS, canonical_json
from dagster_project.settings import Home
from dagster_project.whole_files import PRIVATE, write_whole

FOLDER, KEY = "withdrawals", "key"
WITHDRAWN = "withdrawn"
"""The one word by which rows, prompts and orders say that a legal request took them out."""


class Withdrawal(BaseModel):
    """One withdrawal, of a prompt (``text_hash``) or of a worker (``vendor`` and ``pseudonym``).

    ``prompt_ids`` and ``task_ids`` are those of a prompt; ``campaigns`` and ``prompt_batches`` are where it was found;
    ``day`` is when it was asked for, in UTC; ``is_done`` says that a purge went through to its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["prompt", "worker"]
    day: str
    text_hash: str | None = None
    prompt_ids: frozenset[str] = frozenset()
    task_ids: frozenset[str] = frozenset()
    vendor: str | None = None
    pseudonym: str | None = None
    campaigns: frozenset[str] = frozenset()
    prompt_batches: frozenset[str] = frozenset()
    is_done: bool = False

    @property
    def name(self) -> str:
        """What the record is called: the same for the same prompt or worker."""
        if self.kind == "prompt":
            return f"prompt-{(self.text_hash or '')[:ID_HEX_DIGITS]}"
        return f"worker-{self.vendor}-{self.pseudonym}"


@dataclass(frozen=True)
class Register:
    """The withdrawals of one home, as they stood when they were read; ``key`` is that of the texts' hashes."""

    folder: Path
    key: bytes
    withdrawals: tuple[Withdrawal, ...] = ()

    @classmethod
    def of_home(cls, home: Home) -> Register:
        """Read the register; where nothing was ever withdrawn it is empty, and its key is stored with the first."""
        folder = home.vault / FOLDER
        key = (folder / KEY).read_bytes() if (folder / KEY).exists() else secrets.token_hex(32).encode()
        records = (path.read_bytes() for path in sorted(folder.glob("*.json")))
        return cls(folder, key, tuple(Withdrawal.model_validate_json(record) for record in records))

    @property
    def knows_prompts(self) -> bool:
        """Say whether any prompt was withdrawn."""
        return bool(self._text_hashes)

    def refuses(self, letters: str) -> bool:
        """Say whether a prompt of these letters was withdrawn."""
        return self.knows_prompts and self.text_hash(letters) in self._text_hashes

    def pseudonyms(self, vendor: str) -> frozenset[str]:
        """Return the pseudonyms of a vendor's workers who were withdrawn."""
        return frozenset(one.pseudonym for one in self.withdrawals if one.vendor == vendor and one.pseudonym)

    @cached_property
    def task_ids(self) -> frozenset[str]:
        """The tasks that asked about withdrawn prompts."""
        return frozenset(task_id for one in self.withdrawals for task_id in one.task_ids)

    def of_prompt(self, prompt_id: str) -> Withdrawal | None:
        """Return the withdrawal of a prompt, by any id that it had."""
        return next((one for one in self.withdrawals if prompt_id in one.prompt_ids), None)

    def of_name(self, name: str) -> Withdrawal | None:
        """Return the withdrawal that a record of this name is about."""
        return next((one for one in self.withdrawals if one.name == name), None)

    def text_hash(self, letters: str) -> str:
        """Return HMAC-SHA256 of a prompt's letters."""
        return hmac.new(self.key, letters.encode(), hashlib.sha256).hexdigest()

    def having(self, withdrawal: Withdrawal) -> Register:
        """Return the register with a withdrawal, in place of an earlier one of the same prompt or worker."""
        others = (one for one in self.withdrawals if one.name != withdrawal.name)
        return Register(self.folder, self.key, (*others, withdrawal))

    def write(self, withdrawal: Withdrawal) -> None:
        """Write a record, in place of an earlier one of the same prompt or worker."""
        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.mkdir(exist_ok=True, mode=0o700)
        if not (self.folder / KEY).exists():
            write_whole(self.folder / KEY, self.key, PRIVATE)
        content = withdrawal.model_dump(mode="json")
        lists = {name: sorted(value) for name, value in content.items() if isinstance(value, list)}
        write_whole(self.folder / f"{withdrawal.name}.json", f"{canonical_json(content | lists)}\n".encode(), PRIVATE)

    @cached_property
    def _text_hashes(self) -> frozenset[str]:
        return frozenset(one.text_hash for one in self.withdrawals if one.text_hash)


def joined(earlier: Withdrawal | None, found: Withdrawal) -> Withdrawal:
    """Return a withdrawal with all that was ever found of it: what is purged is not found any more."""
    if earlier is None:
        return found
    names = ("prompt_ids", "task_ids", "campaigns", "prompt_batches")
    together = {name: getattr(earlier, name) | getattr(found, name) for name in names}
    return found.model_copy(update={**together, "day": earlier.day, "is_done": earlier.is_done})
