"""One thread per device, which alone creates, drives and closes the generators of the jobs on that device.

Three facts make this thread necessary. Torch keeps grad mode per thread, so a generator that is resumed on changing
threads (as a web server's pool does) finds the mode of a stranger, and leaves its own behind: an optimiser next to
`inference_mode` jobs then fails with "does not require grad". A device that two jobs use at once runs out of memory.
And cancelling a coroutine does not end the thread that works for it, so a limit on coroutines is no lock on a device;
this thread is, because it takes the next job only after it has closed the last.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.errors import AtelierError, Cancelled, OutOfMemory
from models.devices import free_memory, is_out_of_memory
from pipelines.steps import Command, Result, Run, Step

if TYPE_CHECKING:
    from jobs.queue import JobQueue

logger = logging.getLogger(__name__)


class Discarded(BaseException):
    """Raised by `report` to make the worker close the run. Not an `Exception`, so that no pipeline can swallow it."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: "done" with its result, or "failed" or "cancelled" with what to tell the user."""

    state: str
    result: Result | None = None
    error: AtelierError | None = None


class Worker(threading.Thread):
    """Takes jobs from `queue` for `device`, one after another, until the queue closes."""

    def __init__(self, queue: JobQueue, device: str) -> None:
        super().__init__(name=f"worker {device}", daemon=True)
        self._queue = queue
        self._device = device

    def run(self) -> None:
        while self._work():
            pass

    def _work(self) -> bool:
        # A method of its own, so that an idle worker's locals do not keep the last result alive.
        job = self._queue.take(self._device)
        if job is None:
            return False
        outcome = drive(job.start, self._device, lambda step: self._queue.report(job, step))
        if isinstance(outcome.error, OutOfMemory):
            free_memory(self._device)  # the frames that held the tensors are gone by now
        self._queue.finish(job, outcome)
        return True


def drive(start: Callable[[str], Run], device: str, report: Callable[[Step], Command | None]) -> Outcome:
    """Run a pipeline to its end on this thread.

    `report` is called after every step and returns what to tell the pipeline next, or raises `Discarded`. Never raises:
    whatever a pipeline does, the thread goes on to the next job.
    """
    run: Run | None = None
    try:
        run = start(device)
        return Outcome("done", result=_to_result(run, report))
    except Discarded:
        return Outcome("cancelled", error=Cancelled("This job was cancelled."))
    except BaseException as error:  # a SystemExit of some library must not end the worker either
        return _failure(error)
    finally:
        _close(run)


def _to_result(run: Run, report: Callable[[Step], Command | None]) -> Result:
    command: Command | None = None
    while True:
        try:
            said = run.send(command)
        except StopIteration:
            raise RuntimeError("the pipeline ended without a Result") from None
        if isinstance(said, Result):
            return said
        command = report(said)


def _close(run: Run | None) -> None:
    try:
        if run is not None:
            run.close()
    except BaseException:  # the result or the first error counts, not what cleaning up had to say
        logger.exception("a pipeline failed while it was closed")


def _failure(error: BaseException) -> Outcome:
    if isinstance(error, AtelierError):
        # The error outlives this call, and its traceback would keep every tensor of the run's frames alive.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return Outcome("cancelled" if isinstance(error, Cancelled) else "failed", error=error)
    if is_out_of_memory(error):
        logger.warning("out of memory: %s", error)
        text = "This needs more memory than there is. Try fewer candidates, a smaller size or a smaller model."
        return Outcome("failed", error=OutOfMemory(text))
    number = uuid.uuid4().hex[:6].upper()
    logger.error("job failed, id %s", number, exc_info=error)
    text = f"Something went wrong on our side (id {number}). Please try again, and report this id if it stays so."
    return Outcome("failed", error=AtelierError(text))
