"""A DRMAA library, here a stand-in, that dies, hangs and prints, and the session that outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from support import stand_in_drmaa
from support.drmaa_bench import PATIENCE_S, Bench, states
from support.waiting import wait_until

from cci.cluster import JobRef, JobState
from cci.cluster.drmaa_library import Contact, Library
from cci.cluster.drmaa_settings import child_environment, read_section
from cci.errors import ClusterUnavailable, SubmissionRefused

#: For calls that hang: longer than a new process takes to open the library, however busy the machine is.
SHORT_S = 6.0

# -- a library that dies or hangs -------------------------------------------------------------


def test_segfault_in_status(bench: Bench) -> None:
    """D7: the library dies of a question; a new one is asked, and no job is thought to be over."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 2)
    bench.stand_in.state(jobs[0].id, 0x20)
    bench.stand_in.order("job_ps", "once segv")

    assert [JobState.RUNNING, JobState.QUEUED] == states(cluster, jobs)
    assert 2 == len(bench.stand_in.processes())


def test_segfault_of_one_job(bench: Bench) -> None:
    """A job whose question always kills the library is unknown; the others are asked for all the same."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 3)
    for job in jobs:
        bench.stand_in.state(job.id, 0x20)
    bench.stand_in.order(f"job_ps-{jobs[1].id}", "segv")
    found = cluster.states(jobs)

    assert [JobState.RUNNING, JobState.UNKNOWN, JobState.RUNNING] == [found[job].state for job in jobs]
    assert "died with signal 11" in found[jobs[1]].message


def test_segfault_always(bench: Bench) -> None:
    """A library that dies of every question is no answer, and is not started for every job."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 50)
    bench.stand_in.order("job_ps", "segv")
    with pytest.raises(ClusterUnavailable, match="died with signal 11"):
        cluster.states(jobs)

    # three jobs, each tried twice; the first in the process that submitted
    assert 6 == len(bench.stand_in.processes())


def test_segfault_in_submission(bench: Bench) -> None:
    """A submission in which the library dies is not repeated: a job may exist."""
    bench.stand_in.order("run_job", "once segv")
    cluster = bench.open()
    with pytest.raises(ClusterUnavailable, match="died with signal 11"):
        cluster.submit(bench.job())

    assert [""] == bench.stand_in.calls("run_job")
    assert "1" == cluster.submit(bench.job()).id


def test_submissions_in_a_row(bench: Bench) -> None:
    """Jobs are handed over in their order in one go; what cannot be said of one keeps no other back."""
    cluster = bench.open()
    jobs = [bench.job(1), bench.job(2, name="no\nname"), bench.job(3)]
    first, second, third = cluster.submit_all(jobs)

    assert isinstance(second, SubmissionRefused)
    assert [JobRef("1", jobs[0].name), JobRef("2", jobs[2].name)] == [first, third]


def test_a_refusal_in_a_row(bench: Bench) -> None:
    """A job that the library refuses is told with its sentence; the next is handed over."""
    bench.stand_in.order("run_job", "once error 17 unknown queue")
    answers = bench.open().submit_all([bench.job(1), bench.job(2)])

    assert [SubmissionRefused, JobRef] == [type(answer) for answer in answers]
    assert "unknown queue" in str(answers[0])


@pytest.mark.parametrize("how", ["segv", "hang"])
def test_lost_in_a_row(bench: Bench, how: str) -> None:
    """Jobs of one go that had no answer when the library was lost may exist or not: none is repeated."""
    bench.stand_in.order("run_job", f"once {how}")
    cluster = bench.open(call_s=SHORT_S)
    answers = cluster.submit_all([bench.job(number) for number in range(1, 4)])

    assert [True] * 3 == [isinstance(answer, ClusterUnavailable) for answer in answers]
    assert 1 == len(bench.stand_in.calls("run_job"))
    assert "1" == cluster.submit(bench.job()).id


def test_no_session_for_a_row(bench: Bench) -> None:
    """Where no session can be joined no job of them is handed over, and each is told so."""
    bench.stand_in.order("init", "error 1 no qmaster")
    answers = bench.open().submit_all([bench.job(1), bench.job(2)])

    assert [ClusterUnavailable] * 2 == [type(answer) for answer in answers]
    assert [] == bench.stand_in.calls("run_job")


