"""What only the DRMAA back-end has to do, on a real Grid Engine: sessions, restarts, ids used again."""

from __future__ import annotations

import os
import re
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from support.grid_engine import GridEngine, grid_engine, grid_engine_alone
from support.jobs import exit_record, make_job, state_of, wait_for_file, wait_for_state
from support.waiting import wait_until

from cci.cluster import JobRef, JobSpec, JobState, open_cluster, render_script
from cci.cluster.base import Accounting
from cci.cluster.drmaa import DrmaaCluster
from cci.errors import ClusterUnavailable, SubmissionRefused

#: Where Debian's qmaster keeps the id that it gave last.
LAST_ID = Path("/var/spool/gridengine/qmaster/jobseqnum")
#: A job that runs until the file ``go`` is there.
WAITS = "touch started; while [ ! -e go ]; do sleep 0.1; done; exit 5"


class Site:
    """A host with a spool of its own, from which programs use one Grid Engine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opened: list[DrmaaCluster] = []
        self.jobs: list[JobRef] = []

    def open(self, engine: GridEngine, **settings: object) -> DrmaaCluster:
        """Open the cluster as one more program would."""
        section = {
            "kind": "drmaa",
            "spool": str(self.root / "spool"),
            "environment": dict(engine.environment),
            "ask_per_s": 500.0,
            **settings,
        }
        cluster = open_cluster("here", section)
        assert isinstance(cluster, DrmaaCluster)
        self.opened.append(cluster)
        return cluster

    def job(self, line: str, **wishes: object) -> JobSpec:
        """Make a job; *wishes* are fields of `JobSpec`."""
        plain = make_job(self.root / "jobs" / secrets.token_hex(4), line, dialect="sge")
        spec = replace(plain, **wishes)  # type: ignore[arg-type]
        spec.script.write_text(render_script(spec, python=sys.executable, dialect="sge"), encoding="utf-8")
        return spec

    def submit(self, cluster: DrmaaCluster, job: JobSpec) -> JobRef:
        """Submit a job that is killed when the test ends."""
        ref = cluster.submit(job)
        self.jobs.append(ref)
        return ref

    def contact(self) -> str:
        """Read the contact that is kept."""
        return next((self.root / "spool").glob("*.contact")).read_text(encoding="utf-8").strip()

    def close(self) -> None:
        """Kill what still runs, and leave all sessions."""
        try:
            for job in self.jobs:
                wait_until(partial(self._killed, job), f"job {job.id} is killed")
        finally:
            for cluster in self.opened:
                cluster.close()

    def _killed(self, job: JobRef) -> bool:
        # the first call to a qmaster that was away may find the old connection
        with suppress(ClusterUnavailable):
            self.opened[0].kill(job)
            return True
        return False


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Make a site."""
    made = Site(tmp_path)
    yield made
    made.close()


def child_of(cluster: DrmaaCluster) -> int:
    """Return the process that owns the library."""
    child = cluster.library._child
    assert child is not None
    return child._process.pid


def go(job: JobSpec) -> None:
    """Let a job that waits come to its end."""
    (job.directory / "go").touch()


def see_end(cluster: DrmaaCluster, ref: JobRef) -> Accounting:
    """Wait until a job is over; return what the library told of its end, or the books if it told nothing.

    Once in some hundred times Grid Engine's library joins a session without the jobs that are in it: it
    answers for such a job as long as it is there, and knows nothing of its end.
    """
    wait_for_state(cluster, ref, JobState.ENDED, JobState.UNKNOWN)
    known = cluster._memory.of(ref)
    told = known.told if known else None
    if told is None:
        wait_until(lambda: cluster.accounting(ref), "the books are written")
        told = cluster.accounting(ref)
    assert told is not None
    return told


# -- sessions ---------------------------------------------------------------------------------


def test_attach_again(site: Site) -> None:
    """The next program joins the session of the first, and knows a job of that and how it ended."""
    engine = grid_engine()
    job = site.job(WAITS)
    first = site.open(engine)
    ref = site.submit(first, job)
    wait_for_file(job.directory / "started")
    contact = site.contact()
    first.close()
    second = site.open(engine)
    before = state_of(second, ref)
    go(job)
    told = see_end(second, ref)

    assert JobState.RUNNING is before
    assert (5, contact) == (told.exit_status, site.contact())


def test_killed_library(site: Site) -> None:
    """The library's process is killed while a job runs; the next one knows the job, and how it ended."""
    job = site.job(WAITS)
    cluster = site.open(grid_engine())
    ref = site.submit(cluster, job)
    wait_for_file(job.directory / "started")
    os.kill(child_of(cluster), signal.SIGKILL)
    go(job)
    told = see_end(cluster, ref)

    assert (5, 5) == (told.exit_status, exit_record(job.directory)["exit_status"])


