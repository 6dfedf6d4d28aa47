"""The shapes in which prompts are delivered, and the one shape that they take.

Understood are ``{"prompt": "…"}``, ``{"messages": [{"role": …, "content": …}]}`` (chat APIs; the
content may be a list of text parts), the bare list of such messages, ``{"conversation": …}`` with the
same, and ``{"conversations": [{"from": "human", "value": …}]}`` (ShareGPT). Only the user's turns are kept, unless the
configuration says otherwise: the assistant's carry the licence of the model that wrote them, and a
system text is not the user's. What comes after the last user turn falls away in any case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

USER_ROLES = frozenset({"user", "human", "prompter"})
ASSISTANT_ROLES = frozenset({"assistant", "gpt", "chatgpt", "bot", "model"})
OTHER_ROLES = frozenset({"system", "developer", "tool", "function"})
TEXT_FIELDS = ("prompt", "messages", "conversations", "conversation")
KNOWN_FIELDS = frozenset({*TEXT_FIELDS, "source", "licence", "license"})

Message = dict[str, str]
_JSON_TYPES = {"str": "text", "int": "a number", "float": "a number", "bool": "true or false", "NoneType": "null"}


class PromptRowError(ValueError):
    """A rule that a delivered row breaks: ``rule: what is wrong``."""


@dataclass(frozen=True)
class PromptRow:
    """A delivered prompt in the one shape, and the row's other fields."""

    messages: list[Message]
    source: str | None
    licence: str | None
    extra: dict[str, Any] = field(default_factory=dict)


def parse_row(row: Any, *, keep_assistant_turns: bool = False) -> PromptRow:
    """Return a delivered row in the one shape.

    Raises:
        PromptRowError: the row is no object, has none or several of the text fields, or its turns
            are not what its shape wants.
    """
    if isinstance(row, list) and row and all(isinstance(item, dict) for item in row):
        row = {"messages": row}
    if not isinstance(row, dict):
        raise PromptRowError(f"not_an_object: a row is a JSON object, and this is {type(row).__name__}")
    found = [name for name in TEXT_FIELDS if name in row]
    if len(found) != 1:
        others = ", ".join(map(str, row)) or "no field at all"
        raise PromptRowError(
            f"no_prompt: a row has exactly one of {', '.join(TEXT_FIELDS)}; "
            f"this has {' and '.join(found) or f'none of them, but {others}'}"
        )
    turns = _turns(found[0], row[found[0]])
    return PromptRow(
        _kept(turns, keep_assistant_turns=keep_assistant_turns),
        _text_or_none(row, "source"),
        _text_or_none(row, "licence") or _text_or_none(row, "license"),
        {key: value for key, value in row.items() if key not in KNOWN_FIELDS},
    )


def _turns(shape: str, content: Any) -> list[Message]:
    """Return all turns of users and assistants."""
    if shape == "prompt" and isinstance(content, str):
        return [{"role": "user", "content": content}]
    if not isinstance(content, list):
        wanted = "text" if shape == "prompt" else "a list of turns"
        raise PromptRowError(
            f"bad_type: `{shape}` is {wanted}, and here it is {_JSON_TYPES.get(type(content).__name__, 'an object')}"
        )
    is_sharegpt = any(isinstance(item, dict) and isinstance(item.get("from"), str) for item in content)
    role, text = ("from", "value") if is_sharegpt else ("role", "content")
    spoken = [_turn(item, number, role, text) for number, item in enumerate(content, start=1)]
    return [turn for turn in spoken if turn is not None]


def _kept(turns: list[Message], *, keep_assistant_turns: bool) -> list[Message]:
    """Return the turns up to the user's last; of an assistant none, or none that is empty."""
    while turns and turns[-1]["role"] != "user":
        turns = turns[:-1]
    users = [turn for turn in turns if turn["role"] == "user"]
    if not users or not all(turn["content"].strip() for turn in users):
        raise PromptRowError("empty: there is no user turn with text in it")
    if not keep_assistant_turns or len(turns) == len(users):
        return users
    if [turn["role"] for turn in turns] != [("user", "assistant")[place % 2] for place in range(len(turns))]:
        raise PromptRowError("bad_order: user and assistant do not take turns, and assistant turns are to be kept")
    return turns


def _turn(item: Any, number: int, role_key: str, text_key: str) -> Message | None:
    """Return a user's or an assistant's turn, or None for another speaker's."""
    if not isinstance(item, dict) or not isinstance(item.get(role_key), str):
        raise PromptRowError(f"bad_turn: turn {number} has no `{role_key}`")
    role = item[role_key].lower()
    if role in OTHER_ROLES:
        return None
    if role not in USER_ROLES | ASSISTANT_ROLES:
        raise PromptRowError(f"bad_role: turn {number} is spoken by `{item[role_key]}`, which is no known role")
    text = _text(item.get(text_key), number)
    if text is None:
        if role in ASSISTANT_ROLES:  # a call of a tool has no text
            return {"role": "assistant", "content": ""}
        raise PromptRowError(f"bad_turn: turn {number} has no text in `{text_key}`")
    return {"role": "user" if role in USER_ROLES else "assistant", "content": text}


def _text(content: Any, number: int) -> str | None:
    """Return a turn's text; of a list of parts, all their texts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        return None
    if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
        raise PromptRowError(f"not_text: turn {number} has a part that is no text, such as a picture")
    return "\n".join(part["text"] for part in content)


def _text_or_none(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value.strip() else None
