"""Which code made a release, as one hash.

Belongs here: that hash. Does not belong here: hashes of data or of configuration (`lock`).
"""

from __future__ import annotations

from dagster_project import __version__
from dagster_project.identity import digest, file_sha256
from dagster_project.settings import PROJECT_ROOT

CODE_FOLDERS = {"sql": "*.sql", "expectations": "*.yaml"}


def code_version() -> str:
    """Return a hash over the package's version and every file of ``sql/`` and ``expectations/``."""
    files = [
        [path.relative_to(PROJECT_ROOT).as_posix(), file_sha256(path)]
        for folder, pattern in CODE_FOLDERS.items()
        for path in sorted((PROJECT_ROOT / folder).rglob(pattern))
    ]
    return digest([__version__, files])
