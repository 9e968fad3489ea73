"""How fast staged attempts are handed to a batch system, against its own bare submission in the same run.

From inputs that lie in their place to job ids that stand in the ledger, with no interval set: for Grid Engine
through DRMAA against ``drmaa.Session.runJob`` in a loop, for Slurm against ``sbatch`` in a loop. Both submit
the same batch scripts, in turns, to a real Grid Engine and a real Slurm, which ``tests/clusters`` starts; the
jobs are held there, so that none runs meanwhile.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.archive import running_archive
from support.batch_systems import BATCH_SYSTEMS, BatchSystem, use
from support.grid_engine import grid_engine
from support.lab import Lab
from support.stand_in_cluster import StandInCluster

from cci import settings
from cci.daemon import logs
from cci.daemon.handing_over import GROUPS, hand_over
from cci.daemon.holder import holding
from cci.daemon.ledger import Attempt, NewJob, Stage
from cci.daemon.submission import Work, prepare
from cci.daemon.sweep import SweepOptions, sweep
from cci.daemon.workplace import Workplace, open_workplace

#: Submissions are timed in blocks of so many. Now and then Grid Engine's library takes a whole second for one
#: job, whoever asks it: an answer that comes before it waits for it is found when it looks again. Blocks that
#: met one say nothing of us and are left out, on both sides; the rate over the whole has them in.
BLOCK, MET_A_SECOND_S = 16, 0.9
JOBS, TURNS, TARGET = 128, 5, 0.5
#: The first block opens the session, and is not counted.
TASKS = BLOCK + JOBS * TURNS
#: Keeps a job from starting, in the words of each system.
HOLD = {"drmaa": "-h", "slurm": "--hold"}
KILL = {"drmaa": "qdel", "slurm": "scancel"}
#: Submits each script in one session, after one that is not counted; prints when each was done, and the ids.
RUN_JOBS = """
import json, sys, time
import drmaa

def run(session, script):
    template = session.createJobTemplate()
    template.remoteCommand, template.joinFiles, template.outputPath = script, True, ":/dev/null"
    template.nativeSpecification = "-b n -w e"
    try:
        return session.runJob(template)
    finally:
        session.deleteJobTemplate(template)

with drmaa.Session() as session:
    ids = [run(session, sys.argv[1])]
    began, done = time.perf_counter(), []
    for script in sys.argv[1:]:
        ids.append(run(session, script))
        done.append(time.perf_counter() - began)
    print(json.dumps([done, ids]))
"""


@dataclass(frozen=True)
class Submitted:
    """When each of a number of submissions was done, in seconds from the beginning, and the jobs' ids."""

    done_s: Sequence[float]
    ids: Sequence[str]

    def blocks_s(self) -> list[float]:
        """Return how long each block of them took, in seconds."""
        ends = [0.0, *sorted(self.done_s)[BLOCK - 1 :: BLOCK]]
        return [end - before for before, end in pairwise(ends)]


def environment(system: BatchSystem) -> dict[str, str]:
    """Return what the system's own programs need."""
    return {**os.environ, **system.settings["environment"], "LC_ALL": "C.UTF-8"}


def bare_drmaa(system: BatchSystem, scripts: Sequence[str]) -> Submitted:
    """Submit by the bare library."""
    command = [sys.executable, "-c", RUN_JOBS, *scripts]
    whole = {**environment(system), **grid_engine().environment}
    done = subprocess.run(command, env=whole, check=True, stdout=subprocess.PIPE, text=True)
    return Submitted(*json.loads(done.stdout))


def bare_sbatch(system: BatchSystem, scripts: Sequence[str]) -> Submitted:
    """Submit by the bare command."""
    whole = environment(system)
    began, done, ids = time.perf_counter(), [], []
    for script in scripts:
        command = ["sbatch", "--parsable", script]
        told = subprocess.run(command, env=whole, check=True, stdout=subprocess.PIPE, text=True).stdout
        ids.append(told.strip())
        done.append(time.perf_counter() - began)
    return Submitted(done, ids)


BARE: dict[str, Callable[[BatchSystem, Sequence[str]], Submitted]] = {
    "drmaa": bare_drmaa,
    "slurm": bare_sbatch,
}


def stage(workplace: Workplace, project: str) -> list[Attempt]:
    """Stage an attempt for each task on a cluster that does not answer; return them, put off."""
    real = workplace.clusters["site"]
    silent = StandInCluster()
    silent.dialect, silent.away = real.dialect, True
    workplace.clusters = {"site": silent}
    sweep(workplace, project, SweepOptions(consent=True))
    workplace.clusters = {"site": real}
    workplace.ledger.set_back("site", "")
    staged = workplace.ledger.open_attempts(workplace.url, Stage.SUBMITTING)
    expect(TASKS, [one.directory for one in staged if Path(one.directory, "script.sh").exists()])
    # none is due before it is put back
    for attempt in staged:
        change(workplace, attempt, retry_at=datetime.now(UTC) + timedelta(days=1))
    return staged


def change(workplace: Workplace, attempt: Attempt, **changes: Any) -> None:
    """Change an attempt in the ledger."""
    with workplace.ledger.in_hand(attempt.id) as (taken, holder):
        if taken is None:
            raise RuntimeError(f"somebody else has attempt {attempt.id}")
        workplace.ledger.advance(attempt.id, holder, **changes)


