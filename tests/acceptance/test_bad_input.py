"""How bad input ends: jobs that fail, labels that attack, settings with mistakes, disks that are full."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lab import Lab, MakeLab
from support.waiting import wait_until

from cci.cluster.local_spool import Spool

ENDS = {
    "exit 3": ("JOB_ERROR", "exit status 3: the trivial spider was told to fail", "exit-3"),
    "nothing": ("XVFB_ERROR", "the job ended normally and left no output", "no-output"),
    "forget": ("XVFB_ERROR", "the job ended normally without TEXT/summary.txt", "missing-output"),
    "link": ("JOB_ERROR", "the job left what cannot be stored: outputs/COPY/link is a link", "bad-output"),
    "": ("COMPLETE", "", ""),
}

#: Labels, scan numbers and file names that mean something to shells, paths and terminals.
HOSTILE_LABELS = (
    "$(touch pwned)",
    "`touch pwned`",
    "a'b\"c; touch pwned",
    "-rf *",
    "-x-",
    "Zoë ${HOME} | cat",
)
HOSTILE_FILES = ("$(touch pwned)", "a'b\"; touch pwned; #", "-rf", "sub dir/& touch pwned", "Zoë")


def test_jobs_that_fail(lab: Lab) -> None:
    """C8, S4: each way in which a job fails has its status, its cause, and a reason in plain words."""
    for number, behave in enumerate(ENDS):
        lab.scan(f"E{number}", behave=behave)
    lab.sweep()
    found = {}
    for row in lab.tasks():
        behave = list(ENDS)[int(row["session"][1:])]
        found[behave] = (row["status"], row["reason"], lab.attempts_of(row)[-1].cause)
        assert lab.fields(row)["procstatus"] == row["status"]

    for behave, (status, words, cause) in ENDS.items():
        assert (status, cause) == (found[behave][0], found[behave][2])
        assert words in found[behave][1]


def test_failed_jobs_stay_as_they_are(lab: Lab) -> None:
    """A failed task is not run again unless somebody wishes it, and its log stays to be read."""
    lab.scan("E1", behave="exit 3")
    lab.sweep()
    lab.sweep()

    assert 1 == lab.task()["attempts"]
    assert "was told to fail" in lab.cci("logs", lab.task()["label"]).stdout


@pytest.mark.slow
def test_hostile_names(lab: Lab) -> None:
    """Labels and file names that attack reach no shell and never leave the job directory."""
    for label in HOSTILE_LABELS:
        files = {name: name.encode() for name in HOSTILE_FILES}
        lab.scan(label, subject=label, scan="1", scan_type=f"T1 {label}", files=files)
    lab.sweep()
    tasks = lab.tasks()
    copies = [set(lab.files(row, "COPY")) for row in tasks]

    assert [("COMPLETE", "")] * len(HOSTILE_LABELS) == [(row["status"], row["reason"]) for row in tasks]
    assert [{f"image/DATA/{name}" for name in HOSTILE_FILES}] * len(HOSTILE_LABELS) == copies
    assert [] == [path for path in lab.home.rglob("*pwned*") if path.name == "pwned"]
    assert not Path("pwned").exists()
    assert {lab.home / "work" / lab.project} == {place.parents[1] for place in lab.attempts()}
    assert all(len(row["label"]) <= 120 for row in tasks)


def test_result_that_is_named_like_a_pattern(lab: Lab) -> None:
    """An input may have such a name; a result may not, for an archive would read its name as a pattern."""
    lab.scan("E1", files={"*": b"everything"})
    lab.sweep()
    task = lab.task()

    assert "JOB_ERROR" == task["status"]
    assert "outputs/COPY/image/DATA/* has one of *?[], in its name" in task["reason"]


@pytest.mark.parametrize(
    ("section", "values", "where"),
    [
        ("limits", {"max_jobs": 3}, "limits.max_jobs"),
        ("archive", {"passwort": "x"}, "archive.passwort"),
        ("timing", {"watch_s": -1}, "timing.watch_s"),
    ],
)
def test_unknown_setting(lab: Lab, section: str, values: dict[str, object], where: str) -> None:
    """A mistake in the settings names the file and the YAML path, and ends with exit code 2."""
    lab.change_settings(**{section: values})
    done = lab.cci("tasks", check=False)
    words = " ".join(done.stderr.split())

    assert 2 == done.returncode
    assert where in words
    assert "settings.yaml" in words


@pytest.mark.slow
def test_mistakes_stop_only_themselves(make_lab: MakeLab) -> None:
    """dax#343: a processor that raises, one with a typing mistake and a broken file stop themselves alone."""
    lab = make_lab(
        processors={"copy": "CopyProcessor", "raising": "RaisingProcessor", "typo": "OtherProcessor"}
    )
    (lab.home / "broken.py").write_text("class Broken(\n", encoding="utf-8")
    lab.change_settings(
        processors={"typo": {"use": lab.uses["typo"], "walltme": 3}, "broken": {"use": "broken.py:Broken"}},
        projects={lab.project: ["broken", "typo", "raising", "copy"]},
    )
    lab.scan("E1")
    done = lab.cci("sweep", "--wait", "--yes", check=False)
    words = " ".join((done.stdout + done.stderr).split())

    assert {"E1/1 copy": "COMPLETE"} == lab.statuses()
    assert 1 == done.returncode
    assert "RuntimeError: this processor has a mistake" in words
    assert "processors.typo.walltme: there is no such setting" in words
    assert "processors.broken" in words


