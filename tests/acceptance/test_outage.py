"""The archive fails at every step in every way: nothing changes because of it, and work goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archive import RunningArchive, running_archive
from support.lab import Lab, MakeLab, Row
from support.waiting import wait_until

#: What a step asks of the archive, as a regular expression with the session's accession id.
STEPS = {
    "assessor": r"PUT /data/experiments/{id}/assessors/[^/]+\?",
    "staging list": r"GET /data/experiments/{id}/scans/1/resources.*format=(json|csv)",
    "download": r"GET /data/experiments/{id}/scans/1/resources.*(/files/|format=zip)",
    "upload": r"PUT /data/experiments/{id}/assessors/[^/]+/out/resources/[^/]+/files/",
    "verify": r"GET /data/experiments/{id}/assessors/[^/]+/out/resources",
}
#: These keep the archive from doing what it is asked; with the others it has done it, and answers badly.
NOT_DONE = ("500", "503", "401", "login-page", "hang", "reset")
FAULTS = (*NOT_DONE, "truncate", "empty", "half-listing", "late")
#: Where a task may be while a step fails: what went before is done, what comes after is not.
MEANWHILE = {
    "assessor": {"PRE_COMPLETE", "JOB_RUNNING", "JOB_COMPLETE"},
    "staging list": {"PRE_COMPLETE"},
    "download": {"PRE_COMPLETE"},
    "upload": {"JOB_RUNNING", "JOB_COMPLETE"},
    "verify": {"JOB_RUNNING", "JOB_COMPLETE"},
}
WAY = ["PRE_COMPLETE", "JOB_RUNNING", "JOB_COMPLETE", "COMPLETE"]


def session_ids(lab: Lab) -> dict[str, str]:
    """Return the accession id of each session."""
    rows = lab.rest.get(f"/data/projects/{lab.project}/experiments").json()["ResultSet"]["Result"]
    return {row["label"]: row["ID"] for row in rows}


def impatient(lab: Lab) -> None:
    """Let requests of the lab give up soon."""
    lab.change_settings(archive={"read_s": 0.5, "first_byte_s": 0.5, "total_s": 1, "attempts": 1})


def hits(archive: RunningArchive) -> list[int]:
    """Return how often each rule struck."""
    return [int(rule["hits"]) for rule in archive.fault_rules()]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_failing_step(lab: Lab, archive: RunningArchive, step: str) -> None:
    """C10, H12, dax#16: one session for each fault fails at this step; all are COMPLETE once it is over."""
    impatient(lab)
    for fault in FAULTS:
        lab.scan(fault, files={"a": b"one", "b": b"two"})
    for fault, session_id in session_ids(lab).items():
        # far later than a client that the machine has stopped for a while still takes for in time
        archive.fault(match=STEPS[step].format(id=session_id), fault=fault, delay_s=15.0)
    process = lab.start("sweep", "--wait", "--yes")
    wait_until(lambda: all(count >= 2 for count in hits(archive)), f"every fault strikes twice at {step}")
    during = lab.tasks()
    archive.clear_faults()
    assert 0 == process.wait(300)

    stuck = NOT_DONE if step in {"assessor", "upload"} else FAULTS
    assert {row["status"] for row in during if row["session"] in stuck} <= MEANWHILE[step]
    assert {""} == {row["reason"] for row in during}
    assert {f"{fault}/1 copy": "COMPLETE" for fault in FAULTS} == lab.statuses()
    assert [WAY] * len(FAULTS) == [lab.passed(row) for row in lab.tasks()]
    assert {1} == {row["attempts"] for row in lab.tasks()}
    assert {"two"} == {lab.files(row, "COPY")["image/DATA/b"].decode() for row in lab.tasks()}


@pytest.mark.slow
def test_failing_snapshot(lab: Lab, archive: RunningArchive) -> None:
    """While bulk listings fail in every way, one after the other, nothing changes; then work goes on."""
    lab.scan("E1")
    lab.sweep()
    impatient(lab)
    lab.scan("E2")
    before, writes = lab.tasks(), len(lab.writes())
    for place, fault in enumerate(FAULTS):
        bulk = rf"GET /data/.*project.*{lab.project}.*columns="
        archive.fault(match=bulk, fault=fault, after=place, times=1, delay_s=3.0)
    process = lab.start("run")
    wait_until(lambda: hits(archive)[-2] == 1, "almost every fault has struck")
    during, writes_during = lab.tasks(), len(lab.writes())
    wait_until(lambda: "COMPLETE" == lab.statuses().get("E2/1 copy"), "work goes on")
    process.terminate()

    assert 0 == process.wait(300)
    assert (before, writes) == (during, writes_during)
    assert {"E1/1 copy": "COMPLETE", "E2/1 copy": "COMPLETE"} == lab.statuses()


