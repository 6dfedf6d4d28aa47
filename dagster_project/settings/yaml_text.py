"""Reading the content of a YAML file, before anybody looks at what it says.

Belongs here: what is wrong with the file as YAML. Does not belong here: the shape that it should have (`yaml_file`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dagster_project.errors import SteerworksError


class _UniqueKeyLoader(yaml.CSafeLoader):
    """YAML keeps the last of two equal keys; a configuration must refuse them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        SteerworksError: the file is absent, not UTF-8, or not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return yaml.load(text, _UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise SteerworksError(
            f"{path}: no such file. Create it, or point STEERWORKS_CONFIG at the folder that has it."
        ) from None
    except UnicodeDecodeError as error:
        raise SteerworksError(f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # What is not closed is missed behind the last line.
        line = f":{min(mark.line + 1, len(text.splitlines()))}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise SteerworksError(f"{path}{line}: not valid YAML: {problem}. Mend this line.") from None
