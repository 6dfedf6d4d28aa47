"""A conversation as HelpSteer2's one string.

Belongs here: that encoding. Does not belong here: the templates of other trainers.

The encoding is that of the data card of nvidia/HelpSteer2::

    {user turn 1}
    <extra_id_1>Assistant
    {assistant turn 1}
    <extra_id_1>User
    {user turn 2}

The first user turn has no marker; a system message, which HelpSteer2 has none of, stands in front
as in NeMo-Aligner's template. The marker is plain text and there is no escape for it: a turn
whose own text holds ``<extra_id_1>`` stays as it is, and cannot be told from a turn's beginning.
The column ``messages`` is the form without doubt.
"""

from __future__ import annotations

import polars as pl

TURN_MARKER = "<extra_id_1>"
SYSTEM_MARKER = "<extra_id_0>"


def flatten(messages: pl.Expr) -> pl.Expr:
    """Return the flat text of a column of conversations (lists of structs of role and content)."""
    role = pl.element().struct.field("role")
    turn = pl.concat_str(
        pl.when(role == "system").then(pl.lit(SYSTEM_MARKER)).otherwise(pl.lit(TURN_MARKER)),
        role.str.head(1).str.to_uppercase(),
        role.str.slice(1),
        pl.lit("\n"),
        pl.element().struct.field("content"),
    )
    return messages.list.eval(turn).list.join("\n").str.strip_prefix(f"{TURN_MARKER}User\n")
