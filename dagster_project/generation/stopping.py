"""Being stopped: what is under way is paid for, so the first signal waits for it, and the second one does not.

Belongs here: signals. Does not belong here: what is waited for (`engine`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class PoliteStop:
    """Keeps the first signal back until `now`; the second one has its usual effect. Use as a context manager.

    A signal that does not raise an exception, as SIGTERM ends most programs at once, is left alone. So are all in a
    thread, which gets none.

    Args:
        on_first: called within the signal's handler: it may not wait.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._usual: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._kept_back: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                usual = signal.getsignal(number)
                if callable(usual):
                    self._usual[number] = usual
                    signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    @property
    def is_asked_for(self) -> bool:
        """Whether a signal is kept back."""
        return self._kept_back is not None

    def now(self) -> None:
        """Let the signal that was kept back have its usual effect.

        Raises:
            KeyboardInterrupt: or whatever else the program stops by.
        """
        if self._kept_back is not None:
            self._restore()
            self._usual[self._kept_back](self._kept_back, None)
            raise KeyboardInterrupt

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked_for:
            self._kept_back = None
            self._restore()
            self._usual[number](number, frame)
        else:
            self._kept_back = number
            self._on_first()

    def _restore(self) -> None:
        for number, usual in self._usual.items():
            if signal.getsignal(number) == self._take:
                signal.signal(number, usual)
