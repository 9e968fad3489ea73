"""How many small writes the embedded archive takes from eight clients, as a ratio to a bare handler.

The reference is the same server with a handler that does nothing but one durable SQLite commit (WAL,
``synchronous=FULL``). Both are asked in turns by the same clients; a value is the median of five ratios of
rates. A write is a PUT of one field of a task, each client's own; or of a new file of 1 kB into a resource of
that task. A file needs more than a commit, a durable file in a durable folder, so its aim is set against a
handler that does both, and the ratio to the commit alone is printed beside it.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.archive import RunningArchive, free_port, running_archive
from support.fill import Fill

CLIENTS, WRITES = 8, 60
FILE_BYTES = 1024
REPETITIONS = 5
TARGET = 0.4


def serve_bare(path: Path, port: int) -> None:
    """Serve a handler that commits one row for each request; ends with the process."""
    from anyio.to_thread import run_sync
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from cci.archive.serve import serve

    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE task (id TEXT PRIMARY KEY, status TEXT)")
    lock = threading.Lock()

    def commit(name: str, status: str) -> None:
        with lock:
            database.execute("INSERT OR REPLACE INTO task VALUES (?, ?)", (name, status))

    def keep(name: str, content: bytes) -> None:
        keep_file(path.parent / "files" / name, content)
        commit(name, "kept")

    async def put(request: Request) -> Response:
        await run_sync(commit, request.path_params["name"], request.query_params["status"])
        return Response("done")

    async def put_file(request: Request) -> Response:
        await run_sync(keep, request.path_params["name"], await request.body())
        return Response("done")

    (path.parent / "files").mkdir()
    routes = [
        Route("/{name}", put, methods=["PUT", "HEAD"]),
        Route("/files/{name}", put_file, methods=["PUT"]),
    ]
    serve(Starlette(routes=routes), "127.0.0.1", port)


def keep_file(target: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it, rename it, and sync its folder."""
    temporary = target.with_suffix(".part")
    with temporary.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


@contextmanager
def running_bare(folder: Path) -> Iterator[int]:
    """Run the reference in a process of its own; yields its port."""
    port = free_port()
    command = [sys.executable, __file__, "--bare", str(folder / "bare.db"), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None and not _answers(port):
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("PUT", "/start?status=0")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@dataclass(frozen=True, kw_only=True)
class Load:
    """What each client puts, again and again; ``{}`` in its target is a number that is new each time."""

    port: int
    targets: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


_numbers = itertools.count()


def rate(load: Load) -> float:
    """Return how many writes a second all clients together get done; each has one of the targets."""
    failures: list[int] = []

    def client(target: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", load.port, timeout=120)
        for _ in range(WRITES):
            connection.request("PUT", target.format(next(_numbers)), body=load.body, headers=load.headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=client, args=(target,)) for target in load.targets]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"writes were answered with {failures[0]}")
    return len(load.targets) * WRITES / (time.perf_counter() - begin)


def archive_loads(archive: RunningArchive) -> tuple[Load, Load]:
    """Make a task for each client, and return how a field and how a file of each is written."""
    with Fill(archive.url, archive.auth) as fill:
        session = fill.session("BENCH", "S1", "E1")
        tasks = [fill.assessor(session, f"A{number}", procstatus="new") for number in range(CLIENTS)]
    login = {"Authorization": f"Basic {b64encode(':'.join(archive.auth).encode()).decode()}"}
    fields = [f"{task}?xsiType=proc:genProcData&proc:genProcData/procstatus=S{{}}" for task in tasks]
    files = [f"{task}/resources/R/files/{{}}.bin?inbody=true" for task in tasks]
    return (
        Load(port=archive.port, headers=login, targets=fields),
        Load(port=archive.port, headers=login, targets=files, body=bytes(FILE_BYTES)),
    )


def bare_loads(port: int) -> tuple[Load, Load]:
    """Return how the reference commits, and how it keeps a file and commits."""
    return (
        Load(port=port, targets=[f"/{number}?status=S{{}}" for number in range(CLIENTS)]),
        Load(port=port, targets=["/files/{}"] * CLIENTS, body=bytes(FILE_BYTES)),
    )


def results(archive: RunningArchive, port: int) -> Iterator[dict[str, Any]]:
    """Yield the figures."""
    field_, file = archive_loads(archive)
    commit, file_and_commit = bare_loads(port)
    bare = "bare handler of the same server, one durable"
    for what, ours, theirs, does, target in (
        ("a field", field_, commit, "SQLite commit", TARGET),
        ("a 1 kB file", file, file_and_commit, "file and one durable SQLite commit", TARGET),
        ("a 1 kB file", file, commit, "SQLite commit and no file", None),
    ):
        value = round(statistics.median(rate(ours) / rate(theirs) for _ in range(REPETITIONS)), 2)
        yield {
            "name": f"archive: writes of {what} by {CLIENTS} clients: rate",
            "value": value,
            "unit": "ratio",
            "reference": f"{bare} {does}",
            "target": target,
            "ok": target is None or value >= target,
        }


def main() -> int:
    """Print each result as a JSON object."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_archive(Path(folder) / "archive", strict=False) as archive,
        running_bare(Path(folder)) as port,
    ):
        for result in results(archive, port):
            print(json.dumps(result))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        serve_bare(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main())
