"""Reading the content of a YAML file, before anybody looks at what it says.

Belongs here: what is wrong with the file as YAML. Does not belong here: the shape that it should have (`yaml_file`).
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from dagster_project.errors import SteerworksError


class _UniqueKeyLoader(yaml.CSafeLoader):
    """YAML keeps the last of two equal keys; a configuration must refuse them."""

    def get_single_data(self) -> Any:
        """Return the content, once all mappings were looked at: merging puts the keys of one into another."""
        root = self.get_single_node()
        if root is None:
            return None
        self._require_unique_keys(root, set())
        return self.construct_document(root)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return a node's value; a date that no calendar has, and the like, are mistakes of the file."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):
            problem = f"{node.value!r} is no value of its kind ({node.tag.rpartition(':')[2]})"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def _require_unique_keys(self, node: yaml.Node, seen: set[int]) -> None:
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if (name := self._name_of(key)) in keys:
                    problem = f"the key {key.value!r} stands here twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                keys.add(name)
                self._require_unique_keys(value, seen)
        else:
            for item in node.value:
                self._require_unique_keys(item, seen)

    def _name_of(self, key: yaml.Node) -> Hashable:
        """Return what a key is known by: its value, for 1 and 0x1 are one key; ``<<`` has none.

        What can be no key is refused when it is made one.
        """
        if not isinstance(key, yaml.ScalarNode):
            return id(key)
        if key.tag not in self.yaml_constructors:
            return key.tag, key.value
        value = self.construct_object(key)
        return value if isinstance(value, Hashable) else id(key)


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
    except RecursionError:
        raise SteerworksError(
            f"{path}: lists or mappings are nested too deeply in each other. Nest them less."
        ) from None
    except yaml.reader.ReaderError as error:
        odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
        line, problem = (f":{text.count(chr(10), 0, odd.start()) + 1}", repr(odd[0])) if odd else ("", error.reason)
        raise SteerworksError(f"{path}{line}: not valid YAML: {problem} may not stand in it. Mend this line.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # What is not closed is missed behind the last line.
        line = f":{min(mark.line + 1, len(text.splitlines()))}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise SteerworksError(f"{path}{line}: not valid YAML: {problem}. Mend this line.") from None
