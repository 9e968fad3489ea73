"""What a cluster behind a DRMAA library does when it is told to: the library is a stand-in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.drmaa_bench import Bench, ended, states

from cci.cluster import JobRef, JobState
from cci.cluster.base import Accounting, Cluster
from cci.cluster.drmaa import BOOKS_LATE_S, DrmaaCluster
from cci.errors import ClusterError, ClusterUnavailable, SubmissionRefused

# -- submission -----------------------------------------------------------------------------


def test_template(bench: Bench) -> None:
    """Each thing that is asked for reaches the library as an attribute of the template (S1)."""
    job = bench.job(email="lab@example.org", environment={"A": "größe ist 'alles'", "B": "c,d"})
    ref = bench.open().submit(job)

    assert [
        f"drmaa_job_name={job.name}",
        "drmaa_join_files=y",
        "drmaa_native_specification=-b n -w e",
        f"drmaa_output_path=:{job.output_log}",
        f"drmaa_remote_command={job.script}",
        "drmaa_v_env=A=größe ist 'alles'",
        "drmaa_v_env=B=c,d",
        f"drmaa_wd={job.directory}",
    ] == bench.stand_in.template(ref.id)


def test_template_is_deleted(bench: Bench) -> None:
    """A template is given back whether the job was taken or not."""
    cluster = bench.open()
    cluster.submit(bench.job(1))
    bench.stand_in.order("run_job", "error 17 no such queue")
    with pytest.raises(SubmissionRefused):
        cluster.submit(bench.job(2))
    calls = bench.stand_in.calls

    assert (2, 2) == (len(calls("allocate_job_template")), len(calls("delete_job_template")))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("error 17 you are over your limit", SubmissionRefused),  # DENIED_BY_DRM
        ("error 14 no such value", SubmissionRefused),  # INVALID_ATTRIBUTE_VALUE
        ("error 13 bad format", SubmissionRefused),  # INVALID_ATTRIBUTE_FORMAT
        ("error 15 one or the other", SubmissionRefused),  # CONFLICTING_ATTRIBUTE_VALUES
        ("error 3 you may not", SubmissionRefused),  # AUTH_FAILURE
        ("error 2 no route to the controller", ClusterUnavailable),  # DRM_COMMUNICATION_FAILURE
        ("error 1 something is wrong", ClusterUnavailable),  # INTERNAL_ERROR
        ("error 16 try later", ClusterUnavailable),  # TRY_LATER
        ("error 6 no memory", ClusterUnavailable),  # NO_MEMORY
        ("error 5 no session", ClusterUnavailable),  # NO_ACTIVE_SESSION
        ("error 99 whatever this is", ClusterUnavailable),
    ],
)
def test_not_submitted(bench: Bench, order: str, expected: type[ClusterError]) -> None:
    """Only a clear no is a refusal; the sentence is the library's."""
    bench.stand_in.order("run_job", order)
    with pytest.raises(ClusterError) as raised:
        bench.open().submit(bench.job())

    assert (expected is ClusterUnavailable) is raised.value.transient
    assert isinstance(raised.value, expected)
    assert order.split(" ", 2)[2] in raised.value.message
    assert [""] == bench.stand_in.calls("run_job")


@pytest.mark.parametrize("name", ["", "größe", "a\nb", "a" * 65])
def test_bad_name(bench: Bench, name: str) -> None:
    """A name that could not be found again never reaches the library."""
    with pytest.raises(SubmissionRefused):
        bench.open().submit(bench.job(name=name))

    assert [] == bench.stand_in.trace()


# -- the books ----------------------------------------------------------------------------------


def test_books_first(bench: Bench) -> None:
    """What the system's books say goes before what the library told."""
    cluster = bench.open()
    job = ended(bench, cluster, "exit 3")
    bench.books.books[job] = Accounting(exit_status=4)
    bench.now += 2 * BOOKS_LATE_S

    assert Accounting(exit_status=4) == cluster.accounting(job)


@pytest.mark.parametrize("away", [False, True])
def test_books_are_late(bench: Bench, away: bool) -> None:
    """Where the books lack a job for long, or cannot be read, what the library told stands in for them."""
    cluster = bench.open()
    job = ended(bench, cluster, "exit 3")
    soon = cluster.accounting(job)
    bench.now += BOOKS_LATE_S
    bench.books.away = away
    late = cluster.accounting(job)

    assert None is soon
    assert late is not None
    assert 3 == late.exit_status