def test_no_room(lab: Lab) -> None:
    """With too little free space nothing is staged and nothing lost; with enough it goes on by itself."""
    lab.scan("E1")
    lab.change_settings(limits={"min_free_mb": 10**9})
    lab.cci("sweep", "--yes")
    during, jobs = lab.task(), lab.ended_jobs()
    why, tried = lab.answer("why", during["label"]), lab.attempts_of(during)[-1]
    lab.change_settings(limits={"min_free_mb": 0})
    lab.sweep()

    assert ("PRE_COMPLETE", []) == (during["status"], jobs)
    assert "no room in the work directory" in why["reason"]
    assert "MB free" in tried.job_message
    assert ("COMPLETE", 1) == (lab.task()["status"], lab.task()["attempts"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"cannot mount a small disk: {mounted.stderr}")
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
def test_full_disk(lab: Lab, small_disk: Path) -> None:
    """A work directory that is really full loses nothing; when there is room again the work goes on."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (4 * 2**20 - 2**16))
    lab.change_settings(work_dir=str(small_disk))
    lab.scan("E1", files={"image.dat": os.urandom(2**20)})
    lab.cci("sweep", "--yes", check=False)
    during = lab.task()
    ballast.unlink()
    lab.sweep()

    assert ("PRE_COMPLETE", 0) == (during["status"], len(lab.attempts()))
    assert ("COMPLETE", 1) == (lab.task()["status"], lab.task()["attempts"])


def lose_job(lab: Lab, session: str, number: int) -> None:
    """Kill what watches over the job of an attempt, once that is queued: the cluster has lost it then."""

    def queued() -> str:
        attempts = [one for row in lab.tasks() if row["session"] == session for one in lab.attempts_of(row)]
        return attempts[-1].job_id if len(attempts) == number else ""

    wait_until(queued, f"attempt {number} is submitted")
    folder = Spool(lab.home / "spool").find(queued())
    assert folder is not None
    wait_until(lambda: folder.mark("waiter"), "the job has a waiter")
    folder.signal("waiter", signal.SIGKILL)


@pytest.mark.slow
def test_jobs_that_the_cluster_lost(lab: Lab) -> None:
    """C5: a job that is proved never to have begun is started again, a few times; then a person is told."""
    lab.change_settings(clusters={"local": {"slots": 1, "memory_mb": 1000}}, limits={"max_restarts": 1})
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    lab.scan("E2")
    lab.start("run")
    for number in (1, 2):
        lose_job(lab, "E2", number)
    wait_until(lambda: lab.task("E2")["status"] == "JOB_ERROR", "the loss is told")
    lost = lab.task("E2")
    (Path(lab.attempts_of(lab.task("E1"))[0].directory) / "go").touch()
    wait_until(lambda: lab.task("E1")["status"] == "COMPLETE", "the other job ends")

    assert 2 == lost["attempts"]
    assert "2 jobs were lost" in lost["reason"]
    assert not (Path(lab.attempts_of(lost)[0].directory) / "claim").exists()
