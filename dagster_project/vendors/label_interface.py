"""The labelling interface of Label Studio for a rubric: two responses side by side, and the guideline beside them.

Belongs here: what annotators see, in Label Studio's markup. Does not belong here: the server (`label_studio`).
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as Xml

from dagster_project.settings import Rubric
from dagster_project.settings.rubric import Attribute
from dagster_project.vendors.tools.answers import question

PREFERENCES = {
    -3: "The first is much better",
    -2: "The first is better",
    -1: "The first is slightly better",
    1: "The second is slightly better",
    2: "The second is better",
    3: "The second is much better",
}
STYLE = ".replies{display:flex;gap:24px}.replies>div{flex:1;min-width:0}"


def labelling_interface(rubric: Rubric, responses: int) -> str:
    """Return the interface as Label Studio's XML: for each response flags and attributes, then the preference."""
    view = Xml.Element("View")
    Xml.SubElement(view, "Style").text = STYLE
    Xml.SubElement(view, "Header", value="Conversation")
    Xml.SubElement(view, "Text", name="conversation", value="$conversation")
    replies = Xml.SubElement(view, "View", className="replies")
    for position in range(1, responses + 1):
        _reply(replies, rubric, position)
    if rubric.preference and responses > 1:
        Xml.SubElement(view, "Header", value="Which reply do you prefer, and why?")
        _choices(view, "preference", "conversation", {str(value): text for value, text in PREFERENCES.items()})
        why = {"name": "justification", "toName": "conversation", "maxSubmissions": "1", "rows": "2"}
        Xml.SubElement(view, "TextArea", why)
    return Xml.tostring(view, encoding="unicode")


def _reply(replies: Xml.Element, rubric: Rubric, position: int) -> None:
    box = Xml.SubElement(replies, "View")
    shown = f"response_{position}"
    Xml.SubElement(box, "Header", value=f"Reply {position}")
    Xml.SubElement(box, "Text", name=shown, value=f"${shown}")
    if rubric.flags:
        Xml.SubElement(box, "Header", value="It cannot be rated, because", size="5")
        flags = {flag.name: f"{flag.name}: {flag.description}" for flag in rubric.flags}
        _choices(box, question("flags", position), shown, flags, choice="multiple")
    for attribute in rubric.attributes:
        Xml.SubElement(box, "Header", value=f"{attribute.name}: {attribute.description}", size="5")
        _choices(box, question(attribute.name, position), shown, _levels(rubric, attribute))


def _levels(rubric: Rubric, attribute: Attribute) -> dict[str, str]:
    levels = range(rubric.scale.lowest, rubric.scale.highest + 1)
    texts = {level: attribute.levels.get(level) for level in levels}
    return {str(level): f"{level}: {text}" if text else str(level) for level, text in texts.items()}


def _choices(place: Xml.Element, name: str, about: str, texts: dict[str, str], choice: str = "single-radio") -> None:
    """Add a question; what is stored is the alias, so that texts may be made clearer."""
    fields: dict[str, Any] = {"name": name, "toName": about, "choice": choice, "showInline": "false"}
    group = Xml.SubElement(place, "Choices", fields)
    for alias, text in texts.items():
        Xml.SubElement(group, "Choice", alias=alias, value=text)
