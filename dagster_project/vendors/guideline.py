"""A campaign's guideline: the rubric as a page for annotators, and as JSON for their tools; what to deliver.

Belongs here: rendering. Does not belong here: where the files go (`outbox`).
"""

from __future__ import annotations

import json
from typing import Any

from dagster_project.settings import Rubric
from dagster_project.settings.rubric import Example
from dagster_project.vendors.canonical import Row

DELIVERY = """# What to deliver

A file of JSON Lines (`.jsonl`) or CSV (`.csv`, with a header), in UTF-8, with one row for each annotator and
response. An annotator rates all responses of a task, and repeats the preference on each of its rows. A correction is
the whole row again, with a later `submitted_at` or a higher `revision`; a row with `withdrawn` true takes an
annotation back.
"""
PREFERENCE = """## Preference

Where a task has two replies, say which one you prefer, and why, in a sentence or two.

- -3, -2, -1: the first reply is much better, better, slightly better
- 1, 2, 3: the second reply is slightly better, better, much better
"""


def guideline_page(rubric: Rubric, guideline_version: str) -> str:
    """Return the guideline as Markdown: instructions, flags, attributes with their levels, preference, examples."""
    parts = [f"# Guideline {guideline_version}\n\nRubric: {rubric.name} {rubric.version}\n"]
    if rubric.instructions:
        parts.append(f"{rubric.instructions.strip()}\n")
    if rubric.flags:
        flags = "\n".join(f"- `{flag.name}`: {flag.description}" for flag in rubric.flags)
        parts.append(f"## Flags\n\nFlag a reply for one of these, and do not rate it.\n\n{flags}\n")
    scale = rubric.scale
    parts.append(f"## Attributes\n\nEach is a whole number from {scale.lowest} to {scale.highest}.\n")
    for attribute in rubric.attributes:
        levels = "".join(f"\n- {level}: {text}" for level, text in sorted(attribute.levels.items(), reverse=True))
        parts.append(f"### {attribute.name}\n\n{attribute.description}\n{levels}".rstrip() + "\n")
    if rubric.preference:
        parts.append(PREFERENCE)
    if rubric.examples:
        parts.append("## Examples\n")
        parts += [_shown(number, example) for number, example in enumerate(rubric.examples, start=1)]
    return "\n".join(parts)


def _shown(number: int, example: Example) -> str:
    """Return an example, with the texts as quotations so that no heading in them is taken for the guideline's."""
    ratings = ", ".join(f"{name} {rating}" for name, rating in example.ratings.items())
    flags = ", ".join(f"`{flag}`" for flag in example.flags)
    verdict = f"Ratings: {ratings}" if ratings else f"Flagged: {flags}"
    why = f"\n\n{example.why.strip()}" if example.why else ""
    texts = f"Prompt:\n\n{_quoted(example.prompt)}\n\nReply:\n\n{_quoted(example.response)}"
    return f"### Example {number}\n\n{texts}\n\n{verdict}{why}\n"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def delivery_page(rubric: Rubric) -> str:
    """Return what the vendor is to deliver, as Markdown: the fields of a row, from the model that it is read by."""
    scale = f"{rubric.scale.lowest} to {rubric.scale.highest}"
    rows = [
        f"| `{name}` | {'yes' if field.is_required() else 'no'} | {field.description} |"
        for name, field in Row.model_fields.items()
    ]
    rows += [f"| `{name}` | yes | a whole number from {scale}, or empty |" for name in rubric.names]
    return "\n".join([DELIVERY, "| field | must be there | what it holds |", "| --- | --- | --- |", *rows, ""])


def rubric_json(rubric: Rubric) -> str:
    """Return the rubric as JSON; which attributes decide disputes is not the annotators' business."""
    fields: dict[str, Any] = {
        "name": rubric.name,
        "version": rubric.version,
        "scale": rubric.scale.model_dump(),
        "attributes": [attribute.model_dump(mode="json", exclude={"decides"}) for attribute in rubric.attributes],
        "flags": [flag.model_dump() for flag in rubric.flags],
        "preference": rubric.preference,
        "examples": [example.model_dump(mode="json") for example in rubric.examples],
    }
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