def test_hang_in_submission(bench: Bench) -> None:
    """D8: a submission that does not come back is given up with its process; other work goes on."""
    bench.stand_in.order("run_job", "once hang")
    cluster = bench.open(call_s=SHORT_S)
    with pytest.raises(ClusterUnavailable, match="did not answer within 6 s"):
        cluster.submit(bench.job())
    hung = bench.stand_in.processes()[0]

    assert not Path(f"/proc/{hung}").exists()
    assert "1" == cluster.submit(bench.job()).id


def test_hang_in_status(bench: Bench) -> None:
    """A library that does not answer for one job is asked for no other in this poll."""
    cluster = bench.open(call_s=SHORT_S)
    jobs = bench.submitted(cluster, 3)
    bench.stand_in.order("job_ps", "hang")
    with pytest.raises(ClusterUnavailable, match="did not answer"):
        cluster.states(jobs)
    asked = bench.stand_in.calls("job_ps")
    bench.stand_in.relax("job_ps")

    assert 2 == len(asked)
    assert [JobState.QUEUED] * 3 == states(cluster, jobs)


def test_killed_child(bench: Bench) -> None:
    """A child that somebody kills between two calls is started again unseen."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 1)
    os.kill(bench.stand_in.processes()[0], signal.SIGKILL)

    assert [JobState.QUEUED] == states(cluster, jobs)


def test_loud_library(bench: Bench) -> None:
    """What a library prints, and how much, disturbs nobody."""
    cluster = bench.open()
    bench.stand_in.order("job_ps", "loud")
    jobs = bench.submitted(cluster, 2)

    assert [JobState.QUEUED] * 2 == states(cluster, jobs)


def test_last_words(bench: Bench) -> None:
    """The end of what a library printed is told when it dies."""
    bench.stand_in.order("run_job", "segv")
    with pytest.raises(ClusterUnavailable, match="it printed: a library may print to standard output"):
        bench.open().submit(bench.job())


def test_one_thread(bench: Bench) -> None:
    """D9: several threads use the cluster, and one thread of one process makes all calls."""
    cluster = bench.open()
    jobs = bench.submitted(cluster, 5)

    def use(index: int) -> None:
        cluster.states(jobs)
        cluster.submit(bench.job(10 + index))
        cluster.hold(jobs[index])

    threads = [Thread(target=use, args=(index,)) for index in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cluster.close()
    callers = {(process, thread) for process, thread, *_ in bench.stand_in.trace()}

    assert [(process, process) for process, _ in callers] == list(callers)
    assert 1 == len(callers)
    assert "exit" == bench.stand_in.trace()[-1][2]


# -- whoever dies ----------------------------------------------------------------------------

#: A program that opens a cluster of kind drmaa, submits a job, says so, and stays.
USER = """
import json, sys, time
from pathlib import Path
from cci.cluster import JobSpec, open_cluster
cluster = open_cluster("big", json.loads(sys.argv[1]))
paths = {key: Path("/tmp/job") / key for key in ("directory", "script", "output_log")}
print("begins", flush=True)
print(cluster.submit(JobSpec(name="cci-test-1", walltime_s=1, memory_mb=1, **paths)).id, flush=True)
time.sleep(600)
"""


def user(bench: Bench) -> subprocess.Popen[str]:
    """Start such a program."""
    settings = {
        "kind": "drmaa",
        "library": str(stand_in_drmaa.library()),
        "environment": {"STAND_IN_DRMAA": str(bench.stand_in.folder)},
        "spool": str(bench.root / "spool"),
    }
    return subprocess.Popen(
        [sys.executable, "-c", USER, json.dumps(settings)], stdout=subprocess.PIPE, text=True
    )


def gone(pid: int) -> bool:
    """Whether a process that is not our child is gone."""
    return not Path(f"/proc/{pid}").exists()


def test_parent_killed(bench: Bench) -> None:
    """The child of a program that is killed leaves the session and ends."""
    with user(bench) as program:
        assert program.stdout is not None
        assert ["begins\n", "1\n"] == [program.stdout.readline(), program.stdout.readline()]
        program.kill()
    child = bench.stand_in.processes()[0]
    wait_until(lambda: gone(child), "the child ends")

    assert "exit" == bench.stand_in.trace()[-1][2]


def test_parent_killed_during_submission(bench: Bench) -> None:
    """A child that hangs in a submission ends at once with its parent: no job may come from it later."""
    bench.stand_in.order("run_job", "hang")
    with user(bench) as program:
        wait_until(lambda: bench.stand_in.calls("run_job"), "the submission hangs")
        program.kill()
    child = bench.stand_in.processes()[0]
    wait_until(lambda: gone(child), "the child ends")

    assert [] == bench.stand_in.calls("exit")


def test_parent_killed_during_question(bench: Bench) -> None:
    """A child that hangs in another call ends some seconds after its parent."""
    bench.stand_in.order("get_contact", "hang")
    with user(bench) as program:
        wait_until(lambda: bench.stand_in.calls("get_contact"), "the call hangs")
        program.kill()
    child = bench.stand_in.processes()[0]
    wait_until(lambda: gone(child), "the child ends")

    assert [] == bench.stand_in.calls("exit")


def test_stuck_at_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that cannot be left does not keep a program from ending."""
    monkeypatch.setattr("cci.cluster.drmaa_library.LEAVE_S", 0.5)
    cluster = bench.open()
    bench.submitted(cluster, 1)
    bench.stand_in.order("exit", "hang")
    cluster.close()

    assert gone(bench.stand_in.processes()[0])


