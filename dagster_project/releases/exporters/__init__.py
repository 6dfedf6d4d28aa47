"""Exports: a release once more in the shapes that trainers read, made from its own files.

Belongs here: which formats there are (`formats`), and writing them (`writing`); what a format's rows are is a
statement in ``sql/exports``. Does not belong here: training, and anything that the release does not hold itself.
"""

from dagster_project.releases.exporters.formats import FORMATS, Format, formats_of
from dagster_project.releases.exporters.writing import Exported, write_exports

__all__ = ["FORMATS", "Exported", "Format", "formats_of", "write_exports"]
