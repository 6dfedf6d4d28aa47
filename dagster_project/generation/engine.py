"""Several cells side by side, in one event loop, over connections that are opened once.

While one cell waits for its last, slow answers, the next ones are asked already. Belongs here: what cells of a process
share, and the order in which they are worked on. Does not belong here: what happens within a cell, and which cells are
worked on (`answering`, `collecting`).
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from dagster_project.errors import SteerworksError
from dagster_project.generation.batches.log import BatchLog
from dagster_project.generation.cell import OpenCell
from dagster_project.generation.channel import Channel
from dagster_project.generation.claims import Claims
from dagster_project.generation.endpoints import Connection, connect
from dagster_project.generation.filling import CellReport, fill_cell
from dagster_project.generation.journal import FOLDER, journal_path, only_one_process, while_idle
from dagster_project.generation.known import KnownAnswers
from dagster_project.generation.limits.budget import Budget
from dagster_project.generation.limits.gate import Gate
from dagster_project.generation.limits.purse import Purse
from dagster_project.generation.limits.quota import Quota
from dagster_project.generation.progress import Progress
from dagster_project.generation.requests import spec_of
from dagster_project.generation.reserve import Reserve
from dagster_project.generation.spending import ledgers_of
from dagster_project.generation.stopping import PoliteStop
from dagster_project.generation.table import Unsettled
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile

CELLS_OF_A_MODEL = 16
"""Side by side: enough that small cells fill the places in flight together."""
CELLS_SIDE_BY_SIDE = 64
"""Of all models: few enough for open files and memory."""

SECONDS_BETWEEN_LOOKS = 0.05
STOPPED = SteerworksError("stopped before it was done")

T = TypeVar("T")


class Cell(NamedTuple):
    """A model and a prompt batch."""

    model: str
    prompt_batch: str


class _Queue:
    """Cells that wait, in their order for each model; all models get their share of the places."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._waiting: dict[str, deque[tuple[int, Cell]]] = {}
        for rank, cell in enumerate(cells):
            self._waiting.setdefault(cell.model, deque()).append((rank, cell))

    def next(self, under_way: Iterable[Cell]) -> tuple[int, Cell] | None:
        """Return the next cell with its rank, of a model with the fewest under way; None if each has enough."""
        places = Counter(cell.model for cell in under_way)
        models = [model for model, waiting in self._waiting.items() if waiting and places[model] < CELLS_OF_A_MODEL]
        return self._waiting[min(models, key=places.__getitem__)].popleft() if models else None