def test_wrong_bytes_while_staging(lab: Lab, archive: RunningArchive) -> None:
    """A download whose MD5 does not match is tried again, then told as the reason; it goes on by itself."""
    lab.scan("E1")
    archive.fault(match=r"GET .*/resources/.*/files/image.dat", fault="wrong-digest")
    lab.cci("sweep", "--yes")
    during = lab.task()
    struck = hits(archive)
    archive.clear_faults()
    lab.sweep()

    assert "PRE_COMPLETE" == during["status"]
    assert "image.dat" in during["reason"]
    assert "MD5" in during["reason"]
    assert struck[0] >= 2
    assert ("COMPLETE", 1, "") == tuple(lab.task()[key] for key in ("status", "attempts", "reason"))


def bring_to_verification(lab: Lab, archive: RunningArchive) -> Row:
    """Run a task until its results are uploaded and cannot be verified."""
    lab.scan("E1")
    archive.fault(match=r"GET .*/out/resources", fault="503")
    lab.cci("sweep", "--yes")
    wait_until((lab.attempts()[0] / "exit.json").exists, "the job ends")
    lab.cci("sweep")
    return lab.task()


@pytest.mark.slow
def test_lost_after_upload(lab: Lab, archive: RunningArchive) -> None:
    """dax#437: a file that is lost between upload and verification is sent again before COMPLETE."""
    task = bring_to_verification(lab, archive)
    lost = f"{lab.assessor_uri(task)}/out/resources/TEXT/files/summary.txt"
    lab.rest.delete(lost).raise_for_status()
    archive.clear_faults()
    lab.sweep()

    assert "JOB_COMPLETE" == task["status"]
    assert "COMPLETE" == lab.task()["status"]
    assert ["summary.txt"] == list(lab.files(task, "TEXT"))


@pytest.mark.slow
def test_changed_after_upload(lab: Lab, archive: RunningArchive) -> None:
    """A file that the archive does not hold as it was sent keeps the task from COMPLETE until it is moved."""
    task = bring_to_verification(lab, archive)
    place = f"{lab.assessor_uri(task)}/out/resources/TEXT/files/summary.txt"
    lab.fill.put(place, {"inbody": "true", "overwrite": "true"}, b"other words")
    archive.clear_faults()
    refused = lab.cci("sweep", check=False)
    wrong = lab.task()
    lab.rest.delete(place).raise_for_status()
    lab.sweep()

    assert "JOB_COMPLETE" == wrong["status"]
    assert "file 'summary.txt' of resource TEXT has 11 bytes in the archive" in wrong["reason"]
    assert 1 == refused.returncode
    assert "the archive refuses the results of 1 task" in refused.stderr
    assert ("COMPLETE", "") == (lab.task()["status"], lab.task()["reason"])


@pytest.mark.slow
def test_read_back(lab: Lab, archive: RunningArchive) -> None:
    """Where the archive gives no digests every result is read back, and wrong bytes are not believed."""
    bring_to_verification(lab, archive)
    archive.clear_faults()
    archive.fault(match=r"GET .*/out/resources/[^/]*/files/.+", fault="wrong-digest")
    archive.fault(match=r"GET .*/out/resources.*format=", fault="no-digest")
    lab.cci("sweep", check=False)
    wrong = lab.task()
    archive.clear_faults()
    lab.sweep()

    assert "JOB_COMPLETE" == wrong["status"]
    assert "the archive does not hold the results" in wrong["reason"]
    assert "COMPLETE" == lab.task()["status"]


@pytest.mark.slow
def test_awkward_archive(make_lab: MakeLab, archive: RunningArchive) -> None:
    """On an archive as unkind as a real XNAT every kind of task is COMPLETE, and runs again when wished."""
    archive.fault(awkward=True)
    lab = make_lab(
        processors={
            "copy": "CopyProcessor",
            "attach": "AttachProcessor",
            "subject": "EverySubjectProcessor",
            "project": "WholeProjectProcessor",
        }
    )
    lab.scan("E1", files={"image.dat": b"x", "empty": b""})
    lab.sweep()
    first = lab.statuses()
    lab.cci("rerun", "--keep-old", lab.task()["label"])
    lab.sweep()

    assert ["COMPLETE"] * 4 == list(first.values()) == list(lab.statuses().values())
    assert 2 == lab.task()["attempts"]
    assert {"image/DATA/image.dat", "image/DATA/empty"} == set(lab.files(lab.task(), "COPY"))


@pytest.mark.slow
def test_archive_killed_while_a_job_ends(lab: Lab, tmp_path: Path) -> None:
    """A job that ends while no archive runs waits as it is, and is brought home afterwards."""
    with running_archive(tmp_path / "own") as archive:
        own = Lab(tmp_path / "other", archive, lab.project)
        own.scan("E1", behave="wait")
        own.cci("sweep", "--yes")
        archive.kill()
        (own.attempts()[0] / "go").touch()
        wait_until((own.attempts()[0] / "exit.json").exists, "the job ends")
        away = own.cci("sweep", check=False)
        during = own.task()
        archive.start()
        own.sweep()
        own.close()

        assert 3 == away.returncode
        assert "work goes on by itself when the archive is back" in " ".join(away.stderr.split())
        assert ("JOB_COMPLETE", "") == (during["status"], during["reason"])
        assert WAY == own.passed(own.task())
