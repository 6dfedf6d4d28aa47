"""The shapes in which prompts are delivered, and the one shape that they take.

Understood are ``{"prompt": "…"}``, ``{"messages": [{"role": …, "content": …}]}`` (chat APIs) and
``{"conversations": [{"from": "human", "value": …}]}`` (ShareGPT). Only the user's turns are kept:
the assistant's carry the licence of the model that wrote them, and a system text is not the
user's. What comes after the last user turn falls away with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

USER_ROLES = frozenset({"user", "human", "prompter"})
OTHER_ROLES = frozenset({"assistant", "gpt", "chatgpt", "bot", "model", "system", "tool"})
TEXT_FIELDS = ("prompt", "messages", "conversations")
KNOWN_FIELDS = frozenset({*TEXT_FIELDS, "source", "licence", "license"})

Message = dict[str, str]


class PromptRowError(ValueError):
    """A rule that a delivered row breaks: ``rule: what is wrong``."""


@dataclass(frozen=True)
class PromptRow:
    """A delivered prompt in the one shape: user turns only, and the row's other fields."""

    messages: list[Message]
    source: str | None
    licence: str | None
    extra: dict[str, Any] = field(default_factory=dict)


def parse_row(row: Any) -> PromptRow:
    """Return a delivered row in the one shape.

    Raises:
        PromptRowError: the row is no object, has none or several of the text fields, or its turns
            are not what its shape wants.
    """
    if not isinstance(row, dict):
        raise PromptRowError(f"not_an_object: a row is a JSON object, and this is {type(row).__name__}")
    found = [name for name in TEXT_FIELDS if name in row]
    if len(found) != 1:
        raise PromptRowError(
            f"no_prompt: a row has exactly one of {', '.join(TEXT_FIELDS)}; this has {found or 'none'}"
        )
    turns = _user_turns(found[0], row[found[0]])
    return PromptRow(
        [{"role": "user", "content": text} for text in turns],
        _text_or_none(row, "source"),
        _text_or_none(row, "licence") or _text_or_none(row, "license"),
        {key: value for key, value in row.items() if key not in KNOWN_FIELDS},
    )


def _user_turns(shape: str, content: Any) -> list[str]:
    if shape == "prompt" and isinstance(content, str):
        turns = [content]
    elif isinstance(content, list):
        role, text = ("from", "value") if shape == "conversations" else ("role", "content")
        spoken = [_turn(item, number, role, text) for number, item in enumerate(content, start=1)]
        turns = [turn for turn in spoken if turn is not None]
    else:
        raise PromptRowError(f"bad_type: `{shape}` holds {type(content).__name__}")
    if not turns or not all(turn.strip() for turn in turns):
        raise PromptRowError("empty: there is no user turn with text in it")
    return turns


def _turn(item: Any, number: int, role_key: str, text_key: str) -> str | None:
    """Return a user's text, or None for another speaker's turn."""
    if not isinstance(item, dict) or not isinstance(item.get(role_key), str):
        raise PromptRowError(f"bad_turn: turn {number} has no `{role_key}`")
    role = item[role_key].lower()
    if role in OTHER_ROLES:
        return None
    if role not in USER_ROLES:
        raise PromptRowError(f"bad_role: turn {number} is spoken by `{item[role_key]}`, which is no known role")
    if not isinstance(item.get(text_key), str):
        raise PromptRowError(f"bad_turn: turn {number} has no text in `{text_key}`")
    return str(item[text_key])


def _text_or_none(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value.strip() else None
