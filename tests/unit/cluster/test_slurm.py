"""The Slurm back-end's rules, over commands that answer what a test has prepared.

The sentences are those of Slurm 22.05. That a whole Slurm answers so is what the conformance suite proves.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.stand_in_commands import StandInCommands

from cci.cluster import JobRef, JobSpec, JobState, open_cluster
from cci.cluster.base import Accounting
from cci.cluster.slurm import SlurmCluster
from cci.errors import ClusterError, ClusterUnavailable, SubmissionRefused

NAME = "cci-Dti_v1-0123456789abcdef"
JOB = JobRef("7", NAME)
AWAY = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
DISABLED = "Slurm accounting storage is disabled\n"
NO_SLURMDBD = (
    "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to "
    "host:localhost:6819: Connection refused\n"
    "sacct: error: Problem talking to the database: Connection refused\n"
)


@pytest.fixture
def commands(tmp_path: Path) -> StandInCommands:
    """Make commands of a Slurm that has no job and keeps no books."""
    made = StandInCommands(tmp_path / "bin")
    made.answer("squeue")
    made.answer("sacct", stderr=DISABLED, status=1)
    return made


@pytest.fixture
def cluster(commands: StandInCommands) -> SlurmCluster:
    """Open a cluster of these commands."""
    opened = open_cluster("slurmy", {"kind": "slurm", "commands": str(commands.folder)})
    assert isinstance(opened, SlurmCluster)
    return opened


@pytest.fixture
def job(tmp_path: Path) -> JobSpec:
    """Return a job."""
    return JobSpec(
        name=NAME,
        directory=tmp_path,
        script=tmp_path / "script.sh",
        output_log=tmp_path / "batch.log",
        walltime_s=60,
        memory_mb=10,
        environment={"SITE_SCRATCH": "/scratch, big", "PATH": "/on/the/node:/bin:/usr/bin"},
    )


def sacct(commands: StandInCommands, *, books: str | None = None, completions: str | None = None) -> None:
    """Let slurmdbd and the text file answer so; None for one that is not there."""
    arms: list[str] = []
    for pattern, answer in (("*--completion*", completions), ("*", books)):
        (commands.folder / "answer").mkdir(exist_ok=True)
        place = commands.folder / "answer" / str(len(arms))
        place.write_text(answer or "", encoding="utf-8")
        action = f"cat {place}" if answer is not None else f"printf '%s' '{DISABLED}' >&2; exit 1"
        arms.append(f"{pattern}) {action} ;;")
    commands.answer("sacct", body=f'case "$*" in {" ".join(arms)} esac')


# -- submitting ---------------------------------------------------------------------------------


def test_submission(cluster: SlurmCluster, commands: StandInCommands, job: JobSpec, tmp_path: Path) -> None:
    """Name and no requeueing are said even where a site's own header does not; a job has UTF-8."""
    commands.answer("sbatch", "12;site\n", body=f"env > {tmp_path}/seen")
    ref = cluster.submit(job)
    seen = (tmp_path / "seen").read_text(encoding="utf-8").splitlines()

    assert JobRef("12", NAME) == ref
    assert [f"sbatch --parsable --no-requeue --job-name={NAME} {job.script}"] == commands.calls()
    assert {"LC_ALL=C.UTF-8", "SITE_SCRATCH=/scratch, big", "PATH=/on/the/node:/bin:/usr/bin"} <= set(seen)


@pytest.mark.parametrize(
    "printed",
    [
        "sbatch: 12 hours left on account x\n4711\n",
        "4711\nsbatch: account x has hours left: 12\n",
        "4711;north\n",
        " \n4711 \n",
    ],
)
def test_talkative_site(cluster: SlurmCluster, commands: StandInCommands, job: JobSpec, printed: str) -> None:
    """What a site's plug-in says before the id, or behind it, is not the id."""
    commands.answer("sbatch", printed)

    assert "4711" == cluster.submit(job).id


FAILED = "sbatch: error: Batch job submission failed:"
TRY = 'Try "sbatch --help" for more information'


