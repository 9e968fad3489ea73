"""How the embedded archive's answers grow with the number of sessions: from 1,000 to 50,000.

A listing should cost as much for each row in a large project as in a small one, and a single session as much
as ever. Two archives are asked in turns; the value is the median of five ratios, of the cost in the large one
to that in the small one. One session is filled over REST, the others are copies of it in the database.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bench_archive_listings import PROJECT, REPETITIONS, Client, figure, seconds
from support.archive import running_archive
from support.fill import Fill
from support.multitude import multiply

SMALL, LARGE = 1_000, 50_000
SCANS = 4
TARGET = 1.5
_TIMES = 50
_SESSION = "XNAT_E00001"
_SCANS_OF_ALL = (
    f"/data/projects/{PROJECT}/experiments?format=csv&xsiType=xnat:imageSessionData"
    "&columns=ID,xnat:imageScanData/ID,xnat:imageScanData/type,xnat:imageScanData/file/label"
)
#: What is asked for, and whether its cost is counted for each row.
_QUESTIONS = {
    "listing of sessions": (
        f"/data/projects/{PROJECT}/experiments?format=csv&columns=ID,label,date,xsiType",
        True,
    ),
    "listing of scans": (_SCANS_OF_ALL, True),
    "document of a session": (f"/data/experiments/{_SESSION}?format=xml", False),
    "list of a session's scans": (f"/data/experiments/{_SESSION}/scans?format=csv", False),
    "list of a resource's files": (
        f"/data/experiments/{_SESSION}/scans/1/resources/R/files?format=csv",
        False,
    ),
    "session by its label": (f"/data/projects/{PROJECT}/subjects/S1/experiments/E1?format=json", False),
}


def fill_one(folder: Path) -> Path:
    """Make an archive with one session; return its folder."""
    with running_archive(folder / "one", strict=False) as archive, Fill(archive.url, archive.auth) as fill:
        session = fill.session(PROJECT, "S1", "E1", date="2026-01-02")
        for number in range(1, SCANS + 1):
            fill.files(fill.scan(session, str(number), type="T1"), "R", {"a": b"a"})
    return folder / "one"


def grown(one: Path, sessions: int) -> Path:
    """Return the folder of a copy of an archive that has so many sessions like its one."""
    root = one.with_name(str(sessions))
    shutil.copytree(one, root)
    multiply(root, _SESSION, sessions - 1)
    return root


def cost(client: Client, target: str, *, by_row: bool) -> float:
    """Return the seconds that a question takes, for each row where that is asked."""
    if by_row:
        begin = time.perf_counter()
        body = client.drain(target)
        return (time.perf_counter() - begin) / body.count(b"\n")
    # one answer takes a millisecond or two: many in a row, or the clock counts and not the archive
    return seconds(lambda: [client.drain(target) for _ in range(_TIMES)]) / _TIMES


def ratio(small: Client, large: Client, target: str, *, by_row: bool) -> float:
    """Return the median of costs in the large archive, each divided by that in the small one beside it."""
    for client in (small, large):
        cost(client, target, by_row=by_row)
    return statistics.median(
        cost(large, target, by_row=by_row) / cost(small, target, by_row=by_row) for _ in range(REPETITIONS)
    )


def main() -> int:
    """Print the results as JSON objects."""
    with tempfile.TemporaryDirectory() as folder:
        one = fill_one(Path(folder))
        with (
            running_archive(grown(one, SMALL), strict=False) as small,
            running_archive(grown(one, LARGE), strict=False) as large,
        ):
            clients = Client(small), Client(large)
            for name, (target, by_row) in _QUESTIONS.items():
                value = round(ratio(*clients, target, by_row=by_row), 2)
                what = f"archive: {name}: cost{' of a row' if by_row else ''} with {LARGE} sessions"
                each = figure(what, value, "ratio", f"with {SMALL} sessions", TARGET, more=False)
                print(json.dumps(each), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
