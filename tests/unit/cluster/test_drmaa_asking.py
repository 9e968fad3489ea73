"""How a DRMAA library, here a stand-in, is asked for jobs: whose turn it is, and whose an id is."""

from __future__ import annotations

from threading import Thread

import pytest
from support.drmaa_bench import Bench, states
from support.waiting import wait_until

from cci.cluster import JobRef, JobState
from cci.errors import ClusterError, ClusterUnavailable

# -- states ----------------------------------------------------------------------------------


def test_rate(bench: Bench) -> None:
    """So many jobs are asked for as time has passed; the others are told as they were, and come next."""
    cluster = bench.open(ask_per_s=2.0)
    jobs = bench.submitted(cluster, 6)
    for job in jobs:
        bench.stand_in.state(job.id, 0x20)
    counts = []
    for _ in range(3):
        counts.append(states(cluster, jobs).count(JobState.RUNNING))
        bench.now += 1.0

    assert [2, 4, 6] == counts
    assert [job.id for job in jobs] == bench.stand_in.calls("job_ps")


def test_not_asked_is_reported_as_before(bench: Bench) -> None:
    """A job whose turn it is not keeps its state."""
    cluster = bench.open(ask_per_s=2.0)
    jobs = bench.submitted(cluster, 2)
    bench.stand_in.state(jobs[0].id, 0x20)
    first = states(cluster, jobs)
    bench.stand_in.state(jobs[0].id, 0x22)
    second = states(cluster, jobs)
    bench.now += 1.0

    assert [JobState.RUNNING, JobState.QUEUED] == first == second
    assert [JobState.SUSPENDED, JobState.QUEUED] == states(cluster, jobs)


def test_outage(bench: Bench) -> None:
    """While the controller does not answer nothing is told of any job, and the first silence is enough."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 20)
    bench.stand_in.order("job_ps", "error 2 no route to the controller")
    with pytest.raises(ClusterUnavailable, match="no route to the controller"):
        cluster.states(jobs)

    assert 1 == len(bench.stand_in.calls("job_ps"))


def test_trouble_with_one(bench: Bench) -> None:
    """A complaint about one job is no news of that job, and none of the others."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 3)
    bench.stand_in.order(f"job_ps-{jobs[0].id}", "error 1 slurm_load_jobs error: Invalid job id")

    assert [JobState.UNKNOWN, JobState.QUEUED, JobState.QUEUED] == states(cluster, jobs)


def test_state_without_a_name(bench: Bench) -> None:
    """A state that the package has no word for is unknown."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 2)
    bench.stand_in.state(jobs[0].id, 0x77)

    assert [JobState.UNKNOWN, JobState.QUEUED] == states(cluster, jobs)


def test_forgotten_job(bench: Bench) -> None:
    """A job that the library does not know any more is unknown, however often it is asked; never over."""
    cluster = bench.open(ask_per_s=1.0)
    jobs = bench.submitted(cluster, 1)
    (bench.stand_in.folder / f"state-{jobs[0].id}").unlink()
    found = [states(cluster, jobs)[0] for _ in range(3)]

    assert [JobState.UNKNOWN] * 3 == found


def test_end_is_reaped(bench: Bench) -> None:
    """A job that is over is given back to the library once, and stays over."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 1)
    bench.stand_in.end(jobs[0].id, "exit 3")
    found = [states(cluster, jobs)[0] for _ in range(3)]

    assert [JobState.ENDED] * 3 == found
    assert [jobs[0].id] == bench.stand_in.calls("wait")
    assert [jobs[0].id] == bench.stand_in.calls("job_ps")


def test_segfault_while_reaping(bench: Bench) -> None:
    """A library that dies of what it should tell of an end takes nothing from the end."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 2)
    bench.stand_in.end(jobs[0].id, "exit 3")
    bench.stand_in.order("wait", "segv")

    assert [JobState.ENDED, JobState.QUEUED] == states(cluster, jobs)


def test_unasked_jobs_are_reaped(bench: Bench) -> None:
    """Jobs whose exit records came first are given back too, so that a session does not grow."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 3)
    for job in jobs[:2]:
        bench.stand_in.end(job.id, "exit 0")
    before = states(cluster, jobs[2:])

    assert [JobState.QUEUED] == before
    assert [job.id for job in jobs[:2]] == bench.stand_in.calls("wait")
    assert [JobState.ENDED] * 2 == states(cluster, jobs[:2])


