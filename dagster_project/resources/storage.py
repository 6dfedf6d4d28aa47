"""Dagster's own storage on SQLite, with connections that stay open.

Dagster opens a database anew for each event, has the statement compiled anew, and closes it, whereupon SQLite tidies
up. That is most of what an event takes, and a cell of `responses` has twenty. Files and tables are the same, so a
home may go to and fro between this storage and Dagster's.

Belongs here: how the default storage is reached; dagster.yaml names it. Does not belong here: what is stored.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, QueuePool, create_engine

MOST_OPEN = 8
"""Databases: the index, and those of the runs last looked at. Each run has one."""


class OpenEventLog(SqliteEventLogStorage):
    """Dagster's event log; a thread of the process waits while another one is at it, as in Dagster's own."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[tuple[int, str], Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        """Return what opens a database; a process that was forked off has its own, as SQLite demands."""
        key = (os.getpid(), shard)
        if key not in self._engines:
            self._engines[key] = self._opened(shard)
        self._engines.move_to_end(key)
        while len(self._engines) > MOST_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[key]

    def _opened(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=QueuePool,
            pool_size=1,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    def has_table(self, table_name: str) -> bool:
        """Say whether there is a table; one that is there stays, and is looked for with each event."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def wipe(self) -> None:
        """Remove all events."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close all databases."""
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()


class OpenSqliteStorage(DagsterSqliteStorage):
    """Dagster's storage in a folder, with `OpenEventLog`."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = OpenEventLog(str(Path(base_dir) / "history" / "runs"))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> OpenSqliteStorage:
        """Return the storage that dagster.yaml describes."""
        return cls.from_local(inst_data=inst_data, **config_value)