def test_two_programs(site: Site) -> None:
    """Two programs in one session both learn of each other's jobs' ends."""
    engine = grid_engine()
    programs = [site.open(engine), site.open(engine)]
    jobs = [site.job(WAITS), site.job(WAITS)]
    refs = [site.submit(program, job) for program, job in zip(programs, jobs, strict=True)]
    for ref in refs:
        for program in programs:
            wait_for_state(program, ref, JobState.RUNNING)
    for job in jobs:
        go(job)
    told = [see_end(program, ref).exit_status for ref in refs for program in programs]

    assert [5] * 4 == told
    assert [5, 5] == [exit_record(job.directory)["exit_status"] for job in jobs]


def test_ended_while_away(site: Site) -> None:
    """A job that ended while no program was there is unknown to the library, and is in the books."""
    engine = grid_engine()
    job = site.job("exit 3")
    first = site.open(engine)
    ref = site.submit(first, job)
    first.close()
    wait_for_file(job.directory / "exit.json")
    second = site.open(engine)
    wait_until(lambda: second.accounting(ref), "the books are written")
    books = second.accounting(ref)

    assert state_of(second, ref) in {JobState.ENDED, JobState.UNKNOWN}
    assert books is not None
    assert 3 == books.exit_status


def test_no_client_is_left(site: Site) -> None:
    """S33: a program that has left its session leaves no event client in the qmaster."""
    engine = grid_engine_alone()

    def clients() -> set[str]:
        return set(re.findall(r"^ *(\d+) +drmaa\b", engine.run("qconf", "-secl"), re.MULTILINE))

    # one that another test has killed may go meanwhile
    before = clients()
    cluster = site.open(engine)
    cluster.library.implementation()
    new = clients() - before
    cluster.close()
    wait_until(lambda: not new & clients(), "the client is gone")

    assert 1 == len(new)


# -- what is asked for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"queue": "nosuch.q"}, 'unknown queue "nosuch.q"'),
        ({"native": "-l nosuch=1"}, 'unknown resource "nosuch"'),
        ({"native": "-zzz"}, 'invalid option argument "-zzz"'),
        ({"native": "-pe nosuch 2"}, '"nosuch" does not exist'),
        ({"memory_mb": 100_000_000}, "no suitable queues"),
    ],
)
def test_refused(site: Site, wishes: dict[str, object], sentence: str) -> None:
    """What Grid Engine refuses is told in its own sentence, and no job exists."""
    cluster = site.open(grid_engine())
    job = site.job("true", **wishes)
    with pytest.raises(SubmissionRefused) as refused:
        cluster.submit(job)

    assert sentence in refused.value.message
    assert None is cluster.find(job.name)


def test_slots(site: Site) -> None:
    """S16: four cores are four slots of one node, and the job knows it."""
    engine = grid_engine()
    job = site.job('echo "$NSLOTS"; ' + WAITS, cores=4)
    cluster = site.open(engine)
    ref = site.submit(cluster, job)
    wait_for_file(job.directory / "started")
    told = engine.run("qstat", "-j", ref.id)
    go(job)
    wait_for_state(cluster, ref, JobState.ENDED)

    assert re.search(r"^parallel environment: +smp range: 4$", told, re.MULTILINE)
    assert "4\n" == (job.directory / "output.log").read_text(encoding="utf-8")


def test_queue_and_header(site: Site) -> None:
    """The options in the header of the script count, queue and limits among them."""
    engine = grid_engine()
    wishes = {"queue": "long.q", "walltime_s": 600, "native": "-l h_data=2G", "email": "lab@example.org"}
    job = site.job(WAITS, **wishes)
    cluster = site.open(engine)
    ref = site.submit(cluster, job)
    told = engine.run("qstat", "-j", ref.id)

    assert re.search(r"^hard_queue_list: +long\.q$", told, re.MULTILINE)
    assert re.search(r"^hard resource_list: .*h_rt=720", told, re.MULTILINE)
    assert re.search(r"^hard resource_list: .*h_data=2G", told, re.MULTILINE)
    assert re.search(rf"^job_name: +{job.name}$", told, re.MULTILINE)
    assert re.search(r"^mail_list: +lab@example\.org$", told, re.MULTILINE)


def test_environment(site: Site) -> None:
    """Variables get to the job as they are."""
    variables = {"LAB_A": "b,c d", "LAB_B": "größe 'x' $HOME"}
    job = site.job("env", environment=variables)
    cluster = site.open(grid_engine())
    wait_for_state(cluster, site.submit(cluster, job), JobState.ENDED)
    lines = (job.directory / "output.log").read_text(encoding="utf-8").splitlines()

    assert [f"{name}={value}" for name, value in variables.items()] == sorted(
        line for line in lines if line.startswith("LAB_")
    )


# -- control ----------------------------------------------------------------------------------


def test_hold_by_its_owner(site: Site) -> None:
    """D10: a job that its owner holds with qhold is held, and starts when he lets it."""
    engine = grid_engine()
    cluster = site.open(engine)
    job = site.job("true", native="-h")
    ref = site.submit(cluster, job)
    held = state_of(cluster, ref)
    engine.run("qrls", ref.id)
    wait_for_state(cluster, ref, JobState.ENDED)

    assert JobState.HELD is held