def test_reaping_fails(bench: Bench) -> None:
    """What goes wrong with jobs that nobody asks for hides nothing of the others."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 2)
    bench.stand_in.order("wait", "error 2 no route to the controller")

    assert [JobState.QUEUED] == states(cluster, jobs[:1])


# -- whose an id is -----------------------------------------------------------------------------


def test_job_of_another_program(bench: Bench) -> None:
    """Jobs of another program are asked for by the commands first, all at once, and then by the library."""
    strangers = [JobRef("7", "seven"), JobRef("8", "eight"), JobRef("9", "nine")]
    bench.books.known = {strangers[0]: JobState.RUNNING, strangers[1]: JobState.QUEUED}
    for job in strangers:
        bench.stand_in.state(job.id, 0x22)
    cluster = bench.open()
    first = states(cluster, strangers)
    second = states(cluster, strangers)

    assert [JobState.RUNNING, JobState.QUEUED, JobState.UNKNOWN] == first
    assert [JobState.SUSPENDED, JobState.SUSPENDED, JobState.UNKNOWN] == second
    assert [set(strangers), {strangers[2]}] == bench.books.asked


def test_id_used_again(bench: Bench) -> None:
    """An id that the cluster gives away again means the new job; the old one is unknown."""
    bench.stand_in.order("next", "5")
    cluster = bench.open()
    old = cluster.submit(bench.job(1))
    new = cluster.submit(bench.job(2))
    bench.stand_in.state("5", 0x20)
    cluster.kill(old)

    assert [JobState.UNKNOWN, JobState.RUNNING] == states(cluster, [old, new])
    assert [] == bench.stand_in.calls("control")
    assert None is cluster.accounting(old)
    with pytest.raises(ClusterError):
        cluster.hold(old)


def test_id_used_again_unseen(bench: Bench) -> None:
    """A job that another program submits gets the id of one of ours, of whose end we have not heard."""
    cluster = bench.open()
    old = bench.submitted(cluster, 1)[0]
    new, nameless = JobRef(old.id, "of another program"), JobRef(old.id)
    bench.stand_in.state(old.id, 0x20)
    bench.books.known = {new: JobState.RUNNING}
    before = states(cluster, [old, nameless])
    after = states(cluster, [old, new, nameless])

    assert [JobState.RUNNING, JobState.RUNNING] == before
    assert [JobState.UNKNOWN, JobState.RUNNING, JobState.RUNNING] == after
    assert [JobState.UNKNOWN, JobState.RUNNING] == states(cluster, [old, new])


def test_stranger_while_commands_are_away(bench: Bench) -> None:
    """Where nobody can tell whose an id is, nothing is told."""
    bench.books.away = True
    cluster = bench.open()
    bench.stand_in.state("7", 0x20)
    with pytest.raises(ClusterUnavailable):
        cluster.states([JobRef("7", "seven")])
    with pytest.raises(ClusterUnavailable):
        cluster.kill(JobRef("7", "seven"))

    assert [] == bench.stand_in.calls("control")


def test_find(bench: Bench) -> None:
    """A job of this program is found without asking; any other by the commands."""
    cluster = bench.open()
    job = bench.submitted(cluster, 1)[0]
    other = JobRef("7", "seven")
    bench.books.known = {other: JobState.RUNNING}
    found = [cluster.find(job.name), cluster.find("seven"), cluster.find("eight")]
    bench.books.away = True

    assert [job, other, None] == found
    assert job == cluster.find(job.name)
    with pytest.raises(ClusterUnavailable):
        cluster.find("eight")


def test_busy_library(bench: Bench) -> None:
    """A poll of many jobs lets a submission through between two questions."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 300)
    poll = Thread(target=cluster.states, args=(jobs,))
    poll.start()
    wait_until(lambda: bench.stand_in.calls("job_ps"), "the poll has begun")
    cluster.submit(bench.job(999))
    poll.join()
    order = [call for _, _, call, _ in bench.stand_in.trace() if call in {"run_job", "job_ps"}]

    assert 301 == order.count("run_job")
    assert order.index("job_ps") < len(order) - 1 - order[::-1].index("run_job") < len(order) - 1
