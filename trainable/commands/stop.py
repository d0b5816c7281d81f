"""Stop signals end a command in order, at whatever moment they come.

They are Ctrl-C, SIGTERM, SIGHUP, and SIGUSR1, which Slurm and submitit send before a time limit.

Imports nothing that is slow, so that a command can listen before all the rest is imported.
"""

import atexit
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
_RENEW = signal.SIGUSR2
_ONE_STOP_SECONDS = 1.0
"""Signals of one keypress may come twice, as `uv run` passes on what a terminal sends to all."""


class StopSignals:
    """What the signals do: at first they end the process, later they raise or are noted.

    Attributes:
        received: The first stop signal; None before one comes.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._listens = False
        self._raises = False
        self._held = 0
        self._last = -_ONE_STOP_SECONDS

    @property
    def name(self) -> str:
        """The first signal, as a person calls it."""
        stopped_by_key = self.received in (None, signal.SIGINT)
        return "Ctrl-C" if stopped_by_key else signal.Signals(self.received or 0).name

    @property
    def status(self) -> int:
        """Exit status after the first signal, as shells have it: 130, 143, 129 or 138."""
        return 128 + (self.received or signal.SIGINT)

    def listen(self) -> None:
        """Take the signals: one ends the process at once, in a sentence, as nothing has begun."""
        self._listens = True
        signal.signal(_RENEW, lambda *_: self._take())
        # whoever starts both Ray and a search keeps the signals from Ray, and so from its children
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._take()

    def raise_interrupts(self) -> None:
        """Take the signals: one raises `KeyboardInterrupt` in the main thread, unless held."""
        self._raises = True
        self.listen()
        # Python gives its handlers up before it ends, and a second signal would then end it first
        atexit.register(_ignore)

    def end(self) -> None:
        """Only note signals from now on: the command has ended, in whatever way."""
        self._held += 1

    def renew(self) -> None:
        """Take the signals again, after a library took them; from any thread."""
        if self._listens:
            # Python sets handlers in its main thread only
            signal.pthread_kill(threading.main_thread().ident or 0, _RENEW)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Only note signals: for work that a signal must not cut short."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    @contextlib.contextmanager
    def released(self, *, anew: bool = False) -> Iterator[None]:
        """Let signals raise `KeyboardInterrupt` within `held`.

        One that came before raises at once, unless only a new one counts (`anew`).
        """
        held, self._held = self._held, 0
        try:
            if self.received is not None and not anew:
                raise KeyboardInterrupt
            yield
        finally:
            self._held = held

    def _take(self) -> None:
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` leaves it
                signal.signal(number, self._receive)

    def _receive(self, number: int, _: FrameType | None) -> None:
        # Ray's crash handler, where it is before this one, would abort the process in 3 seconds
        signal.alarm(0)
        if number == signal.SIGHUP:
            _leave_terminal()
        if self.received is None:
            self.received = signal.Signals(number)
            _say(f"{self.name}: stopping ..." if self._raises else f"Stopped by {self.name}.")
        if not self._raises:
            os._exit(self.status)
        now = time.monotonic()
        if now - self._last >= _ONE_STOP_SECONDS:
            self._last = now
            if not self._held:
                raise KeyboardInterrupt


def _ignore() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _say(text: str) -> None:
    """Write a line at once: a handler may interrupt any other writing."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())


def _leave_terminal() -> None:
    """Write to nowhere from now on if the terminal has gone, so that no line ends the command."""
    for output in (1, 2):
        try:
            os.write(output, b"")
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), output)


stop_signals = StopSignals()
"""Those of this process."""
