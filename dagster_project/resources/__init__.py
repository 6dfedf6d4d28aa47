"""What assets are given by Dagster: the lake, the settings, a place to report progress, money to spend.

Two modules are for Dagster itself, and dagster.yaml names them: where it keeps its records (`storage`), and what
steps print (`compute_logs`).
"""

from dagster_project.resources.lake import LakeResource
from dagster_project.resources.progress import ProgressResource
from dagster_project.resources.settings import SettingsResource
from dagster_project.resources.spending import Spending

__all__ = ["LakeResource", "ProgressResource", "SettingsResource", "Spending"]