@pytest.mark.parametrize(
    "lines",
    [
        ["sbatch: error: invalid partition specified: x", f"{FAILED} Invalid partition name specified"],
        [f"{FAILED} Requested node configuration is not available"],
        [f"{FAILED} Invalid account or account/partition combination specified"],
        [f"{FAILED} Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"],
        ["sbatch: error: Invalid --time specification"],
        ['sbatch: error: Invalid numeric value "0" for --cpus-per-task.'],
        ["sbatch: unrecognized option '--foo=3'", TRY],
        ["sbatch: option requires an argument -- 'x'", TRY],
        ["sbatch: error: Unable to open file /jobs/script.sh"],
        ["sbatch: error: Could not open user environment file /x"],
        ["sbatch: error: This does not look like a batch script.  The first", "sbatch: error: line must"],
    ],
)
def test_refused(cluster: SlurmCluster, commands: StandInCommands, job: JobSpec, lines: list[str]) -> None:
    """What Slurm will say again is a refusal, with its own sentence."""
    commands.answer("sbatch", stderr="\n".join(lines), status=1)
    with pytest.raises(SubmissionRefused) as refused:
        cluster.submit(job)

    assert f"cluster slurmy refuses job {NAME}: {'; '.join(lines)}" == refused.value.message


@pytest.mark.parametrize(
    "lines",
    [
        [f"{FAILED} Unable to contact slurm controller (connect failure)"],
        [f"{FAILED} Socket timed out on send/recv operation"],
        [f"{FAILED} Zero Bytes were transmitted or received"],
        [f"{FAILED} Slurm backup controller in standby mode"],
        [f"{FAILED} I/O error writing script/environment to file"],
        [f"{FAILED} Resource temporarily unavailable"],
        ["sbatch: error: Munge encode failed: Failed to access", f"{FAILED} Protocol authentication error"],
        [
            "sbatch: error: ClusterName needs to be specified",
            "sbatch: fatal: Unable to process configuration",
        ],
        ["sbatch: something new"],
    ],
)
def test_no_answer(cluster: SlurmCluster, commands: StandInCommands, job: JobSpec, lines: list[str]) -> None:
    """What may be otherwise later, or may have left a job, is no refusal."""
    commands.answer("sbatch", stderr="\n".join(lines), status=1)
    with pytest.raises(ClusterUnavailable):
        cluster.submit(job)


# -- asking ---------------------------------------------------------------------------------------