# -- the session ------------------------------------------------------------------------------


def test_contact_is_kept(bench: Bench) -> None:
    """Another program, or the next child, joins the session of the first; the file is the user's alone."""
    first = bench.open()
    bench.submitted(first, 1)
    contact = bench.contact.read_text(encoding="utf-8").strip()
    first.close()
    bench.submitted(bench.open(), 1)

    assert ["(null)", contact] == [argument or "(null)" for argument in bench.stand_in.calls("init")]
    assert contact == bench.contact.read_text(encoding="utf-8").strip()
    assert 0o600 == bench.contact.stat().st_mode & 0o777


def test_bad_contact(bench: Bench) -> None:
    """A contact that the library does not take is replaced by that of a new session."""
    bench.contact.parent.mkdir()
    bench.contact.write_text("no such session\n", encoding="utf-8")
    bench.submitted(bench.open(), 1)

    assert ["no such session", ""] == bench.stand_in.calls("init")
    assert f"session={bench.stand_in.processes()[0]}\n" == bench.contact.read_text(encoding="utf-8")


def test_deadly_contact(bench: Bench) -> None:
    """A contact that the library dies of is not tried for ever."""
    bench.contact.parent.mkdir()
    bench.contact.write_text("deadly\n", encoding="utf-8")
    bench.stand_in.order("init-deadly", "segv")
    cluster = bench.open()
    with pytest.raises(ClusterUnavailable):
        cluster.submit(bench.job())

    assert "1" == cluster.submit(bench.job()).id
    assert ["deadly", ""] == bench.stand_in.calls("init")


def test_contact_during_an_outage(bench: Bench) -> None:
    """While the system is away the session is neither joined nor given up."""
    bench.contact.parent.mkdir()
    bench.contact.write_text("session=7\n", encoding="utf-8")
    bench.stand_in.order("init", "error 2 no route to the controller")
    cluster = bench.open()
    with pytest.raises(ClusterUnavailable, match="no route to the controller"):
        cluster.submit(bench.job())
    bench.stand_in.relax("init")
    cluster.submit(bench.job())

    assert ["session=7"] * 2 == bench.stand_in.calls("init")
    assert "session=7\n" == bench.contact.read_text(encoding="utf-8")


def test_spool_that_cannot_be_written(bench: Bench) -> None:
    """Without a place for its contact the cluster works all the same."""
    bench.contact.parent.write_text("a file, and no folder", encoding="ascii")

    assert "1" == bench.open().submit(bench.job()).id


def test_no_library(bench: Bench) -> None:
    """A library that is not there is said to be missing, and what to do."""
    section = read_section("big", {"kind": "drmaa", "library": "/no/such/libdrmaa.so"})
    library = Library("big", child_environment(section, os.environ), Contact(None), call_s=PATIENCE_S)
    with pytest.raises(ClusterUnavailable, match=r"/no/such/libdrmaa\.so") as raised:
        library.implementation()

    assert "library" in raised.value.hint
    assert not bench.contact.exists()


def test_implementation(bench: Bench) -> None:
    """The library tells what it is."""
    assert "stand-in library for stand-in system" == bench.open().library.implementation()
