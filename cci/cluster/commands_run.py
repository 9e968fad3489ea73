"""Runs the commands of a batch system. It knows none of them, and not what their answers mean."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: What a command gets of our environment; the rest may hold secrets, and a batch system hands it to its jobs.
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LD_LIBRARY_PATH", "KRB5CCNAME")
#: Lines and characters of a complaint that are repeated to people: its beginning, and its last line.
_SAID_LINES, _SAID_LENGTH = 3, 400
#: Most characters of ids in one command; Linux takes 131,072 bytes in one argument.
IDS_LENGTH = 100_000
#: How long a command that was killed may take to let go of its pipes, in seconds.
_LET_GO_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a command ended and what it printed.

    Attributes
    ----------
    status
        Exit status, negative for a signal; None if there was no process or it was stopped at its time limit.
    timed_out
        It was stopped at its time limit, and may have done its work or not.
    missing
        There is no such command here, or it may not be run.
    """

    words: tuple[str, ...]
    status: int | None = None
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    missing: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command says that all went well."""
        return self.status == 0

    @property
    def spoke(self) -> bool:
        """Whether the command came to an end of its own, so that what it said can be trusted."""
        return self.status is not None and self.status >= 0

    @property
    def complaints(self) -> tuple[str, ...]:
        """Return the lines of its error output that say something."""
        return tuple(line.strip() for line in self.stderr.splitlines() if line.strip())

    @property
    def said(self) -> str:
        """Return in one line what the command said was wrong, or how it ended if it said nothing."""
        if self.timed_out:
            return f"{self.words[0]} did not end in time"
        if self.missing:
            return f"there is no command {self.words[0]}, or it cannot be run: {self.stderr}"
        lines = self.complaints or tuple(line.strip() for line in self.stdout.splitlines() if line.strip())
        told = lines if len(lines) <= _SAID_LINES else (*lines[: _SAID_LINES - 1], lines[-1])
        text = "; ".join(told) or f"{self.words[0]} ended with status {self.status}"
        return "".join(letter if letter.isprintable() else "?" for letter in text)[:_SAID_LENGTH]


@dataclass(frozen=True, kw_only=True)
class Commands:
    """A batch system's commands on this machine. Several threads may run some at once.

    Attributes
    ----------
    folder
        Where they are; None where they are on the PATH.
    environment
        Variables that they need; they replace inherited ones.
    limit_s
        Longest time for one command, in seconds.
    inherited
        Names of further variables that they get of ours, beside `INHERITED`.
    """

    folder: Path | None = None
    environment: Mapping[str, str]
    limit_s: float = 60.0
    inherited: tuple[str, ...] = ()

    def run(
        self, words: Sequence[str], environment: Mapping[str, str] | None = None, source: Path | None = None
    ) -> Result:
        """Run one command to its end, without a shell or a terminal.

        Its output is taken as UTF-8, whatever it contains. What it started is ended with it when it does not
        end in time.

        Parameters
        ----------
        words
            The command and its arguments.
        environment
            Further variables for this one.
        source
            File that it reads as its input; it has none if left out.
        """
        ours = self._environment()
        # by our own path: a job's may lead elsewhere
        program = self._find(words[0], ours)
        if not program:
            return Result(words=tuple(words), missing=True, stderr=f"looked in {ours['PATH']}")
        whole = {**ours, **(environment or {})}
        try:
            process = _start([program, *words[1:]], whole, source)
        except (OSError, ValueError) as error:
            return Result(words=tuple(words), missing=True, stderr=str(error))
        return _finish(process, tuple(words), self.limit_s)

    def _environment(self) -> dict[str, str]:
        names = (*INHERITED, *self.inherited)
        ours = {name: os.environ[name] for name in names if name in os.environ}
        whole = {"PATH": os.defpath, **ours, **self.environment, "LC_ALL": "C"}
        if self.folder is not None:
            whole["PATH"] = f"{self.folder}{os.pathsep}{whole['PATH']}"
        return whole

    def _find(self, command: str, environment: Mapping[str, str]) -> str | None:
        place = str(self.folder) if self.folder is not None else environment["PATH"]
        return shutil.which(command, path=place)


def _start(
    words: Sequence[str], environment: Mapping[str, str], source: Path | None
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, so that a wrapper script can be ended with what it runs."""
    with Path(source or os.devnull).open("rb") as stream:
        return subprocess.Popen(
            words,
            cwd="/",
            env=environment,
            stdin=stream,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


def _finish(process: subprocess.Popen[bytes], words: tuple[str, ...], limit_s: float) -> Result:
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return Result(words=words, timed_out=True)
    except BaseException:
        _end(process)
        raise
    return Result(words=words, status=process.returncode, stdout=_text(stdout), stderr=_text(stderr))


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # whoever else has the pipes open now has left the group, and must not keep us
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_LET_GO_S)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="replace")


def chunks(ids: Sequence[str], length: int) -> Iterator[Sequence[str]]:
    """Divide ids into as few groups as fit into *length* characters each, with one between two of them."""
    chunk: list[str] = []
    used = 0
    for one in ids:
        if chunk and used + len(one) + 1 > length:
            yield chunk
            chunk, used = [], 0
        chunk.append(one)
        used += len(one) + 1
    if chunk:
        yield chunk
