"""The parent's end of a DRMAA library: it starts the process that owns it, and starts it again when it must.

It knows calls, deadlines and the session's contact, and nothing of jobs. The other end is
`cci.cluster.drmaa_child`.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import structlog

import cci
from cci.errors import ClusterUnavailable

log = structlog.get_logger()

#: The child's program. Our own place comes last on its path, as it may be the site packages.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from cci.cluster.drmaa_child import main; main()"
#: How long the child may take to leave its session, in seconds; then it is killed.
LEAVE_S = 10.0
#: How long a killed process may take to be gone, in seconds.
_GONE_S = 5.0
#: How much of what the library printed is kept to be told, in characters.
_PRINTED = 400


class LibraryError(Exception):
    """The library raised an exception. *kind* is the name of its class, *text* its sentence."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        # "code 17: …": the number says no more than the class does
        self.text = " ".join(text.split(": ", 1)[-1].split()) if text.startswith("code ") else text.strip()


class LibraryLost(ClusterUnavailable):
    """The process that owns the library died, or was ended as it did not answer in time (*late*)."""

    def __init__(self, message: str, *, late: bool) -> None:
        super().__init__(message)
        self.late = late


class Contact:
    """The session's contact string, in a file of this host that outlives the process.

    Several processes of one person, such as the daemon and a nightly sweep, may join one session by it: all
    of them learn of the ends of its jobs. Two that find no contact at the same moment make two sessions, and
    the one that is noted last is joined later. No job depends on it: without its session a job is found and
    controlled all the same, and its end is in the books.

    Parameters
    ----------
    path
        The file; None keeps the contact in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = ""

    def read(self) -> str:
        """Return the contact, '' if there is none."""
        if self._path is not None:
            with suppress(OSError, UnicodeDecodeError):
                return self._path.read_text(encoding="utf-8").strip()
        return self._known

    def write(self, contact: str) -> None:
        """Keep the contact, in one step, for this user alone."""
        self._known = contact
        if self._path is None:
            return
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(f"{contact}\n")
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(self._path)
        except OSError as error:
            log.warning("contact not kept", action="drmaa", file=str(self._path), error=str(error))


class Library:
    """A DRMAA library in a process of its own. Several threads may use it; their calls are made in turn.

    Parameters
    ----------
    name
        The cluster's name, for messages.
    environment
        The child's whole environment; see `cci.cluster.drmaa_settings`.
    contact
        Where the session's contact is kept.
    call_s
        Longest time for one call, in seconds; joining the session is one.
    """

    def __init__(self, name: str, environment: Mapping[str, str], contact: Contact, *, call_s: float) -> None:
        self.name = name
        self.call_s = call_s
        self._environment = dict(environment)
        self._contact = contact
        self._lock = Lock()
        self._child: _Child | None = None
        self._distrusts_contact = False

    def call(self, verb: str, *, repeat: bool = True, **arguments: object) -> Any:
        """Let the child make one call and return its value.

        Parameters
        ----------
        verb
            A call of `cci.cluster.drmaa_child`.
        repeat
            Make it once more, in a new child, if the child is lost in it.

        Raises
        ------
        LibraryError
            The library raised an exception.
        LibraryLost
            The child died or did not answer in time; the call may have been made or not.
        ClusterUnavailable
            The session could not be joined; the call was certainly not made.
        """
        with self._lock:
            try:
                return self._ask(verb, arguments)
            except LibraryLost as lost:
                log.warning("DRMAA library lost", action="drmaa", cluster=self.name, error=lost.message)
                if not repeat:
                    raise
            return self._ask(verb, arguments)

    def call_each(self, verb: str, requests: Sequence[Mapping[str, object]]) -> list[Any]:
        """Let the child make a call for each request, one right after the other and none twice.

        Returns
        -------
        list
            For each what `call` returns; or the `LibraryError`, or the `LibraryLost` where the child was lost
            in it or before: it may have been made or not.

        Raises
        ------
        ClusterUnavailable
            The session could not be joined; no call was made.
        """
        with self._lock:
            child = self._joined()
            answers = child.ask_each([{**request, "call": verb} for request in requests], self.call_s)
            lost = next((answer for answer in answers if isinstance(answer, LibraryLost)), None)
            if lost is not None:
                log.warning("DRMAA library lost", action="drmaa", cluster=self.name, error=lost.message)
                self._child = None
            return answers

    def implementation(self) -> str:
        """Return the library's own description of itself and the system behind it; see `call`."""
        with self._lock:
            told = self._joined().told
        return f"{told['implementation']} for {told['system']}"

    def close(self) -> None:
        """Leave the session and end the child; the next call would start another."""
        with self._lock:
            if self._child is not None:
                self._child.leave()
                self._child = None

    def _ask(self, verb: str, arguments: Mapping[str, object]) -> Any:
        child = self._joined()
        try:
            return child.ask({**arguments, "call": verb}, self.call_s)
        except LibraryLost:
            self._child = None
            raise

    def _joined(self) -> _Child:
        """Return the child that has joined the session; start one if need be."""
        if self._child is not None:
            if self._child.alive():
                return self._child
            self._child.end()
            self._child = None
        before = "" if self._distrusts_contact else self._contact.read()
        child = _Child(self.name, self._environment)
        try:
            child.told = child.ask({"call": "open", "contact": before}, self.call_s)
        except LibraryLost as lost:
            # a contact that the library dies of would keep us out for ever
            self._distrusts_contact = bool(before) and not lost.late
            raise
        except LibraryError as error:
            child.end()
            raise ClusterUnavailable(
                f"cluster {self.name} cannot use its DRMAA library: {error.text}", hint=hint_for(error)
            ) from error
        if child.told["contact"] != before:
            self._contact.write(child.told["contact"])
        self._child = child
        self._distrusts_contact = False
        return child


