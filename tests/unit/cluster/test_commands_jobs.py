"""The rules that hold for every back-end on commands: submitting, finding and controlling jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command_cluster import JOB, NAME, StandInCluster, a_job, of_one_job, open_stand_in
from support.stand_in_commands import StandInCommands

from cci.cluster.base import JobRef
from cci.errors import ClusterError, ClusterUnavailable, SettingsError, SubmissionRefused


@pytest.fixture
def commands(tmp_path: Path) -> StandInCommands:
    """Make commands of a system that runs one job."""
    return of_one_job(tmp_path / "bin")


@pytest.fixture
def cluster(commands: StandInCommands) -> StandInCluster:
    """Open a cluster of these commands."""
    return open_stand_in(commands)


# -- submitting ---------------------------------------------------------------------------------


def test_submit(cluster: StandInCluster, commands: StandInCommands, tmp_path: Path) -> None:
    """The script is handed over as it is, whatever its name, and the id is what the command printed."""
    commands.answer("submit", "12\n")
    ref = cluster.submit(a_job(tmp_path))

    assert JobRef("12", NAME) == ref
    assert ref.submitted is not None
    assert [f"submit {tmp_path}/it's a $script.sh"] == commands.calls()


def test_several_are_submitted(cluster: StandInCluster, commands: StandInCommands, tmp_path: Path) -> None:
    """Each has its own answer: what is refused keeps no other back."""
    commands.answer("submit", "12\n")
    first, second, third = cluster.submit_all([a_job(tmp_path), a_job(tmp_path, "no\nname"), a_job(tmp_path)])

    assert [JobRef("12", NAME)] * 2 == [first, third]
    assert isinstance(second, SubmissionRefused)


def test_nobody_is_tried_after_silence(
    cluster: StandInCluster, commands: StandInCommands, tmp_path: Path
) -> None:
    """A system that does not answer for one job is not asked for the rest, which could take as long each."""
    commands.answer("submit", stderr="no connection\n", status=1)
    answers = cluster.submit_all([a_job(tmp_path)] * 3)

    assert [ClusterUnavailable] * 3 == [type(answer) for answer in answers]
    assert 1 == len(commands.calls())


def test_refused(cluster: StandInCluster, commands: StandInCommands, tmp_path: Path) -> None:
    """A refusal has the system's own sentence."""
    commands.answer("submit", stderr="submit: refused: no queue 'x'\n", status=1)
    with pytest.raises(SubmissionRefused, match=r"refuses job .*: submit: refused: no queue 'x'"):
        cluster.submit(a_job(tmp_path))


@pytest.mark.parametrize(
    "body",
    [
        "echo 'refused: no connection' >&2; exit 1",
        "echo 'no connection' >&2; exit 1",
        "echo 'what is this?' >&2; exit 1",
        "exit 1",
        "exit 0",
        "echo 'submitted, I think'",
        "echo 'refused: ' >&2; kill -9 $$",
        "echo 12; sleep 60",
    ],
)
def test_no_clear_answer(commands: StandInCommands, tmp_path: Path, body: str) -> None:
    """Whatever is neither an id nor a refusal may have left a job: it is no answer, and never a refusal."""
    commands.answer("submit", body=body)
    with pytest.raises(ClusterUnavailable):
        open_stand_in(commands, command_s=0.5).submit(a_job(tmp_path))


@pytest.mark.parametrize("name", ["", "größe", "x" * 65, "a\nb"])
def test_bad_name(cluster: StandInCluster, commands: StandInCommands, tmp_path: Path, name: str) -> None:
    """A name that might not survive is refused before anything is run."""
    with pytest.raises(SubmissionRefused):
        cluster.submit(a_job(tmp_path, name))

    assert [] == commands.calls()


# -- finding --------------------------------------------------------------------------------------


def test_find_listed(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A job that is listed is found without the books."""
    assert JOB == cluster.find(NAME)
    assert [f"list -n {NAME}"] == commands.calls()


def test_find_in_books(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A job that is listed no more is found in the books, by its whole name."""
    commands.answer("list", "")
    commands.answer("books", f"5 {NAME}-again\n6 {NAME}\n")

    assert JobRef("6", NAME) == cluster.find(NAME)


def test_find_nothing(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A job that both listing and books lack never was."""
    assert None is cluster.find("cci-none")
    assert ["list -n cci-none", "books cci-none"] == commands.calls()


def test_find_without_books(cluster: StandInCluster, commands: StandInCommands) -> None:
    """Books that cannot be read prove nothing."""
    commands.answer("books", stderr="books are away", status=1)
    with pytest.raises(ClusterUnavailable, match="books are away"):
        cluster.find("cci-none")


# -- controlling ----------------------------------------------------------------------------------


def test_verbs(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A verb is run with its words and the id, once it is sure whose id that is."""
    commands.answer("kill")
    cluster.kill(JOB)

    assert ["list 7", "kill -9 7"] == commands.calls()


@pytest.mark.parametrize(
    ("verb", "complaint", "error"),
    [
        ("kill", "no such job 7", None),
        ("hold", "no such job 7", ClusterError),
        ("hold", "job 7 runs already", None),
        ("hold", "you may not", ClusterError),
        ("kill", "you may not", ClusterError),
        ("kill", "no connection", ClusterUnavailable),
        ("hold", "runs already; no connection", ClusterUnavailable),
    ],
)
def test_complaints(
    cluster: StandInCluster,
    commands: StandInCommands,
    verb: str,
    complaint: str,
    error: type[Exception] | None,
) -> None:
    """What needs not be done is no error; what was not done is one, with the system's own sentence."""
    commands.answer(verb, stderr=complaint, status=1)
    if error is None:
        getattr(cluster, verb)(JOB)
        return
    with pytest.raises(ClusterError, match=complaint) as raised:
        getattr(cluster, verb)(JOB)

    assert error is type(raised.value)


def test_another_job_is_left_alone(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A job of another name that has the id by now is neither killed nor held."""
    other = JobRef("7", "cci-Dti_v1-fedcba9876543210")
    cluster.kill(other)
    with pytest.raises(ClusterError, match="did not hold job 7: there is no such job"):
        cluster.hold(other)

    assert ["list 7", "list 7"] == commands.calls()


def test_lacking_verb(cluster: StandInCluster, commands: StandInCommands) -> None:
    """What the system has no command for is told so."""
    with pytest.raises(ClusterError, match="cluster site cannot suspend job 7"):
        cluster.suspend(JOB)

    assert [] == commands.calls()


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"slots": 2}, "clusters.site.slots: there is no such setting"),
        ({"command_s": 0}, "clusters.site.command_s: must be more than 0.0, not 0"),
        ({"environment": {"A": 1}}, "clusters.site.environment.A: must be text: put it in quotes, not 1"),
    ],
)
def test_bad_settings(settings: dict[str, object], sentence: str) -> None:
    """A mistake in a cluster's section is told with its place."""
    with pytest.raises(SettingsError) as error:
        StandInCluster.from_settings("site", {"kind": "slurm", "spool": "/nowhere", **settings})

    assert sentence == error.value.message
