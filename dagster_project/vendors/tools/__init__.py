"""Annotation tools: what their exports look like, and how they become annotations.

Belongs here: one module a tool, each a function from one of the tool's records to annotations. Does not belong here:
cutting files into records (`jsonl`), or what an annotation must hold (`canonical`).

All of them follow one way to name what is asked: ``<attribute>_<n>`` and ``flags_<n>`` about the n-th response in
shown order, ``preference`` and ``justification`` about both. A campaign's task carries its id as ``task_id``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dagster_project.settings.vendors import DeliveryFormat
from dagster_project.vendors.canonical import Cells, Defect
from dagster_project.vendors.tools.argilla import annotations_of_argilla
from dagster_project.vendors.tools.label_studio import annotations_of_label_studio
from dagster_project.vendors.tools.scale import annotations_of_scale

TOOLS: dict[DeliveryFormat, Callable[[Cells], Iterator[Cells | Defect]]] = {
    "argilla": annotations_of_argilla,
    "label-studio": annotations_of_label_studio,
    "scale": annotations_of_scale,
}

__all__ = ["TOOLS"]
