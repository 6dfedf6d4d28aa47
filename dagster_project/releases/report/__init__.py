"""The report: one page with plots of a release, which needs no network and no other file.

Belongs here: gathering figures (`page`), drawing them (`plots`), and the strokes that they are drawn with (`svg`). Does
not belong here: what is counted (``sql/release_report``), and the card.
"""

from dagster_project.releases.report.page import REPORT, report_page

__all__ = ["REPORT", "report_page"]