def hint_for(error: LibraryError) -> str:
    """Return what a person can do about a library that cannot be loaded or cannot open a session."""
    if "static TLS" in error.text:
        return "set GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 in the cluster's environment"
    if error.kind in {"RuntimeError", "OSError", "AttributeError"}:
        return "name the system's libdrmaa.so as 'library' in the cluster's settings"
    if error.kind == "ModuleNotFoundError":
        return "install the Python package drmaa"
    if error.kind in {"InternalException", "DrmsInitException", "DefaultContactStringException"}:
        return "set what the system needs, such as SGE_ROOT, in the 'environment' of the cluster's settings"
    return ""


class _Child:
    """One child process. It is spent when a call was lost."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.told: dict[str, str] = {}
        self._name = name
        self._answers = b""
        self._printed = b""
        package = str(Path(cci.__file__).resolve().parents[1])
        errors, its_errors = os.pipe()
        # What a library prints must neither fill a pipe and stop it, nor a disk: the rest is lost.
        os.set_blocking(errors, False)
        os.set_blocking(its_errors, False)
        self._errors = os.fdopen(errors, "rb", buffering=0)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, package],
                cwd="/",
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=its_errors,
                # a Ctrl-C at the terminal is the parent's business
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise ClusterUnavailable(f"cluster {name} cannot start its DRMAA process: {error}") from error
        finally:
            os.close(its_errors)

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Mapping[str, object], limit_s: float) -> Any:
        """Send one request and wait for its answer; the child is ended if there is none in time."""
        answer = self.ask_each([request], limit_s)[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask_each(self, requests: Sequence[Mapping[str, object]], limit_s: float) -> list[Any]:
        """Send requests and wait for the answer of each, a value or an error; see `ask`."""
        answers: list[Any] = []
        try:
            self._send(requests)
            while len(answers) < len(requests):
                answers.append(_value(self._line(time.monotonic() + limit_s, limit_s)))
        except LibraryLost as lost:
            self.end()
            return [*answers, *[lost] * (len(requests) - len(answers))]
        except BaseException:
            # also where we are interrupted: an answer that comes later must not be taken for another's
            self.end()
            raise
        return answers

    def leave(self) -> None:
        """Let the child leave its session and end."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LEAVE_S)
        self.end()

    def end(self) -> None:
        """Kill the child; when this returns it makes no call any more."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GONE_S)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _send(self, requests: Sequence[Mapping[str, object]]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"".join(json.dumps(one).encode() + b"\n" for one in requests))
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _line(self, give_up: float, limit_s: float) -> bytes:
        assert self._process.stdout is not None
        waiting = select.poll()
        for stream in (self._process.stdout, self._errors):
            waiting.register(stream.fileno(), select.POLLIN)
        while b"\n" not in self._answers:
            left_s = give_up - time.monotonic()
            if left_s <= 0:
                message = f"the DRMAA library of cluster {self._name} did not answer within {limit_s:g} s"
                raise LibraryLost(message, late=True)
            ready = {descriptor for descriptor, _ in waiting.poll(left_s * 1000)}
            if self._errors.fileno() in ready and not self._drain():
                waiting.unregister(self._errors.fileno())
            if self._process.stdout.fileno() in ready:
                self._receive()
        line, _, self._answers = self._answers.partition(b"\n")
        return line

    def _receive(self) -> None:
        assert self._process.stdout is not None
        received = os.read(self._process.stdout.fileno(), 65536)
        if not received:
            raise self._died()
        self._answers += received

    def _drain(self) -> bool:
        """Take what was printed, keep the end of it; return whether more may come."""
        try:
            printed = os.read(self._errors.fileno(), 65536)
        except BlockingIOError:
            return True
        self._printed = (self._printed + printed)[-_PRINTED:]
        return bool(printed)

    def _died(self) -> LibraryLost:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GONE_S)
        with suppress(OSError):
            self._drain()
        status = self._process.returncode
        how = f"signal {-status}" if status and status < 0 else f"status {status}"
        printed = " ".join(self._printed.decode("utf-8", errors="replace").split())
        said = f"; it printed: {printed}" if printed else ""
        return LibraryLost(f"the DRMAA library of cluster {self._name} died with {how}{said}", late=False)


def _value(line: bytes) -> Any:
    """Return what an answer holds: a value, or the library's error."""
    answer = json.loads(line)
    return LibraryError(answer["error"], answer["text"]) if "error" in answer else answer["value"]
