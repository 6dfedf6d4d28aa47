"""Croissant metadata: what is in a release, for search engines and loaders that know no Hub.

Belongs here: the content of ``croissant.json`` by the Croissant 1.0 specification of MLCommons. Does not belong here:
the card.

The date of publication is left out, though the specification recommends it: no file of a release knows the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dagster_project.lake import Column
from dagster_project.lake.types import BOOL, INT8, INT16, INT32, INT64, TIME, ListOf, Struct, Type
from dagster_project.releases.manifest import ReleaseFile
from dagster_project.releases.shapes import Shape, release_shapes
from dagster_project.releases.splits import SPLITS
from dagster_project.settings import ReleaseSpec, Rubric

CROISSANT = "croissant.json"
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification prescribes, word by word."""
MEDIA_TYPES = {".parquet": "application/x-parquet", ".jsonl": "application/jsonl", ".html": "text/html"}


def croissant(
    version: str, spec: ReleaseSpec, rubric: Rubric, files: Iterable[ReleaseFile], simulated: bool
) -> dict[str, Any]:
    """Return the content of ``croissant.json``; ``files`` are those that the release holds beside it."""
    known = [file for file in files if any(file.path.endswith(suffix) for suffix in MEDIA_TYPES)]
    rows = {file.path: file.rows or 0 for file in known}
    shapes = [shape for shape in release_shapes(rubric).values() if shape.splits]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": spec.name,
        "description": _description(rubric, simulated),
        "license": spec.licence,
        "version": version.removeprefix("v"),
        "inLanguage": list(spec.languages),
        "keywords": ["preference", "reward model", "human feedback" if not simulated else "simulated ratings"],
        "isLiveDataset": False,
        "citeAs": f"{spec.name}, {version}. Made with Steerworks.",
        "rai:dataCollection": "Annotators rated and compared responses under one guideline; see README.md.",
        "rai:personalSensitiveInformation": "Annotators are known by keyed pseudonyms only.",
        "distribution": [_file(file) for file in known],
        "recordSet": [
            _records(shape, split, path)
            for shape in shapes
            for split in SPLITS
            if rows.get(path := f"{shape.name}/{split}.parquet")
        ],
    }


def _description(rubric: Rubric, simulated: bool) -> str:
    scale = rubric.scale
    made = "Ratings are SIMULATED: a program made them. " if simulated else ""
    return (
        f"{made}Responses of language models, rated by several annotators for {', '.join(rubric.names)}, from "
        f"{scale.lowest} to {scale.highest}, with preferences between two responses and every annotation behind them."
    )


def _file(file: ReleaseFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": next(kind for suffix, kind in MEDIA_TYPES.items() if file.path.endswith(suffix)),
        "sha256": file.sha256,
    }


def _records(shape: Shape, split: str, path: str) -> dict[str, Any]:
    name = f"{shape.name}/{split}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{shape.meaning} Split `{split}`.",
        "field": [_field(name, path, column) for column in shape.columns],
    }


def _field(records: str, path: str, column: Column) -> dict[str, Any]:
    source = {"fileObject": {"@id": path}, "extract": {"column": column.name}}
    known: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{records}/{column.name}",
        "name": column.name,
        "description": column.meaning,
    }
    if not (isinstance(column.type, ListOf) and isinstance(column.type.item, Struct)):
        return {**known, "dataType": _data_type(column.type), "source": source}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{records}/{column.name}/{name}",
            "name": name,
            "dataType": _data_type(kind),
            "source": {**source, "transform": {"jsonPath": name}},
        }
        for name, kind in column.type.item.fields
    ]
    return {**known, "repeated": True, "subField": parts}


def _data_type(kind: Type) -> str:
    if kind in (INT8, INT16, INT32, INT64):
        return "sc:Integer"
    if kind == BOOL:
        return "sc:Boolean"
    return "sc:DateTime" if kind == TIME else "sc:Text"
