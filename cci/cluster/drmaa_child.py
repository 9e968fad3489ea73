"""The process that owns a DRMAA library: it makes one call after the other for its parent, no more.

It is the only place that imports ``drmaa``. Requests come and answers go as lines of JSON, through the pipes
that were its standard input and output; whatever the library prints goes to standard error instead. All calls
of the library are made by the main thread, from ``drmaa_init`` to ``drmaa_exit``: several libraries fail when
another one makes them. A second thread only reads, so that the end of the parent is seen during a call too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread, Timer
from typing import Any, Protocol, TextIO, cast

#: How long a call may still take when the parent is gone, and then leaving the session, in seconds.
LEAVE_S = 5.0
#: The call that must not end unseen: whoever looks for the job next would look too early.
SUBMIT = "run"

Request = Mapping[str, Any]


class Session(Protocol):
    """What we use of ``drmaa.Session``; the names are the library's own."""

    contact: str
    drmsInfo: str  # noqa: N815
    drmaaImplementation: str  # noqa: N815

    def initialize(self, contactString: str | None) -> None: ...  # noqa: D102, N803
    def exit(self) -> None: ...  # noqa: D102
    def createJobTemplate(self) -> object: ...  # noqa: D102, N802
    def deleteJobTemplate(self, jobTemplate: object) -> None: ...  # noqa: D102, N802, N803
    def runJob(self, jobTemplate: object) -> str: ...  # noqa: D102, N802, N803
    def jobStatus(self, jobId: str) -> str: ...  # noqa: D102, N802, N803
    def control(self, jobId: str, operation: str) -> None: ...  # noqa: D102, N803
    def wait(self, jobId: str, timeout: int) -> Any: ...  # noqa: D102, N803


def _open(request: Request) -> tuple[Session, dict[str, str]]:
    """Load the library and join the session with this contact, or a new one if that cannot be."""
    import drmaa

    session = cast("Session", drmaa.Session())
    try:
        session.initialize(request["contact"] or None)
    except (drmaa.errors.DrmCommunicationException, drmaa.errors.TryLaterException):
        raise
    except drmaa.errors.DrmaaException:
        if not request["contact"]:
            raise
        session.initialize(None)
    told = {
        "contact": session.contact,
        "system": session.drmsInfo,
        "implementation": session.drmaaImplementation,
    }
    return session, told


def _run(session: Session, request: Request) -> str:
    template = session.createJobTemplate()
    try:
        for name, value in request["attributes"].items():
            setattr(template, name, value)
        return session.runJob(template)
    finally:
        session.deleteJobTemplate(template)


def _status(session: Session, request: Request) -> str:
    return session.jobStatus(request["id"])


def _control(session: Session, request: Request) -> None:
    session.control(request["id"], request["operation"])


def _wait(session: Session, request: Request) -> dict[str, Any] | None:
    """Take what the library knows of a job's end; it forgets the job then. None if it has not ended."""
    import drmaa

    try:
        info = session.wait(request["id"], 0)
    except drmaa.errors.ExitTimeoutException:
        return None
    return dict(info._asdict())


_CALLS: Mapping[str, Callable[[Session, Request], object]] = {
    SUBMIT: _run,
    "status": _status,
    "control": _control,
    "wait": _wait,
}


class _Parent:
    """The other end of the pipes. *gone* is set as soon as it has closed its end, by dying or on purpose."""

    def __init__(self, requests: TextIO, answers: TextIO) -> None:
        self.gone = Event()
        self.doing = ""
        self._requests = requests
        self._answers = answers
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        Thread(target=self._read, daemon=True).start()

    def next(self) -> Request | None:
        """Wait for a request; None at the end. One that was sent by a parent that is gone is not done."""
        request = self._queue.get()
        if request is None:
            return None
        # first this, then the question, as `_read` does it the other way round: one of us sees the other
        self.doing = str(request["call"])
        return None if self.gone.is_set() else request

    def answer(self, answer: Mapping[str, object]) -> None:
        self.doing = ""
        with suppress(BrokenPipeError):
            self._answers.write(json.dumps(answer) + "\n")
            self._answers.flush()

    def _read(self) -> None:
        for line in self._requests:
            self._queue.put(json.loads(line))
        self.gone.set()
        self._queue.put(None)
        # A submission that is under way is given up at once: the sooner, the surer that whoever
        # takes the parent's place finds the job or does not. Any other call may end by itself.
        patience_s = 0.0 if self.doing == SUBMIT else LEAVE_S
        timer = Timer(patience_s, os._exit, (1,))
        timer.daemon = True
        timer.start()


def _answer_of(call: Callable[[], object]) -> dict[str, object]:
    """Make the call. Whatever it raises is told by its class; what texts say differs between libraries."""
    try:
        return {"value": call()}
    except Exception as error:  # noqa: BLE001 (the parent decides what each means)
        return {"error": type(error).__name__, "text": str(error)}


def _serve(parent: _Parent) -> None:
    session: Session | None = None
    try:
        while request := parent.next():
            if session is None:
                session = _first(parent, request)
                continue
            parent.answer(_answer_of(partial(_CALLS[request["call"]], session, request)))
    finally:
        if session is not None:
            with suppress(Exception):
                session.exit()


def _first(parent: _Parent, request: Request) -> Session | None:
    """Open the session, which is what a parent asks for first, and again until it succeeds."""
    opened: list[Session] = []

    def open_() -> dict[str, str]:
        session, told = _open(request)
        opened.append(session)
        return told

    parent.answer(_answer_of(open_))
    return opened[0] if opened else None


def main() -> None:
    """Serve the parent until it closes the pipe, then leave the session; jobs are not touched."""
    # Copies, which are not inherited: neither the library nor what it starts can speak in between.
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    _serve(_Parent(requests, answers))
    sys.stderr.flush()
    # not by way of the interpreter's end: a library's threads and exit handlers may hang there
    os._exit(0)


if __name__ == "__main__":
    main()
