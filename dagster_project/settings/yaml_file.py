"""Reading one YAML file into one validated model, with errors that name the line.

A message reads ``config/models.yaml:12: models.fast.endpoint: …``: the file, the
line, the path inside the file and the rule.
"""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_project.errors import SteerworksError
from dagster_project.settings.yaml_text import read_yaml

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of all configuration: frozen, and a misspelt key is an error.

    Its validators are built for the files that are read: every program imports the shapes of all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def load_model(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a model.

    Raises:
        SteerworksError: one line for each rule that the file breaks.
    """
    content = read_yaml(path)
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        root = yaml.compose(path.read_text(encoding="utf-8"))
        lines = [_describe(path, root, model, dict(problem)) for problem in error.errors()]
        raise SteerworksError("\n".join(lines)) from None


def _describe(path: Path, root: yaml.Node | None, model: type[BaseModel], problem: dict[str, Any]) -> str:
    location = [part for part in problem["loc"] if part != "[key]"]
    line = _line_of(root, location)
    where = ".".join(str(part) for part in location)
    rule = problem["msg"].removeprefix("Value error, ").rstrip(".")
    if problem["type"] == "extra_forbidden":
        rule = f"no such key here; there are: {', '.join(_known_keys(model, location[:-1]))}"
    return f"{path}:{line}: {where + ': ' if where else ''}{rule}."


def _known_keys(annotation: Any, location: list[Any]) -> list[str]:
    """Follow a location through models, mappings and lists; return the keys of the model at its end."""
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(part)
            # a model that takes any key says of what kind their values are
            annotation = field.annotation if field else get_args(get_type_hints(annotation)["__pydantic_extra__"])[-1]
        else:  # a mapping's or a list's items
            annotation = get_args(annotation)[0 if isinstance(part, int) else -1]
        options = [
            option for option in get_args(annotation) if isinstance(option, type) and issubclass(option, BaseModel)
        ]
        if get_origin(annotation) in (Union, UnionType) and options:
            annotation = options[0]
    return sorted(annotation.model_fields)


def _line_of(node: yaml.Node | None, location: list[Any]) -> int:
    """Walk down the node tree as far as the location leads; return that node's line, from 1."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        child = _child(node, part)
        if child is None:
            break
        key_line, node = child
        line = key_line
    return line


def _child(node: yaml.Node | None, part: Any) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None
