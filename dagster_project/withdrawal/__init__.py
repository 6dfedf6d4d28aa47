"""The legal withdrawal of a prompt or of a worker: the one deletion that there is.

Belongs here: finding everything that one request is about, in every store that docs/withdrawal.md lists, and taking it
out. Does not belong here: the register that refuses it from then on (`dagster_project.withdrawn`), and refusing, which
each domain does at its own intake. What was decided about others stays as it is: a withdrawal moves nothing.
"""

from dagster_project.withdrawal.finding import withdrawal_of_prompt, withdrawal_of_worker
from dagster_project.withdrawal.page import page
from dagster_project.withdrawal.purge import Outcome, plan, purge
from dagster_project.withdrawal.scope import Cut, Scope

__all__ = ["Cut", "Outcome", "Scope", "page", "plan", "purge", "withdrawal_of_prompt", "withdrawal_of_worker"]
