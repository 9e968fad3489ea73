"""What one poll of 5,000 jobs costs through the command-line back-ends, against the bare command.

The jobs are real ones, held in the queues of a real Grid Engine and a real Slurm. The first poll, which reads
their names, is not counted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.batch_systems import BATCH_SYSTEMS, BatchSystem
from support.grid_engine import grid_engine

from cci.cluster import open_cluster
from cci.cluster.base import Cluster, JobRef, JobState

JOBS, REPETITIONS, TARGET = 5_000, 5, 1.5
NAME = "held"
LIST = {"sge": ["qstat", "-u", "*"], "slurm": ["squeue"]}
KILL = {"sge": ["qdel"], "slurm": ["scancel"]}
#: Programs that submit at the same time, and jobs that one command ends.
SUBMITTERS, ENDED_AT_ONCE = 4, 500
#: Submits one script many times in one session, held; prints the ids. No command is as fast.
RUN_JOBS = """
import sys
import drmaa
script, number = sys.argv[1], int(sys.argv[2])
with drmaa.Session() as session:
    template = session.createJobTemplate()
    template.remoteCommand, template.jobName, template.nativeSpecification = script, "held", "-h"
    template.outputPath, template.joinFiles = ":/dev/null", True
    for _ in range(number):
        print(session.runJob(template))
"""


def run(system: BatchSystem, *command: str) -> str:
    """Run one of the system's commands."""
    environment = {**os.environ, **system.settings["environment"]}
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def submit_sge(system: BatchSystem, script: Path, number: int) -> list[str]:
    """Queue jobs by the library."""
    del system
    command = [sys.executable, "-c", RUN_JOBS, str(script), str(number)]
    environment = {**os.environ, **grid_engine().environment}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


def submit_slurm(system: BatchSystem, script: Path, number: int) -> list[str]:
    """Queue jobs by the command."""
    words = ("sbatch", "--parsable", "--hold", f"--job-name={NAME}", "--output=/dev/null", str(script))
    return [run(system, *words).strip() for _ in range(number)]


SUBMIT: dict[str, Callable[[BatchSystem, Path, int], list[str]]] = {
    "sge": submit_sge,
    "slurm": submit_slurm,
}


@contextmanager
def held_jobs(system: BatchSystem, kind: str, script: Path) -> Iterator[list[JobRef]]:
    """Queue the jobs, several at a time, and end them by their ids; none of them runs.

    Raises
    ------
    RuntimeError
        There are fewer of them.
    """
    with ThreadPoolExecutor(SUBMITTERS) as pool:
        parts = pool.map(lambda _: SUBMIT[kind](system, script, JOBS // SUBMITTERS), range(SUBMITTERS))
    ids = [job_id for part in parts for job_id in part]
    try:
        if len(set(ids)) != JOBS:
            raise RuntimeError(f"{len(set(ids))} of {JOBS} jobs were queued")
        yield [JobRef(job_id, NAME) for job_id in ids]
    finally:
        for some in groups(ids):
            run(system, *KILL[kind], *some)


def groups(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Divide ids into as many as one command ends."""
    for first in range(0, len(ids), ENDED_AT_ONCE):
        yield ids[first : first + ENDED_AT_ONCE]


def ratio(system: BatchSystem, kind: str, cluster: Cluster, jobs: list[JobRef]) -> float:
    """Compare one poll with one bare listing."""
    began = time.perf_counter()
    run(system, *LIST[kind])
    bare = time.perf_counter() - began
    began = time.perf_counter()
    reports = cluster.states(jobs)
    took = time.perf_counter() - began
    found = [reports[job].state for job in jobs]
    if set(found) != {JobState.HELD}:
        raise RuntimeError(f"of {len(jobs)} held jobs {found.count(JobState.HELD)} were found")
    return took / bare


def measure(kind: str, folder: Path) -> list[float]:
    """Return the ratio of each repetition."""
    system = BATCH_SYSTEMS[kind](alone=True)
    script = folder / "held.sh"
    script.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    script.chmod(0o755)
    section = {key: value for key, value in system.settings.items() if key != "python"}
    with closing(open_cluster("site", section)) as cluster, held_jobs(system, kind, script) as jobs:
        return [ratio(system, kind, cluster, jobs) for _ in range(1 + REPETITIONS)][1:]


def main() -> None:
    """Measure both, and print a line for each."""
    for kind in ("sge", "slurm"):
        with tempfile.TemporaryDirectory() as folder:
            value = statistics.median(measure(kind, Path(folder)))
        result = {
            "name": f"poll of {JOBS:,} jobs, {kind}",
            "value": round(value, 2),
            "unit": "ratio",
            "reference": " ".join(LIST[kind]),
            "target": TARGET,
            "ok": value <= TARGET,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
