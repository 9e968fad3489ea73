"""What trial jobs prove: the finding for everything that may be seen of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from cci.cluster.base import Accounting, JobRef, JobState
from cci.cluster.native import Wishes
from cci.daemon.asking import ScriptForm
from cci.daemon.doctor_hints import hint_for
from cci.daemon.doctor_proofs import judge
from cci.daemon.doctor_trials import Attached, Proofs, Seen, Terms, delayed
from cci.daemon.findings import Finding
from cci.daemon.jobdir import ExitRecord
from cci.errors import ClusterError, ClusterUnavailable, SubmissionRefused

UID = 1000
JOB = JobRef("42", "cci-doctor-1")
RAN = (JobState.QUEUED, JobState.RUNNING, JobState.ENDED)


def ended(status: int, *, states: tuple[JobState, ...] = RAN) -> Seen:
    """Return a job that ended with this exit status, by all witnesses."""
    record = ExitRecord(nonce="n", exit_status=status, node="n7")
    return Seen(job=JOB, states=states, record=record, books=Accounting(exit_status=status, node="n7"))


GOOD = Proofs(
    patience_s=60,
    shown=ended(0),
    three=ended(3),
    held=ended(0, states=(JobState.HELD, *RAN)),
    killed=replace(ended(0), books=Accounting(cause="killed-by-user")),
    attached=Attached(found=JOB, state=JobState.RUNNING),
    word="w",
    node_lines=(str(UID), "n7", "w"),
)
WAITED = Seen(job=JOB, states=(JobState.QUEUED,))
STARTED = Seen(job=JOB, states=(JobState.RUNNING,))
UNSEEN, LATE = ended(0, states=()), ended(0, states=(JobState.ENDED,))
REFUSED = Seen(error=ClusterError("the cluster cannot", hint="ask"))


def told(proofs: Proofs, what: str) -> Finding:
    """Return what is told of one thing."""
    (found,) = [one for one in judge(proofs, "site", uid=UID) if one.name == f"cluster site: {what}"]
    return found


def test_everything_works() -> None:
    """Each thing is told once, in its order."""
    found = list(judge(GOOD, "site", uid=UID))

    assert ["submit", "status", "work directory", "exit code", "hold", "re-attach", "kill"] == [
        one.name.removeprefix("cluster site: ") for one in found
    ]
    assert {"ok"} == {one.verdict for one in found}
    assert [] == [one.hint for one in found if one.hint]


@pytest.mark.parametrize(
    ("seen", "killed", "expected"),
    [
        (STARTED, True, False),
        (replace(STARTED, record=ExitRecord(nonce="n")), True, False),
        (ended(0), False, True),
        (replace(STARTED, books=Accounting(cause="out-of-memory")), False, False),
        (replace(STARTED, books=Accounting(cause="killed-by-user")), True, True),
        (replace(STARTED, books=Accounting(exit_status=143)), True, False),
    ],
    ids=["runs", "no books", "both", "no record", "killed by the books", "books without a cause"],
)
def test_how_long_witnesses_are_waited_for(seen: Seen, killed: bool, expected: bool) -> None:
    """Record and books are waited for; of a job that was killed, books that name the cause are enough."""
    assert expected == seen.is_whole(killed=killed)


#: What was seen of the first job, the verdict, and words of the line and of its hint.
FIRST: dict[str, tuple[Seen, str, str, str]] = {
    "refused": (
        Seen(error=SubmissionRefused("unknown queue x.q")),
        "fail",
        "unknown queue x.q",
        "mend clusters.site.queue",
    ),
    "no answer": (
        Seen(error=ClusterUnavailable("cannot reach qmaster")),
        "fail",
        "cannot reach qmaster",
        "is its controller running",
    ),
    "no answer, and a job after all": (
        Seen(job=JOB, error=ClusterUnavailable("the door is shut")),
        "fail",
        "the door is shut",
        "running jobs are not touched",
    ),
    "waits": (WAITED, "warn", "was queued for 60 s, and was taken back", "--patience"),
    "waits in error": (
        replace(WAITED, message="error: can't chdir to /srv/work"),
        "fail",
        "queued for 60 s: error: can't chdir",
        "work_dir must lie on a disk",
    ),
    "runs without end": (STARTED, "fail", "was running for 60 s", "its own commands"),
    "never seen": (Seen(job=JOB), "fail", "was unknown for 60 s", "its own commands"),
    "failed": (
        replace(ended(0), record=ExitRecord(nonce="n", exit_status=127, node="n7", cause="could-not-start")),
        "fail",
        "failed on n7: could-not-start",
        "does the node see",
    ),
    "no record": (
        Seen(job=JOB, states=RAN, books=Accounting(exit_status=2, node="n7")),
        "fail",
        "ended on n7 and left no exit record: exit status 2",
        "does the node see",
    ),
    "no record, and a cause": (
        Seen(job=JOB, states=RAN, books=Accounting(message="FAILED: JobLaunchFailure")),
        "fail",
        "left no exit record: FAILED: JobLaunchFailure",
        "work_dir must lie on a disk",
    ),
    "no record and no books": (
        Seen(job=JOB, states=RAN, node="n7", message="gone"),
        "fail",
        "ended on n7 and left no exit record: gone",
        "does the node see",
    ),
}


@pytest.mark.parametrize("row", FIRST)
def test_the_first_job(row: str) -> None:
    """A cluster that takes no job, or runs none, is told of once, and nothing else of it."""
    seen, verdict, detail, hint = FIRST[row]
    (found,) = judge(replace(GOOD, shown=seen), "site", uid=UID)

    assert ("cluster site: submit", verdict) == (found.name, found.verdict)
    assert detail in found.detail
    assert hint in found.hint


#: What was seen, what it is about, the verdict, and words of the line.
OTHERS: dict[str, tuple[Proofs, str, str, str]] = {
    "no status": (
        replace(GOOD, shown=UNSEEN, three=UNSEEN, held=UNSEEN, killed=UNSEEN),
        "status",
        "fail",
        "tells nothing of them",
    ),
    "never seen running": (
        replace(GOOD, shown=LATE, three=WAITED, held=WAITED, killed=WAITED),
        "status",
        "warn",
        "seen ended, queued, and never running",
    ),
    "nothing written": (replace(GOOD, node_lines=()), "work directory", "fail", "is not seen here"),
    "another disk": (
        replace(GOOD, node_lines=("1000", "n7", "x")),
        "work directory",
        "fail",
        "n7 reads another file",
    ),
    "another user": (
        replace(GOOD, node_lines=("65534", "n7", "w")),
        "work directory",
        "fail",
        "jobs run as user 65534 on n7",
    ),
    "wrong exit code": (replace(GOOD, three=ended(1)), "exit code", "fail", "has 1 in its exit record"),
    "no accounting": (
        replace(GOOD, three=replace(ended(3), books=None)),
        "exit code",
        "warn",
        "is in no accounting",
    ),
    "wrong accounting": (
        replace(GOOD, three=replace(ended(3), books=Accounting(exit_status=0))),
        "exit code",
        "fail",
        "has 0 in the cluster's accounting",
    ),
    "exit code not seen": (
        replace(GOOD, three=WAITED),
        "exit code",
        "warn",
        "not proved: its job was queued",
    ),
    "second job refused": (replace(GOOD, three=REFUSED), "exit code", "fail", "the cluster cannot"),
    "exit code, still runs": (replace(GOOD, three=STARTED), "exit code", "fail", "its job was running"),
    "hold refused": (replace(GOOD, held=replace(REFUSED, job=JOB)), "hold", "fail", "the cluster cannot"),
    "too quick": (replace(GOOD, held=ended(0)), "hold", "warn", "3 jobs started before"),
    "not released": (
        replace(GOOD, held=Seen(job=JOB, states=(JobState.HELD,))),
        "hold",
        "warn",
        "did not run within 60 s",
    ),
    "hold not seen": (replace(GOOD, held=WAITED), "hold", "warn", "its job was queued"),
    "not found": (
        replace(GOOD, attached=Attached(state=JobState.RUNNING)),
        "re-attach",
        "fail",
        "looks for job 42 by its name does not find it",
    ),
    "another found": (
        replace(GOOD, attached=Attached(found=JobRef("7"), state=JobState.RUNNING)),
        "re-attach",
        "fail",
        "finds another",
    ),
    "not known": (
        replace(GOOD, attached=Attached(found=JOB, state=JobState.UNKNOWN)),
        "re-attach",
        "fail",
        "does not know job 42",
    ),
    "not opened": (
        replace(GOOD, attached=Attached(error=ClusterUnavailable("no session"))),
        "re-attach",
        "fail",
        "no session",
    ),
    "never ran": (replace(GOOD, killed=WAITED, attached=None), "re-attach", "warn", "its job was queued"),
    "not killed, as it never ran": (
        replace(GOOD, killed=WAITED, attached=None),
        "kill",
        "warn",
        "its job was queued",
    ),
    "kill refused": (replace(GOOD, killed=replace(REFUSED, job=JOB)), "kill", "fail", "the cluster cannot"),
    "survived": (replace(GOOD, killed=STARTED), "kill", "fail", "a job that was killed is running"),
}


@pytest.mark.parametrize("row", OTHERS)
def test_the_other_jobs(row: str) -> None:
    """What is wrong, or could not be proved, is told where it belongs, with a hint; the rest stays well."""
    proofs, what, verdict, words = OTHERS[row]
    found = told(proofs, what)

    assert verdict == found.verdict
    assert words in found.detail
    assert found.hint


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("libjemalloc.so.2: cannot allocate memory in static TLS block", "optional_static_tls"),
        ("Could not find drmaa library", "clusters.site.library"),
        ('error: SGE_ROOT directory "/nowhere" doesn\'t exist', "SGE_ROOT and SGE_CELL in clusters.site.env"),
        ("there is no command qsub, or it cannot be run: looked in /bin", "clusters.site.commands"),
        ("error: Munge encode failed: Failed to access", "munge must run"),
        ('Unable to run job: denied: host "x" is no submit host', "qconf -as HOST"),
        ("Batch job submission failed: Invalid partition name specified", "clusters.site.queue"),
        ('Job was rejected because job requests unknown queue "nope.q"', "clusters.site.queue"),
        ('Unable to run job: unknown resource "mem_x"', "clusters.site.memory_resource"),
        ("error: commlib error: got select error (Connection refused)", "is its controller running"),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", "is its controller"),
        ("error: can't chdir to /work: No such file or directory", "work_dir must lie on a disk"),
        ("sbatch: error: Unable to open file /srv/cci/script.sh", "work_dir must lie on a disk"),
        ("FAILED: JobLaunchFailure", "work_dir must lie on a disk"),
        ("the cat sat on the mat", ""),
    ],
)
def test_hints(said: str, words: str) -> None:
    """What batch systems say, as they say it, has a hint; what nobody knows has none."""
    hint = hint_for(said, "site")

    assert words in hint
    assert bool(words) == bool(hint)


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("sge", "-l x -a 202603011200.05"),
        ("pbs", "-l x -a 202603011200.05"),
        ("slurm", "-l x --begin=now+6"),
        ("lsf", "-l x"),
        ("plain", "-l x"),
    ],
)
def test_a_job_that_waits_for_its_hold(dialect: str, expected: str) -> None:
    """The job that is to be held starts later, beside what the site asks for."""
    terms = Terms(form=ScriptForm(dialect=dialect), runner_python="python3", wishes=Wishes(native="-l x"))

    assert expected == delayed(terms, datetime(2026, 3, 1, 11, 59, 59)).wishes.native  # noqa: DTZ001 (local time)