def test_hold_of_a_running_job(site: Site) -> None:
    """A job that runs goes on, and is still said to run."""
    job = site.job(WAITS)
    cluster = site.open(grid_engine())
    ref = site.submit(cluster, job)
    wait_for_file(job.directory / "started")
    wait_for_state(cluster, ref, JobState.RUNNING)
    cluster.hold(ref)

    assert JobState.RUNNING is state_of(cluster, ref)


# -- a qmaster that is away ---------------------------------------------------------------------


def poll(cluster: DrmaaCluster, refs: list[JobRef], seen: set[JobState], told: list[str]) -> None:
    """Ask once, and note the states or that there was no answer."""
    try:
        seen |= {report.state for report in cluster.states(refs).values()}
    except ClusterUnavailable as error:
        told.append(error.message)


@pytest.mark.slow
def test_qmaster_restarts(site: Site) -> None:
    """While the qmaster is away there is no news; then everything goes on, and no job ended of it."""
    engine = grid_engine_alone()
    cluster = site.open(engine)
    jobs = [site.job(WAITS) for _ in range(3)]
    refs = [site.submit(cluster, job) for job in jobs]
    for job in jobs:
        wait_for_file(job.directory / "started")
    before, seen = set[JobState](), set[JobState]()
    told: list[str] = []
    poll(cluster, refs, before, told)
    engine.stop_qmaster()
    try:
        for _ in range(3):
            poll(cluster, refs, seen, told)
        unanswered = _unanswered(cluster, site, refs[0])
    finally:
        engine.start_qmaster()
    wait_until(lambda: _running_again(cluster, refs, seen), "all run as before")
    for job in jobs:
        go(job)
        # Grid Engine itself may tell of these ends much later: execd keeps them after a restart of qmaster
        wait_for_file(job.directory / "exit.json")

    assert {JobState.RUNNING} == before == seen
    assert 3 == len(told)
    assert [True] * 4 == unanswered
    assert [(5, ref.id) for ref in refs] == [_end_of(job) for job in jobs]
    assert site.submit(cluster, site.job("true")) not in refs


def _end_of(job: JobSpec) -> tuple[int, str]:
    record = exit_record(job.directory)
    return record["exit_status"], record["job_id"]


def _running_again(cluster: DrmaaCluster, refs: list[JobRef], seen: set[JobState]) -> bool:
    now = set[JobState]()
    poll(cluster, refs, now, [])
    seen |= now
    return now == {JobState.RUNNING}


def _unanswered(cluster: DrmaaCluster, site: Site, ref: JobRef) -> list[bool]:
    """Do everything that needs the qmaster; return whether each says that it did not answer."""
    calls: list[Callable[[], object]] = [
        lambda: cluster.submit(site.job("true")),
        lambda: cluster.find("cci-test-nobody"),
        lambda: cluster.suspend(ref),
        site.open(site_engine(cluster)).library.implementation,
    ]
    answers = []
    for call in calls:
        answers.append(True)
        with suppress(ClusterUnavailable):
            call()
            answers[-1] = False
    return answers


def site_engine(cluster: DrmaaCluster) -> GridEngine:
    """Return the engine that a cluster uses."""
    return GridEngine(cluster.library._environment)


@pytest.mark.slow
def test_id_is_used_again(site: Site) -> None:
    """Grid Engine gives an id away a second time: each of the two jobs keeps its own end."""
    engine = grid_engine_alone()
    cluster = site.open(engine)
    old_job, new_job = site.job("exit 3"), site.job(WAITS)
    old = site.submit(cluster, old_job)
    wait_for_state(cluster, old, JobState.ENDED)
    wait_until(lambda: cluster.accounting(old), "the books are written")
    last = _count_from(engine, str(int(old.id) - 1))
    try:
        new = site.submit(cluster, new_job)
        wait_for_file(new_job.directory / "started")
        wait_for_state(cluster, new, JobState.RUNNING)
        other = site.open(engine, spool=str(site.root / "spool2"))
        states = [state_of(program, ref) for program in (cluster, other) for ref in (old, new)]
        other.kill(old)
        cluster.kill(old)
        books = [cluster.accounting(ref) for ref in (old, new)]
        go(new_job)
        wait_for_file(new_job.directory / "exit.json")
    finally:
        _count_from(engine, last)

    assert old.id == new.id
    assert [JobState.UNKNOWN, JobState.RUNNING] * 2 == states
    assert books[0] is not None
    assert (3, None) == (books[0].exit_status, books[1])
    assert (5, new.id) == _end_of(new_job)


def _count_from(engine: GridEngine, last_id: str) -> str:
    """Let the qmaster give ids after this one; return the one that it gave last.

    It writes that one to its file now and then, and when it ends.
    """
    engine.stop_qmaster()
    last = LAST_ID.read_text(encoding="ascii")
    LAST_ID.write_text(last_id, encoding="ascii")
    engine.start_qmaster()
    return last