def test_one_job_more_jobs(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """One job is asked for by its id, several by one question for all of this user's."""
    cluster.states([JOB])
    cluster.states([JOB, JobRef("8"), JobRef("9")])

    assert ["--jobs=7", f"--user={os.geteuid()}"] == [call.split()[-1] for call in commands.calls()]


def test_one_unknown_job(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """Slurm fails where it is asked for a single job that it has forgotten; that is an answer."""
    commands.answer("squeue", stderr="slurm_load_jobs error: Invalid job id specified\n", status=1)

    assert JobState.UNKNOWN is cluster.states([JOB])[JOB].state


def test_controller_away(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """Without its controller nothing is known, found or done."""
    for name in ("squeue", "scontrol", "scancel", "sbatch"):
        commands.answer(name, stderr=AWAY, status=1)
    for ask in (
        lambda: cluster.states([JOB]),
        lambda: cluster.find(NAME),
        lambda: cluster.accounting(JOB),
        lambda: cluster.hold(JOB),
        lambda: cluster.kill(JOB),
        lambda: cluster.kill(JobRef("7")),
    ):
        with pytest.raises(ClusterUnavailable):
            ask()


# -- the books ------------------------------------------------------------------------------------

OVER = f"7|FAILED|3:0|1|2|n1|0|{NAME}\n"
OVER_IN_BOOKS = f"7|FAILED|3:0|1|2|3|n1||00:01|0|{NAME}\n"


def test_no_books_at_all(cluster: SlurmCluster) -> None:
    """A site without books says nothing of a job that its controller has forgotten: no outcome."""
    assert None is cluster.accounting(JOB)


@pytest.mark.parametrize("trouble", [DISABLED, NO_SLURMDBD])
def test_text_file_in_place_of_slurmdbd(
    cluster: SlurmCluster, commands: StandInCommands, trouble: str
) -> None:
    """Where slurmdbd is not, or does not answer, the text file is asked."""
    sacct(commands, completions=OVER)
    script = (commands.folder / "sacct").read_text(encoding="utf-8")
    (commands.folder / "sacct").write_text(script.replace(DISABLED, trouble), encoding="utf-8")
    books = cluster.accounting(JOB)

    assert books is not None
    assert (3, "n1") == (books.exit_status, books.node)


def test_empty_answer(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """Books that lack the job say nothing of it, as long as it takes."""
    sacct(commands, books="", completions="")

    assert [None] * 3 == [cluster.accounting(JOB) for _ in range(3)]


def test_controller_says_more_than_file(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """What the controller still lists as alive is not over, whatever a file says of an earlier start."""
    sacct(commands, completions=OVER)
    line = [*("7", "RUNNING", "0", "1", "NONE", "1"), "None", "n1", NAME]
    widths = (20, 20, 12, 24, 24, 24, 80, 120, 100)
    commands.answer("squeue", "".join(map(str.ljust, line, widths)) + "\n")

    assert None is cluster.accounting(JOB)


def test_bad_lines_of_books(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """A line that cannot be read does not hide the next."""
    sacct(commands, books=f"nonsense\n{OVER_IN_BOOKS}")

    assert Accounting(exit_status=3, message="FAILED", node="n1", cpu_s=1.0) == _without_times(
        cluster.accounting(JOB)
    )


def _without_times(books: Accounting | None) -> Accounting:
    assert books is not None
    return Accounting(**{**vars(books), "started": None, "ended": None})


# -- finding: what proves that there never was a job --------------------------------------------------


def test_books_prove(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """An answer of slurmdbd that lacks the name is a proof."""
    sacct(commands, books="")

    assert None is cluster.find(NAME)


def test_found_in_books(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """A job that the controller has forgotten is found by its name."""
    sacct(commands, books=OVER_IN_BOOKS)

    assert JOB == cluster.find(NAME)


def test_file_in_place_of_slurmdbd(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """A text file is asked where there is no slurmdbd."""
    sacct(commands, completions=OVER)

    assert [JOB, None] == [cluster.find(NAME), cluster.find("cci-none")]


def test_listing_proves_where_no_books_are_kept(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """Without slurmdbd, and with a text file that is not on this machine, the controller's word counts."""
    found = [cluster.find(NAME)]
    sacct(commands, completions="")
    found.append(cluster.find(NAME))

    assert [None, None] == found


def test_slurmdbd_away(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """Where slurmdbd has the books and does not answer, nothing is proved, unless a text file has it all."""
    sacct(commands, completions="")
    script = (commands.folder / "sacct").read_text(encoding="utf-8").replace(DISABLED, NO_SLURMDBD)
    (commands.folder / "sacct").write_text(script, encoding="utf-8")
    with pytest.raises(ClusterUnavailable, match="Problem talking to the database"):
        cluster.find(NAME)
    sacct(commands, completions=OVER)

    assert [JOB, None] == [cluster.find(NAME), cluster.find("cci-none")]


def test_text_file_that_sacct_dies_of(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """A line break in a job's name in the text file kills sacct 22.05: that proves nothing."""
    commands.answer(
        "sacct", stderr=DISABLED, status=1, body='case "$*" in *--completion*) kill -SEGV $$;; esac'
    )
    with pytest.raises(ClusterUnavailable, match="sacct ended with status -11"):
        cluster.find(NAME)


# -- controlling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["hold", "release"])
def test_over_already(cluster: SlurmCluster, commands: StandInCommands, verb: str) -> None:
    """Holding a job that has ended changes nothing and is no error."""
    commands.answer("scontrol", stderr="Job has already finished for job 7\n", status=1)
    getattr(cluster, verb)(JOB)

    assert f"scontrol {verb} 7" == commands.calls()[-1]


def test_cannot_be_suspended(cluster: SlurmCluster, commands: StandInCommands) -> None:
    """A job that does not run cannot be suspended, and Slurm says why."""
    commands.answer("scontrol", stderr="Job is pending execution for job 7\n", status=1)
    with pytest.raises(ClusterError, match="did not suspend job 7: Job is pending execution") as error:
        cluster.suspend(JOB)

    assert ClusterError is type(error.value)
