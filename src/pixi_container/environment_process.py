"""A process that ships images of environments, and what it tells the process that started it.

Environments are made beside each other by processes, because most of the work is Python's own.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

from pixi_container.errors import UserError
from pixi_container.interrupts import Interrupted, interrupts_deferred, stop_on_signals
from pixi_container.request import registry_client
from pixi_container.ship import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from pixi_container.index_report import IndexReport
    from pixi_container.plan.gather import PlatformPlan
    from pixi_container.plan.index_plan import IndexPlan
    from pixi_container.plan.plan import Plan
    from pixi_container.report import Report
    from pixi_container.request import Request


_PART_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """How the image of an environment ended: what is reported of it, or else the error."""

    environment: str
    outputs: dict[str, str] = field(default_factory=dict)
    text: str = ""
    summary: str = ""
    error: UserError | None = None


def shipped(environment: str, report: Report | IndexReport) -> Shipped:
    """Return what is reported of an environment's image."""
    return Shipped(environment=environment, outputs=report.outputs(), text=report.text(), summary=report.summary())


@dataclass(frozen=True)
class Told:
    """What a process tells its log; ``kind`` is ``say``, ``step``, ``ended``, ``warning`` or ``mask``."""

    kind: str
    text: str


class Work(NamedTuple):
    """An image to ship: the environment's name, what is asked for, and the plans."""

    environment: str
    request: Request
    plan: Plan | IndexPlan
    platforms: tuple[PlatformPlan, ...]


class EnvironmentProcess:
    """A running process, which ships one image after the other, and whose messages come through a connection."""

    def __init__(self) -> None:
        # A fork would copy locks that other threads of this process hold.
        context = get_context("spawn")
        self.work: Work | None = None
        with interrupts_deferred():
            self.connection, theirs = context.Pipe()
            self._process: BaseProcess = context.Process(target=_work, args=(theirs,))
            self._process.start()
            theirs.close()

    def start(self, work: Work) -> None:
        """Have it ship an image, once the one before has ended."""
        self.work = work
        # If it is gone, that is what is received.
        with suppress(OSError):
            self.connection.send(work)

    def receive(self) -> Told | Shipped:
        """Return the next message about the image, once there is one. The last one is how it ended."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            name = self.work.environment if self.work else ""
            error = UserError(f"the process of environment '{name}' ended with code {self._process.exitcode}")
            return Shipped(environment=name, error=error)
        assert isinstance(message, Told | Shipped)  # noqa: S101 - it is what the other end sends
        return message

    @property
    def is_running(self) -> bool:
        """Whether it can be given more work."""
        return self._process.is_alive()

    def stop(self) -> None:
        """Ask it to stop, unless it has."""
        if self._process.is_alive():
            self._process.terminate()

    def kill(self) -> None:
        """End it at once, without any clean-up."""
        self._process.kill()

    def end(self) -> None:
        """Wait until it has ended, whatever it still has to say."""
        with suppress(OSError):
            while os.read(self.connection.fileno(), _PART_BYTES):
                pass
        self._process.join()
        self.connection.close()


class _Log:
    """A log whose lines go through a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def tell(self, message: Told | Shipped) -> None:
        """Send a message. Threads of the same process may do so at the same time."""
        is_main = threading.current_thread() is threading.main_thread()
        # Signals interrupt the main thread alone, which must not stop in the middle of a message.
        with self._lock, interrupts_deferred() if is_main else nullcontext():
            self._connection.send(message)

    def say(self, text: str) -> None:
        """Send the program's own lines."""
        self.tell(Told("say", text))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Send the title, and at the end how the step ended."""
        from pixi_container.log import timed

        self.tell(Told("step", title))
        with timed(lambda ended: self.tell(Told("ended", f"{title}: {ended}"))):
            yield

    @contextmanager
    def untrusted_output(self) -> Iterator[Callable[[str], None]]:
        """Yield ``say``, because the process at the other end has the runner execute none of the lines."""
        yield self.say

    def warning(self, text: str) -> None:
        """Send a warning."""
        self.tell(Told("warning", text))

    def error(self, error: UserError) -> None:
        """Send an error as a line; the one that ends the process is in what it sends last."""
        self.tell(Told("say", str(error)))

    def mask(self, secret: str) -> None:
        """Send a secret, which is to be hidden in everything that follows."""
        self.tell(Told("mask", secret))


def _work(connection: Connection) -> None:
    """Ship what comes through the connection, as the whole work of a process, until its other end is closed."""
    log, works = _Log(connection), queue.SimpleQueue[Work]()
    threading.Thread(target=_read, args=(connection, works), daemon=True).start()
    try:
        with stop_on_signals():
            while True:
                log.tell(_shipped(works.get(), log))
    except Interrupted:
        return


def _shipped(work: Work, log: _Log) -> Shipped:
    """Return how an image ended. Raises ``Interrupted`` after having told of it."""
    try:
        with registry_client(work.request) as registry:
            report = carry_out(work.request, work.plan, work.platforms, registry, log)
        return shipped(work.environment, report)
    except UserError as error:
        return Shipped(environment=work.environment, error=error)
    except Interrupted as interrupted:
        stopped = UserError(f"stopped by {interrupted}; nothing is left on this machine")
        log.tell(Shipped(environment=work.environment, error=stopped))
        raise
    except Exception:  # noqa: BLE001 - whatever it is, it is told
        log.say(traceback.format_exc())
        bug = UserError("this is a bug in pixi-container; please report it and include the lines of the log")
        return Shipped(environment=work.environment, error=bug)


def _read(connection: Connection, works: queue.SimpleQueue[Work]) -> None:
    """Pass on what comes, and stop this process when there can be no more: what started it may be gone."""
    try:
        while True:
            works.put(connection.recv())
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