class Engine:
    """What the cells of a process share; use as a context manager.

    Args:
        lake: whose journals are read and written.
        models: endpoints and models.
        progress: told how far each cell has come.
        purse: the run's money, which all cells take from; None for no limit.
    """

    def __init__(self, lake: Lake, models: ModelsFile, progress: Progress, purse: Purse | None = None) -> None:
        self._lake = lake
        self._models = models
        self._progress = progress
        self._purse = purse or Purse()
        self._runner = asyncio.Runner()
        self._known = KnownAnswers(lake.root, progress.waiting)
        self._claims = Claims(lake.root, self._known)
        self._reserve = Reserve(lake.root / FOLDER, self._stop_for)
        self._channels: dict[str, asyncio.Task[Channel]] = {}
        self._connections: dict[str, asyncio.Task[Connection]] = {}
        self._quotas: dict[str, Quota] = {}
        self._collected: dict[Cell, OpenCell] = {}
        self._open = AsyncExitStack()
        self._stop = PoliteStop(self._stop_soon)
        self._stopping = asyncio.Event()
        self._why_stopped: SteerworksError | None = None

    def __enter__(self) -> Self:
        self._stop.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.__exit__(kind, error, trace)
        try:
            self._runner.run(self._open.aclose())
        finally:
            self._runner.close()
            self._reserve.close()
            self._claims.close()
            self._known.close()
        if kind is None:
            self._stop.now()

    def answer(self, cells: Iterable[Cell]) -> Iterator[tuple[Cell, CellReport | SteerworksError]]:
        """Answer cells, the first ones first; give each as it is finished, with its report or why it could not be.

        What has come back of their batches is collected before anything is asked: the money it leaves is for all.
        """
        cells = list(cells)
        failed = set()
        for cell, result in self._side_by_side(filter(self._has_batches_out, cells), self._collect_while_idle):
            if isinstance(result, SteerworksError):
                failed.add(cell)
                yield cell, result
        yield from self._side_by_side((cell for cell in cells if cell not in failed), self._answer)

    def collect(self, cells: Iterable[Cell]) -> Iterator[tuple[Cell, int | SteerworksError]]:
        """Take in what has come back of cells' batches, and ask for nothing.

        Yields:
            Each cell that has batches out, with how many of its requests stay out, or why some could not be collected.
        """
        yield from self._side_by_side(filter(self._has_batches_out, cells), self._collect)

    def _side_by_side(
        self, cells: Iterable[Cell], work: Callable[[Cell, int], Coroutine[Any, Any, T]]
    ) -> Iterator[tuple[Cell, T | SteerworksError]]:
        """Work on cells, several of each model at a time, each with its rank; give each as it is finished."""
        queue = _Queue(cells)
        under_way: dict[asyncio.Task[T], Cell] = {}
        loop = self._runner.get_loop()
        try:
            while True:
                while len(under_way) < CELLS_SIDE_BY_SIDE and (ranked := queue.next(under_way.values())):
                    rank, cell = ranked
                    under_way[loop.create_task(work(cell, rank))] = cell
                if not under_way:
                    return
                for task in self.run(_first_of(under_way)):
                    yield under_way.pop(task), _result(task)
        except (GeneratorExit, Exception):  # whoever takes the cells has failed, say; what is under way is paid for
            self._runner.run(self._all_answered())
            raise
        finally:
            if under_way:
                self._runner.run(_give_up(under_way))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work in the event loop of the cells.

        Raises:
            KeyboardInterrupt: or whatever else the program stops by, when all that was under way is answered.
        """
        try:
            return self._runner.run(self._until_stopped(work))
        finally:
            if self._stop.is_asked_for:
                self._runner.run(self._all_answered())
                self._stop.now()

    async def _until_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work; give it up once the program is to stop, and nothing that is paid for is under way any more."""
        working, stopping = asyncio.create_task(work), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await self._all_answered()
        finally:
            await _give_up([task for task in (working, stopping) if not task.done()])
        return working.result()

    def _stop_soon(self) -> None:
        self._runner.get_loop().call_soon_threadsafe(self._stop_asking)

    def _stop_asking(self) -> None:
        """Send nothing more, and say what is waited for."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._stop_for(STOPPED)
        if waited_for := [channel for channel in self._opened if channel.gate.in_flight]:
            of_each = ", ".join(f"{channel.gate.in_flight} of {channel.model}" for channel in waited_for)
            longest = max(channel.connection.endpoint.timeout_seconds for channel in waited_for)
            with suppress(Exception):  # it may be whoever is told that has failed
                self._progress.waiting(
                    f"stopping as soon as the answers under way are here ({of_each}), in {longest:g} s at the latest. "
                    "Stopped once more, it ends at once, and they are lost"
                )

    def _stop_for(self, why: SteerworksError) -> None:
        """Send nothing more, to no model."""
        self._why_stopped = why
        for channel in self._opened:
            channel.stop(why)

    async def _all_answered(self) -> None:
        self._stop_asking()
        while any(channel.is_in_use for channel in self._opened):
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    @property
    def _opened(self) -> list[Channel]:
        return [task.result() for task in self._channels.values() if task.done() and not _failed(task)]

    @asynccontextmanager
    async def cell(self, cell: Cell, purpose: str = "", rank: int = 0) -> AsyncIterator[OpenCell]:
        """Open a cell for this process alone; wait while another has it."""
        opened = self._cell(cell, purpose, rank)
        async with only_one_process(opened.journal, self._progress):
            yield opened

    def _cell(self, cell: Cell, purpose: str = "", rank: int = 0) -> OpenCell:
        spec = spec_of(self._models, cell.model)
        return OpenCell(
            self._lake,
            spec,
            *cell,
            journal_path(self._lake.root, *cell, purpose),
            self._known,
            self._claims,
            self._progress,
            partial(self._channel, cell.model),
            self._reserve,
            Unsettled(spec),
            rank,
        )

    def _has_batches_out(self, cell: Cell) -> bool:
        """Say whether a cell has batches to collect, or a log that cannot be read: collecting says why."""
        try:
            return bool(BatchLog(journal_path(self._lake.root, *cell)).outstanding)
        except SteerworksError:
            return True

    async def _collect_while_idle(self, cell: Cell, _rank: int) -> None:
        """Collect for a cell, which `_answer` goes on with; if another run works on it, that one does."""
        opened = self._cell(cell)
        with while_idle(opened.journal) as idle:
            if idle:
                await opened.collect()
                self._collected[cell] = opened

    async def _answer(self, cell: Cell, rank: int) -> CellReport:
        opened = self._collected.pop(cell, None) or self._cell(cell)
        opened.rank = rank
        async with only_one_process(opened.journal, self._progress):
            return await fill_cell(opened, self._models)

    async def _collect(self, cell: Cell, rank: int) -> int:
        async with self.cell(cell, rank=rank) as opened:
            return await opened.collect()

    async def _channel(self, model: str) -> Channel:
        """Return the way to a model, opened by the first cell that needs it."""
        if model not in self._channels:
            self._channels[model] = asyncio.create_task(self._open_channel(model))
        return await asyncio.shield(self._channels[model])

    async def _open_channel(self, model: str) -> Channel:
        self._reserve.set_aside()
        spec, endpoint = self._models.models[model], self._models.endpoint_of(model)
        if spec.endpoint not in self._connections:
            self._connections[spec.endpoint] = asyncio.create_task(self._connect(model))
        connection = await asyncio.shield(self._connections[spec.endpoint])
        if spec.endpoint not in self._quotas:
            self._quotas[spec.endpoint] = Quota(self._lake.root, f"endpoint-{spec.endpoint}", endpoint)
        quotas = [self._quotas[spec.endpoint]]
        if spec.max_in_flight or spec.requests_per_minute or spec.tokens_per_minute:
            quotas.append(Quota(self._lake.root, f"model-{model}", spec))
        say = partial(self._say, model)
        gate = Gate(int(min(endpoint.max_in_flight, spec.max_in_flight or math.inf)), quotas, say)
        budget = Budget(self._purse, ledgers_of(self._lake.root, self._models, model), say)
        channel = Channel(model, spec, connection, gate, budget, self._progress.waiting)
        if self._why_stopped:
            channel.stop(self._why_stopped)
        return channel

    def _say(self, model: str, why: str) -> None:
        self._progress.waiting(f"model `{model}`: {why}")

    async def _connect(self, model: str) -> Connection:
        return await self._open.enter_async_context(connect(self._models, model))


async def _first_of(tasks: Mapping[asyncio.Task[T], Cell]) -> list[asyncio.Task[T]]:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return [task for task in tasks if task in done]


def _result(task: asyncio.Task[T]) -> T | SteerworksError:
    try:
        return task.result()
    except SteerworksError as error:
        return error


def _failed(task: asyncio.Task[T]) -> bool:
    return task.cancelled() or task.exception() is not None


async def _give_up(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
