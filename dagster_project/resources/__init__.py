"""What assets are given by Dagster: the lake, the settings, and a place to report progress."""

from dagster_project.resources.lake import LakeResource
from dagster_project.resources.progress import ProgressResource
from dagster_project.resources.settings import SettingsResource

__all__ = ["LakeResource", "ProgressResource", "SettingsResource"]
