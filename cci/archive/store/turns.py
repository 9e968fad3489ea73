"""One thread on which short writes take turns, so that those that wait together share one durable commit.

Each is answered only after the commit that holds it; one that fails is rolled back alone. What takes long
(an archive to be unpacked, a whole session) has its own thread and its own transaction instead.
"""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from cci.archive.store.database import Database

#: At most so many writes wait for one commit.
_MOST = 64
#: So many at most are made ready for their turns at a time.
_READYING = 32
P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True)
class _Turn:
    job: Callable[..., Any]
    future: Future[Any]
    loop: AbstractEventLoop
    context: Context


@dataclass(frozen=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


class Turns:
    """Runs jobs one after the other, several in one transaction; the thread starts with the first job.

    Parameters
    ----------
    database
        What the jobs write to, through its `write` and `read`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: SimpleQueue[_Turn | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._readying = ThreadPoolExecutor(_READYING, thread_name_prefix="archive-ready")

    async def take(self, job: Callable[[], T]) -> T:
        """Run a job when its turn comes, and return its result once all that it wrote is durable.

        It raises what the job raises, or what kept the commit from being made.
        """
        turn, future = self._turn(job)
        self._waiting.put(turn)
        return await future

    async def take_after(self, make_ready: Callable[[], P], job: Callable[[P], T]) -> T:
        """Do something at once, beside others, and run a job with its result when its turn comes.

        It goes from the one to the other without the caller's thread, which has others to see to.
        """
        turn, future = self._turn(job)
        self._readying.submit(self._make_ready, make_ready, turn)
        return await future

    def _turn(self, job: Callable[..., T]) -> tuple[_Turn, Future[T]]:
        loop = get_running_loop()
        future: Future[T] = loop.create_future()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="archive-writes", daemon=True)
            self._thread.start()
        return _Turn(job, future, loop, copy_context()), future

    def _make_ready(self, make_ready: Callable[[], Any], turn: _Turn) -> None:
        try:
            ready = make_ready()
        except Exception as error:  # noqa: BLE001 (it is raised where the job came from)
            _hand_out([turn], [_Outcome(error=error)])
        else:
            self._waiting.put(replace(turn, job=partial(turn.job, ready)))

    def close(self) -> None:
        """Let what waits be written, and end the thread; closing twice is no error."""
        if self._thread is not None:
            self._readying.shutdown()
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        going_on = True
        while going_on:
            turns = self._next()
            if turns[-1] is None:
                going_on = False
            real = [turn for turn in turns if turn is not None]
            _hand_out(real, self._together(real))

    def _next(self) -> list[_Turn | None]:
        """Wait for a turn, and return it with those that wait behind it, the end (None) last."""
        turns = [self._waiting.get()]
        with suppress(Empty):
            while turns[-1] is not None and len(turns) < _MOST:
                turns.append(self._waiting.get_nowait())
        return turns

    def _together(self, turns: Sequence[_Turn]) -> list[_Outcome]:
        if not turns:
            return []
        try:
            with self._database.together():
                return [self._outcome(turn) for turn in turns]
        except Exception as error:  # noqa: BLE001 (nothing of any job is durable; each is told)
            return [_Outcome(error=error)] * len(turns)

    def _outcome(self, turn: _Turn) -> _Outcome:
        try:
            with self._database.part():
                return _Outcome(value=turn.context.run(turn.job))
        except Exception as error:  # noqa: BLE001 (it is raised where the job came from)
            return _Outcome(error=error)


def _hand_out(turns: Sequence[_Turn], outcomes: Sequence[_Outcome]) -> None:
    for loop in {turn.loop for turn in turns}:
        mine = [(turn.future, out) for turn, out in zip(turns, outcomes, strict=True) if turn.loop is loop]
        # a loop that is closed has nobody left who waits
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, mine)


def _settle(results: Sequence[tuple[Future[Any], _Outcome]]) -> None:
    for future, outcome in results:
        if future.done():
            continue
        if outcome.error is not None:
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome.value)
