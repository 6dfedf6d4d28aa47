"""The simulated vendor: a program that rates by rules of thumb and by dice, for trying Steerworks out.

Belongs here: a panel of raters with the habits and flaws of real ones, and the mishaps of real
deliveries. Does not belong here: any knowledge of Steerworks beyond the files of the outbox and
the inbox. Every row that it delivers says that it is simulated.
"""

from dagster_project.simulation.panel import PANEL, Worker
from dagster_project.simulation.vendor import answer_outbox

__all__ = ["PANEL", "Worker", "answer_outbox"]