def expect(number: int, found: Sequence[str]) -> None:
    """Fail unless there are so many, each once: what was not done must not be measured.

    Raises
    ------
    RuntimeError
        There are others.
    """
    if len(set(found)) != number:
        raise RuntimeError(f"{len(set(found))} of {number} were there")


def hand_over_in_groups(works: Sequence[Work]) -> None:
    """Hand prepared attempts over, as many in a group and as many groups at once as the daemon does."""
    at_once = works[0].cluster.at_once
    groups = [works[first : first + at_once] for first in range(0, len(works), at_once)]
    with ThreadPoolExecutor(GROUPS) as pool:
        list(pool.map(hand_over, groups))


def ours(workplace: Workplace, attempts: Sequence[Attempt]) -> Submitted:
    """Let the daemon's own step take attempts from where their inputs are staged to their jobs."""
    for attempt in attempts:
        change(workplace, attempt, state=str(Stage.STAGING), retry_at=None, tries=0)
    done: list[float] = []
    with holding() as holder, noting(workplace, done):
        prepared = [work for attempt in attempts if (work := prepare(workplace, attempt, holder))]
        began = time.perf_counter()
        hand_over_in_groups(prepared)
    wanted = {attempt.id for attempt in attempts}
    known = workplace.ledger.open_attempts(workplace.url, Stage.SUBMITTED)
    return Submitted([at - began for at in done], [one.job_id for one in known if one.id in wanted])


@contextmanager
def noting(workplace: Workplace, done: list[float]) -> Iterator[None]:
    """Note the time at which each job's id has come into the ledger."""
    ledger: Any = workplace.ledger
    submitted_all = ledger.submitted_all

    def noted(holder: str, jobs: Mapping[int, NewJob]) -> set[int]:
        held: set[int] = submitted_all(holder, jobs)
        done.extend([time.perf_counter()] * len(held))
        return held

    ledger.submitted_all = noted
    try:
        yield
    finally:
        del ledger.submitted_all


def kill(kind: str, system: BatchSystem, ids: Sequence[str]) -> None:
    """End jobs by their ids."""
    if ids:
        subprocess.run([KILL[kind], *ids], env=environment(system), check=True, stdout=subprocess.DEVNULL)


def turn(
    workplace: Workplace, kind: str, system: BatchSystem, attempts: Sequence[Attempt]
) -> tuple[list[float], list[float]]:
    """Return how long the blocks of our submissions took, and the bare ones beside them, in seconds."""
    by_us = ours(workplace, attempts)
    kill(kind, system, by_us.ids)
    expect(len(attempts), by_us.ids)
    bare = BARE[kind](system, [str(Path(one.directory, "script.sh")) for one in attempts])
    kill(kind, system, bare.ids)
    expect(len(attempts), bare.ids[-len(attempts) :])
    return by_us.blocks_s(), bare.blocks_s()


@contextmanager
def open_lab(kind: str, system: BatchSystem, folder: Path) -> Iterator[Workplace]:
    """Make a project with a task for each submission, whose jobs are held on the system."""
    with running_archive(folder / "archive") as archive:
        lab = Lab(folder / "home", archive, "BENCH")
        lab.change_settings(limits={"max_running": TASKS, "max_staged": TASKS, "min_free_mb": 0})
        use(lab, system, native=HOLD[kind])
        lab.sessions(TASKS)
        with open_workplace(settings.load(lab.settings_file, home=lab.home)) as workplace:
            yield workplace
        lab.close()


def measure(kind: str, folder: Path) -> tuple[float, float]:
    """Return our submissions per second against those of the bare way: calm blocks, and the whole."""
    system = BATCH_SYSTEMS[kind](alone=True)
    by_us, bare = list[float](), list[float]()
    with open_lab(kind, system, folder) as workplace:
        staged = stage(workplace, "BENCH")
        turn(workplace, kind, system, staged[:BLOCK])
        for first in range(BLOCK, len(staged), JOBS):
            ours_s, bare_s = turn(workplace, kind, system, staged[first : first + JOBS])
            by_us += ours_s
            bare += bare_s
    return calm_s(bare) / calm_s(by_us), sum(bare) / sum(by_us)


def calm_s(blocks: Sequence[float]) -> float:
    """Return the median of the blocks that met none of the library's seconds, in seconds."""
    return statistics.median(took for took in blocks if took < MET_A_SECOND_S)


def result(name: str, value: float, reference: str, target: float | None) -> Mapping[str, Any]:
    """Lay a figure out as a line of the report."""
    return {
        "name": name,
        "value": round(value, 2),
        "unit": "ratio",
        "reference": reference,
        "target": target,
        "ok": target is None or value >= target,
    }


def main() -> None:
    """Measure both, and print two lines for each."""
    logs.set_up(level="critical")
    for kind, reference in (("drmaa", "bare drmaa.runJob"), ("slurm", "bare sbatch")):
        with tempfile.TemporaryDirectory() as folder:
            median, whole = measure(kind, Path(folder))
        name = f"submissions per second, {kind}"
        print(json.dumps(result(name, median, f"{reference}, median block of {BLOCK}", TARGET)))
        print(json.dumps(result(name, whole, f"{reference}, over the whole", None)), flush=True)


if __name__ == "__main__":
    main()
