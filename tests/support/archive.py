"""An embedded archive as a real process, for tests: start, ask, hurt, kill, restart. Not a mock of anything.

::

    with running_archive(tmp_path / "archive", faults=True) as archive:
        archive.fault(match=r"GET /data/projects/P/subjects", fault="503", times=2)
        requests.get(f"{archive.url}/data/projects", auth=archive.auth)
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from requests import Response

#: How long a start may take before it counts as failed; generous, because test machines are busy.
START_TIMEOUT_S = 300
_STOP_TIMEOUT_S = 60
_CONTROL_TIMEOUT_S = 120
#: Where the server looks for the address of its database; not an option, which everybody could read.
_DATABASE = "CCI_ARCHIVE_DATABASE"


def free_port() -> int:
    """Return a TCP port on the loopback interface that nothing listens on now.

    It is none of those that the system gives to clients (ip_local_port_range, from 32768): any of them may be
    taken before a server listens there, or while it is away between `kill` and `restart`.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(kw_only=True)
class RunningArchive:
    """An embedded archive that runs as a process of its own.

    Attributes
    ----------
    root
        The folder that the archive keeps everything in; survives `kill` and `restart`.
    strict
        Whether it is no kinder than a real XNAT.
    database
        Address of its PostgreSQL database; empty for SQLite.
    process
        The present server process; another one after `restart`.
    """

    root: Path
    port: int
    faults: bool = False
    strict: bool = True
    user: str = "admin"
    options: tuple[str, ...] = ()
    database: str = ""
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        """Base address, without a final slash; the same after `restart`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def password(self) -> str:
        """The administrator's password, which the archive made up when it first started."""
        return (self.root / "admin.password").read_text(encoding="utf-8").strip()

    @property
    def auth(self) -> tuple[str, str]:
        """User and password, as `requests` wants them."""
        return self.user, self.password

    @property
    def output(self) -> str:
        """What the server printed since it was first started."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self.root.with_name(f"{self.root.name}.server.log")

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server process and wait until it answers."""
        command = [sys.executable, "-m", "cci.archive", "serve", "--root", str(self.root)]
        command += ["--port", str(self.port), *(["--faults"] if self.faults else [])]
        command += [*(["--strict"] if self.strict else []), *self.options]
        environment = {name: value for name, value in os.environ.items() if name != _DATABASE}
        self.root.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment | ({_DATABASE: self.database} if self.database else {}),
            )
        self._wait_until_it_answers()

    def kill(self) -> None:
        """End the server as a crash would: SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_STOP_TIMEOUT_S)

    def stop(self) -> int:
        """End the server with SIGTERM, by force if it does not listen, and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode

    def restart(self) -> None:
        """Start the server again on the same root and port; a running one is stopped first."""
        self.stop()
        self.start()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"the archive ended with {self.process.returncode}:\n{self.output}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the archive did not answer in {START_TIMEOUT_S} s:\n{self.output}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self._control("GET", "/cci/requests").status_code == 200
        except (requests.ConnectionError, requests.Timeout, FileNotFoundError):
            return False

    # -- what it saw ---------------------------------------------------------------------------

    def requests(self) -> dict[str, Any]:
        """Return the request counters since the server process started; asking is not counted.

        Returns
        -------
        dict
            ``total``, and a count for each method in ``by_method``.
        """
        answer = self._control("GET", "/cci/requests")
        answer.raise_for_status()
        return dict(answer.json())

    def write_log(self) -> list[dict[str, Any]]:
        """Return every write since the root was made: ``time, user, method, path, status, bytes``."""
        path = self.root / "write.log"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    # -- faults --------------------------------------------------------------------------------

    def fault(self, **rule: Any) -> None:
        """Add a fault rule, as `cci.archive.faults` describes it; needs ``faults=True``."""
        self._control("POST", "/cci/faults", json=rule).raise_for_status()

    def fault_rules(self) -> list[dict[str, Any]]:
        """Return the rules with their ``hits``."""
        answer = self._control("GET", "/cci/faults")
        answer.raise_for_status()
        return list(answer.json()["rules"])

    def clear_faults(self) -> None:
        """Remove all fault rules, the awkward mode too, and let go of every request that hangs."""
        self._control("DELETE", "/cci/faults").raise_for_status()

    def _control(self, method: str, path: str, **options: Any) -> Response:
        return requests.request(
            method, f"{self.url}{path}", auth=self.auth, timeout=_CONTROL_TIMEOUT_S, **options
        )


@contextmanager
def running_archive(
    root: Path,
    *,
    faults: bool = False,
    awkward: bool = False,
    strict: bool = True,
    options: tuple[str, ...] = (),
    database: str = "",
) -> Iterator[RunningArchive]:
    """Run an embedded archive on *root* (made if missing) until the block ends.

    Parameters
    ----------
    root
        Its folder; what it holds stays afterwards.
    faults
        Whether fault rules can be set.
    awkward
        Start in the mode that is as unkind as a real XNAT; implies *faults*.
    strict
        Be no kinder than a real XNAT: whoever works with this archive has to work with that one.
    options
        Further options of ``cci archive serve``.
    database
        Address of a PostgreSQL database for its tables; empty for SQLite.
    """
    archive = RunningArchive(
        root=root,
        port=free_port(),
        faults=faults or awkward,
        strict=strict,
        options=options,
        database=database,
    )
    archive.start()
    try:
        if awkward:
            archive.fault(awkward=True)
        yield archive
    finally:
        archive.stop()
