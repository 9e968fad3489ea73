"""How fast the embedded archive streams the bulk listings of a sweep, as a ratio to csv over a bare cursor.

The reference writes the same rows, which lie ready in one flat SQLite table, with `csv.writer` in this
process: no joins, no server, no socket. Each pair is measured in turns; the value is the median of five
ratios of rates.
One session is filled over REST, the others are copies of it in the archive's database.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.archive import RunningArchive, running_archive
from support.fill import Fill
from support.multitude import multiply

from cci.xnat import listings

PROJECT = "BENCH"
SESSIONS, SCANS, ASSESSORS = 10_000, 10, 3
REPETITIONS = 5
TARGET_RATIO, TARGET_FIRST_BYTE_S, TARGET_MB = 0.3, 1.0, 300
_RESOURCES = ("DICOM", "NIFTI")


@contextmanager
def large_archive(folder: Path) -> Iterator[RunningArchive]:
    """Serve a project of `SESSIONS` sessions with `SCANS` scans and `ASSESSORS` assessors each."""
    with running_archive(folder / "archive", strict=False) as archive:
        with Fill(archive.url, archive.auth) as fill:
            fill_session(fill)
        archive.stop()
        multiply(archive.root, "XNAT_E00001", SESSIONS - 1)
        archive.start()
        yield archive


def fill_session(fill: Fill) -> None:
    """Make the session that is copied."""
    session = fill.session(PROJECT, "S1", "E1", date="2026-01-02")
    for number in range(1, SCANS + 1):
        scan = fill.scan(
            session, str(number), type=f"T{number}", quality="usable", series_description="a series"
        )
        for resource in _RESOURCES:
            fill.files(scan, resource, {"a": b"a"})
    for number in range(ASSESSORS):
        words = {
            "procstatus": "COMPLETE",
            "proctype": f"Proc_v{number}",
            "jobid": "1234",
            "inputs": '{"a": "b"}',
        }
        fill.files(fill.assessor(session, f"A{number}", **words) + "/out", "PDF", {"r.pdf": b"pdf"})


def all_listings() -> list[listings.Listing]:
    """Return the bulk requests of a snapshot that have rows here."""
    return [
        listings.experiments(PROJECT),
        listings.subjects(PROJECT),
        listings.scans(PROJECT),
        listings.session_resources(PROJECT),
        listings.assessors(PROJECT, "proc:genProcData"),
        listings.last_modified(PROJECT, "xnat:mrSessionData"),
    ]


def target_of(listing: listings.Listing) -> str:
    """Return the address of a listing, with its columns."""
    columns = ",".join((*listing.columns, *listing.optional))
    params = {"columns": columns, "format": "csv", "xsiType": listing.xsi_type}
    return f"{listing.uri}?{urlencode({name: value for name, value in params.items() if value})}"


class Client:
    """One connection to the archive, which does as little as it can with what it gets."""

    def __init__(self, archive: RunningArchive) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", archive.port, timeout=600)
        login = b64encode(":".join(archive.auth).encode()).decode()
        self._headers = {"Authorization": f"Basic {login}"}
        self.first_byte_s = 0.0

    def drain(self, target: str) -> bytearray:
        """Return a whole answer; the time until its first byte is kept."""
        begin = time.perf_counter()
        self._http.request("GET", target, headers=self._headers)
        answer = self._http.getresponse()
        body = bytearray(answer.read(1))
        self.first_byte_s = time.perf_counter() - begin
        while part := answer.read(1 << 20):
            body += part
        if answer.status != 200:
            raise RuntimeError(f"{target} was answered with {answer.status}")
        return body


def flat_table(database: sqlite3.Connection, name: str, body: bytes) -> int:
    """Put the rows of a CSV table into a table of their own; return how many there are."""
    reader = csv.reader(io.StringIO(body.decode()))
    header = next(reader)
    columns = ", ".join(f"c{number} TEXT" for number in range(len(header)))
    database.execute(f'CREATE TABLE "{name}" ({columns})')
    database.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(header))})', reader)
    database.commit()
    return int(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])


def reference(database: sqlite3.Connection, name: str) -> None:
    """Write a flat table as CSV."""
    csv.writer(io.StringIO()).writerows(database.execute(f'SELECT * FROM "{name}"'))


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def peak_mb(archive: RunningArchive) -> float:
    """Return the most memory that the server has had, in MB, pages of the mapped database file included."""
    lines = Path(f"/proc/{archive.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def figure(name: str, value: float, unit: str, what: str, target: float, *, more: bool) -> dict[str, Any]:
    """Return one figure; *more* says that more is better."""
    ok = value >= target if more else value <= target
    return {"name": name, "value": value, "unit": unit, "reference": what, "target": target, "ok": ok}


def measure(
    client: Client, database: sqlite3.Connection, listing: listings.Listing
) -> Iterator[dict[str, Any]]:
    """Yield the figures of one listing."""
    target, name = target_of(listing), listing.name
    rows = flat_table(database, name, client.drain(target))
    ratios, first = [], []
    for _ in range(REPETITIONS):
        bare = seconds(lambda: reference(database, name))
        ratios.append(bare / seconds(lambda: client.drain(target)))
        first.append(client.first_byte_s)
    what = f"archive: listing of {name}, {rows} rows"
    bare_name = "csv.writer over a bare sqlite3 cursor"
    yield figure(
        f"{what}: rate", round(statistics.median(ratios), 2), "ratio", bare_name, TARGET_RATIO, more=True
    )
    slowest = round(max(first), 3)
    yield figure(f"{what}: first byte", slowest, "s", "slowest of five", TARGET_FIRST_BYTE_S, more=False)


def main() -> int:
    """Print the results as JSON objects."""
    with tempfile.TemporaryDirectory() as folder, large_archive(Path(folder)) as archive:
        database = sqlite3.connect(Path(folder) / "flat.db")
        client = Client(archive)
        for listing in all_listings():
            for each in measure(client, database, listing):
                print(json.dumps(each), flush=True)
        peak = figure(
            "archive: memory", round(peak_mb(archive)), "MB", "peak of the server", TARGET_MB, more=False
        )
        print(json.dumps(peak))
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
