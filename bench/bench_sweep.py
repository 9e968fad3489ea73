"""What sweeps over 10,000 sessions cost where nothing is to be done: time, memory, requests.

The project has 10 scans with 2 resources in each session, and 30,000 assessors. One session is really
processed, the others are copies of it in the archive's database. The reference is curl, which drains the very
answers that the sweep reads, in the same run.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.archive import running_archive
from support.lab import Lab
from support.multitude import multiply
from support.waiting import wait_until

from cci import settings
from cci.daemon import logs
from cci.daemon.sweep import SweepOptions, SweepReport, sweep
from cci.daemon.workplace import Workplace, open_workplace
from cci.xnat import listings
from cci.xnat.snapshot import SESSION_ASSESSORS, SUBJECT_ASSESSORS

PROJECT = "BENCH"
SESSION_TYPES = ["xnat:mrSessionData"]
SESSIONS, SCANS, CHANGED = 10_000, 10, 10
REPETITIONS = 5
PROCESSORS = {name: f"{name.capitalize()}Processor" for name in ("first", "second", "third")}
PROCESSOR_FILE = Path(__file__).resolve().parents[1] / "tests" / "support" / "session_processors.py"
PATIENCE_S = 1200
TARGET_RATIO, TARGET_MB = 3.0, 400
#: Nine, and one for each session type and each further assessor type: that of subjects.
TARGET_REQUESTS = 9 + len(SESSION_TYPES) + 1
#: One, and one for each session type and each changed session.
TARGET_CHANGED = 1 + len(SESSION_TYPES) + CHANGED


@contextmanager
def large_lab(folder: Path, sessions: int = SESSIONS) -> Iterator[Lab]:
    """Run an archive of so many sessions whose tasks are all COMPLETE, and known to the ledger."""
    with running_archive(folder / "archive", strict=False) as archive:
        lab = Lab(folder / "home", archive, PROJECT)
        uses = {name: {"use": f"{PROCESSOR_FILE}:{use}"} for name, use in PROCESSORS.items()}
        patient = {"first_byte_s": PATIENCE_S, "total_s": PATIENCE_S}
        lab.change_settings(archive=patient, processors=uses, projects={PROJECT: list(PROCESSORS)})
        for number in range(1, SCANS + 1):
            place = lab.scan("E1", str(number))
            lab.fill.files(place, "NIFTI", {"image.nii": b"image"})
        lab.sweep()
        multiply_sessions(lab, sessions)
        lab.cci("sweep", patience_s=PATIENCE_S)
        try:
            yield lab
        finally:
            lab.close()


def session_ids(lab: Lab) -> list[str]:
    """Return the accession ids of all sessions."""
    rows = lab.rest.get(f"/data/projects/{PROJECT}/experiments", {"format": "json"}).json()
    return [row["ID"] for row in rows["ResultSet"]["Result"]]


def multiply_sessions(lab: Lab, sessions: int) -> None:
    """Copy the one session there is until there are so many."""
    (first,) = session_ids(lab)
    lab.archive.stop()
    multiply(lab.archive.root, first, sessions - 1)
    lab.archive.start()


def addresses(url: str) -> list[str]:
    """Return the bulk requests of a snapshot."""
    every = [
        listings.experiments(PROJECT),
        listings.subjects(PROJECT),
        *(listings.last_modified(PROJECT, name) for name in SESSION_TYPES),
        listings.scans(PROJECT),
        listings.session_resources(PROJECT),
        *(listings.assessors(PROJECT, name) for name in SESSION_ASSESSORS),
        *(listings.assessors(PROJECT, name, of_subject=True) for name in SUBJECT_ASSESSORS),
    ]
    return [f"{url}{each.uri}?{urlencode(_parameters(each))}" for each in every]


def _parameters(listing: listings.Listing) -> dict[str, str]:
    columns = {"columns": ",".join((*listing.columns, *listing.optional)), "format": "csv"}
    return {**columns, "xsiType": listing.xsi_type} if listing.xsi_type else columns


def drain(lab: Lab, server_session: str) -> None:
    """Let curl fetch every listing over one connection, and throw it away."""
    outputs = [word for url in addresses(lab.archive.url) for word in ("--output", "/dev/null", url)]
    cookie = f"JSESSIONID={server_session}"
    subprocess.run(["curl", "--silent", "--show-error", "--fail", "--cookie", cookie, *outputs], check=True)


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def sweep_once(workplace: Workplace, *, remember: bool = False) -> SweepReport:
    """Sweep, and make sure that it was a sweep over all with nothing to do."""
    report = sweep(workplace, PROJECT, SweepOptions(remember=remember))
    if (report.tasks, report.moved, report.error) != (SESSIONS * len(PROCESSORS), 0, None):
        raise RuntimeError(f"this was no sweep with nothing to do: {report.moved} moved, {report.error}")
    return report


def requests_of(workplace: Workplace, work: Callable[[], SweepReport]) -> tuple[int, SweepReport]:
    """Return how many requests *work* sends, and its report."""
    before = workplace.archive.requests
    report = work()
    return workplace.archive.requests - before, report


def change(lab: Lab, number: int) -> None:
    """Change so many sessions a little: a note on a scan, on which no processor depends."""
    for key in session_ids(lab)[:number]:
        lab.fill.scan(f"/data/experiments/{key}", "1", note=f"seen at {time.time()}")


def measure(lab: Lab) -> list[dict[str, Any]]:
    """Measure whole sweeps and one of what changed, in this process."""
    logs.set_up(level="warning")
    server_session = lab.rest.get("/data/JSESSION").text.strip()
    with open_workplace(settings.load(lab.settings_file, home=lab.home)) as workplace:
        # the first one logs in and asks whose the project is: it is the dearest
        whole, _ = requests_of(workplace, lambda: sweep_once(workplace, remember=True))
        change(lab, CHANGED)
        few, report = requests_of(workplace, lambda: sweep_once(workplace, remember=True))
        if report.whole:
            raise RuntimeError("the sweep after a few changes read the whole project")
        workplace.remembered.clear()
        drain(lab, server_session)
        times = [
            seconds(lambda: sweep_once(workplace)) / seconds(lambda: drain(lab, server_session))
            for _ in range(REPETITIONS)
        ]
        small = seconds(lambda: sweep_once(workplace, remember=True))
        again = seconds(lambda: sweep_once(workplace, remember=True))
    what = f"sweep over {SESSIONS:,} sessions with nothing to do"
    return [
        result(
            f"{what}: time",
            round(statistics.median(times), 2),
            "ratio",
            "curl, the same answers",
            TARGET_RATIO,
        ),
        result(f"{what}: requests", whole, "requests", "login and owner included", TARGET_REQUESTS),
        result(f"sweep after {CHANGED} changed sessions: requests", few, "requests", "none", TARGET_CHANGED),
        result("sweep after no change: time", round(again / small, 2), "ratio", "a whole sweep", 1.0),
    ]


def daemon_memory(lab: Lab) -> float:
    """Let a daemon sweep the whole, what changed, and the whole again; return its peak memory in MB."""
    lab.change_settings(timing={"sweep": "1s"})
    subject = lab.fill.subject(PROJECT, "to be deleted")
    daemon = lab.run_daemon()

    def wholes() -> list[bool]:
        return [line["whole"] for line in lab.daemon_lines() if line.get("event") == "sweep done"]

    wait_until(lambda: wholes()[:2] == [True, False], "a sweep of what changed", patience_s=PATIENCE_S)
    # what is no longer listed is a reason to look at the whole
    lab.fill.http.delete(f"{lab.archive.url}{subject}").raise_for_status()
    wait_until(lambda: sum(wholes()) >= 2 and not wholes()[-1], "another whole one", patience_s=PATIENCE_S)
    status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
    daemon.terminate()
    daemon.wait()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def result(name: str, value: float, unit: str, reference: str, target: float) -> dict[str, Any]:
    """Return one figure, of which less is better."""
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "reference": reference,
        "target": target,
        "ok": value <= target,
    }


def main() -> int:
    """Print the results as JSON objects."""
    with tempfile.TemporaryDirectory() as folder, large_lab(Path(folder)) as lab:
        # first: the kernel lets a new process begin with the peak memory of the one that started it
        peak_mb = round(daemon_memory(lab))
        results = measure(lab)
    what = f"sweep over {SESSIONS:,} sessions with nothing to do: peak memory"
    results.insert(1, result(what, peak_mb, "MB", "the daemon, with what it remembers", TARGET_MB))
    for each in results:
        print(json.dumps(each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