def test_deleted_before_it_began(bench: Bench) -> None:
    """A job that never ran and of which nothing is known at its end was deleted, if the books lack it too."""
    cluster = bench.open()
    job = ended(bench, cluster, "", ran=False)
    bench.now += BOOKS_LATE_S
    found = cluster.accounting(job)
    bench.books.away = True

    assert found is not None
    assert ("killed", True) == (found.cause, found.never_began)
    with pytest.raises(ClusterUnavailable):
        cluster.accounting(job)


def test_end_without_usage(bench: Bench) -> None:
    """Of a job that ran and of whose end nothing is known, nothing is made up."""
    cluster = bench.open()
    job = ended(bench, cluster, "")
    bench.now += BOOKS_LATE_S

    assert None is cluster.accounting(job)


def test_slurm_makes_ends_up(bench: Bench) -> None:
    """What Slurm's library tells of an end is never used."""
    cluster = bench.open()
    cluster.dialect = "slurm"
    job = ended(bench, cluster, "exit 0")
    bench.now += BOOKS_LATE_S

    assert None is cluster.accounting(job)


# -- control --------------------------------------------------------------------------------------

Act = Callable[[Cluster, JobRef], None]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (Cluster.kill, JobState.ENDED),
        (DrmaaCluster.hold, JobState.HELD),
        (DrmaaCluster.suspend, JobState.SUSPENDED),
        (DrmaaCluster.release, JobState.QUEUED),
        (DrmaaCluster.resume, JobState.RUNNING),
    ],
)
def test_control(bench: Bench, act: Act, expected: JobState) -> None:
    """Each verb does what it says."""
    cluster = bench.open()
    job = bench.submitted(cluster, 1)[0]
    getattr(cluster, act.__name__)(job)

    assert [expected] == states(cluster, [job])


@pytest.mark.parametrize("verb", ["kill", "hold", "release", "suspend", "resume"])
def test_control_refused(bench: Bench, verb: str) -> None:
    """S8: a control that the system refuses is told with its sentence; the job is as it was."""
    cluster = bench.open()
    job = bench.submitted(cluster, 1)[0]
    bench.stand_in.order("control", "error 3 you are not its owner")
    with pytest.raises(ClusterError, match="you are not its owner") as raised:
        getattr(cluster, verb)(job)

    assert not isinstance(raised.value, ClusterUnavailable)
    assert [JobState.QUEUED] == states(cluster, [job])


@pytest.mark.parametrize("verb", ["kill", "hold"])
def test_control_during_an_outage(bench: Bench, verb: str) -> None:
    """A control that does not get through may be tried again."""
    cluster = bench.open()
    job = bench.submitted(cluster, 1)[0]
    bench.stand_in.order("control", "error 2 no route to the controller")
    with pytest.raises(ClusterUnavailable, match="no route"):
        getattr(cluster, verb)(job)


def test_control_is_repeated(bench: Bench) -> None:
    """A control in which the library dies is made once more by the next one."""
    cluster = bench.open()
    job = bench.submitted(cluster, 1)[0]
    bench.stand_in.order("control", "once segv")
    cluster.kill(job)

    assert [job.id] * 2 == bench.stand_in.calls("control")


@pytest.mark.parametrize(
    ("verb", "state", "error"),
    [("suspend", 0x22, 20), ("resume", 0x20, 19), ("release", 0x10, 22), ("hold", 0x12, 21)],
)
def test_nothing_to_do(bench: Bench, verb: str, state: int, error: int) -> None:
    """A job that is where it was to be brought needs no more, whatever the library says."""
    cluster = bench.open()
    job = bench.submitted(cluster, 1)[0]
    bench.stand_in.state(job.id, state)
    bench.stand_in.order("control", f"error {error} it is already")
    getattr(cluster, verb)(job)

    assert [job.id] == bench.stand_in.calls("control")


def test_suspend_what_waits(bench: Bench) -> None:
    """A job that does not run cannot be suspended."""
    cluster = bench.open()
    job = bench.submitted(cluster, 1)[0]
    bench.stand_in.order("control", "error 20 it does not run")
    with pytest.raises(ClusterError, match="it does not run"):
        cluster.suspend(job)


def test_hold_what_runs(bench: Bench) -> None:
    """A job that runs goes on, and is not said to be held."""
    cluster = bench.open()
    job = bench.submitted(cluster, 1)[0]
    bench.stand_in.state(job.id, 0x20)
    cluster.hold(job)

    assert [] == bench.stand_in.calls("control")


def test_kill_what_is_over(bench: Bench) -> None:
    """A job that is over, forgotten or nobody's needs no killing."""
    cluster = bench.open()
    job = ended(bench, cluster, "exit 0")
    for one in (job, JobRef("77", "nobody"), JobRef("77"), JobRef("../x")):
        cluster.kill(one)

    assert ["77"] == bench.stand_in.calls("control")
