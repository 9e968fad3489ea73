"""A sweep from outside: which tasks it finds, what it makes in the archive, and what the others wait for."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

import pytest
from support.lab import Lab, MakeLab


@pytest.mark.slow
def test_narrowed_sweeps(make_lab: MakeLab) -> None:
    """X1, C2, C3: a sweep visits one session, one processor, or all of a project, as it is asked."""
    lab = make_lab(processors={"copy": "CopyProcessor", "other": "OtherProcessor"})
    lab.sessions(2)
    visited = []
    for narrowing in (["--session", "E1", "--processor", "copy"], ["--processor", "copy"], []):
        lab.sweep(*narrowing)
        visited.append({(row["session"], row["processor"]) for row in lab.tasks()})

    assert {("E1", "copy")} == visited[0]
    assert {("E1", "copy"), ("E2", "copy")} == visited[1]
    assert {(session, name) for session in ("E1", "E2") for name in ("copy", "other")} == visited[2]
    assert 4 == len(lab.ended_jobs())
    assert {"COMPLETE"} == set(lab.statuses().values())


def test_identity(make_lab: MakeLab) -> None:
    """C1, C15: each processor on each scan is one assessor, one job, one script and one log, in its place."""
    lab = make_lab(processors={"copy": "CopyProcessor", "other": "OtherProcessor"})
    for session in ("E1", "E2", "E3"):
        for scan in ("1", "2"):
            lab.scan(session, scan)
    lab.sweep()
    tasks = lab.tasks()
    places = {lab.home / "work" / lab.project / row["label"] / "1" for row in tasks}
    listing = lab.rest.get("/data/experiments", {"project": lab.project, "xsiType": "proc:genProcData"})
    records = [json.loads((place / "exit.json").read_text(encoding="utf-8")) for place in places]

    assert 12 == len(tasks) == len(listing.json()["ResultSet"]["Result"])
    assert places == set(lab.attempts())
    assert set(lab.ended_jobs()) == {record["job_id"] for record in records}
    assert {True} == {(place / "output.log").is_file() for place in places}
    assert {"COMPLETE": 12} == Counter(lab.statuses().values())


def test_what_a_task_leaves(lab: Lab) -> None:
    """X4, X8, X12, X15, C7: the spider sees what the archive lists; results, use and provenance are kept."""
    content = {"a.txt": b"one", "deep/b c.txt": b"two", "empty": b""}
    lab.scan("E1", files=content)
    lab.sweep()
    task = lab.task()
    fields = lab.fields(task)
    provenance = json.loads(lab.files(task, "PROV")["provenance.json"])
    staged = {row["path"]: (row["size"], row["md5"]) for row in provenance["inputs"]["image/DATA"]}

    assert {f"image/DATA/{path}": body for path, body in content.items()} == lab.files(task, "COPY")
    assert {
        p: (len(b), hashlib.md5(b, usedforsecurity=False).hexdigest()) for p, b in content.items()
    } == staged
    assert ("Copy_v1", "1.0.0") == (fields["proctype"], fields["procversion"])
    assert all(fields[name] for name in ("jobid", "jobnode", "jobstartdate", "date", "inputs"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d", fields["walltimeused"])
    assert 0 < float(fields["memusedmb"])
    assert ("COMPLETE", "Needs QA") == (fields["procstatus"], fields["validation/status"])
    assert ["PRE_COMPLETE", "JOB_RUNNING", "JOB_COMPLETE", "COMPLETE"] == lab.passed(task)
    assert [] == [path for path in ("inputs", "outputs", "prov") if (lab.attempts()[0] / path).exists()]


def test_many_files_in_one_request(lab: Lab) -> None:
    """X11: three hundred result files travel in one request."""
    lab.scan("E1", files={f"part{number:03}": b"x" for number in range(300)})
    lab.sweep()
    place = f"/assessors/{lab.fields(lab.task())['ID']}/out/resources/COPY/files/"

    assert 1 == len([row for row in lab.writes() if place in row["path"]])
    assert 300 == len(lab.files(lab.task(), "COPY"))


@pytest.mark.slow
def test_prerequisites(make_lab: MakeLab) -> None:
    """X5, C9: a task whose input is missing waits, names it, and has no script; it goes on when it comes."""
    lab = make_lab(
        processors={"copy": "CopyProcessor", "after": "AfterProcessor", "passed": "PassedProcessor"}
    )
    session = lab.fill.session(lab.project, "S1", "E1")
    scan = lab.fill.scan(session, "7", type="T1", quality="usable")
    spoilt = lab.fill.scan(session, "8", type="T1_again", quality="unusable")
    lab.fill.files(spoilt, "DATA", {"a": b"x"})
    lab.sweep()
    reasons = {(row["processor"], row["scan"]): (row["status"], row["reason"]) for row in lab.tasks()}

    labels = [row["label"] for row in lab.tasks() if row["processor"] == "copy"]
    wait_for_both = "; ".join(f"assessor {label} is PRE_RUNNING" for label in labels)
    assert {
        ("copy", "7"): ("PRE_RUNNING", "scan 7 (T1) has no resource DATA"),
        ("copy", "8"): ("PRE_RUNNING", "scan 8 (T1_again) is marked unusable"),
        ("after", ""): ("PRE_RUNNING", wait_for_both),
        ("passed", ""): ("PRE_RUNNING", wait_for_both),
    } == reasons
    assert [] == lab.attempts()

    lab.fill.files(scan, "DATA", {"a": b"x"})
    lab.sweep()
    passed = lab.task(processor="passed")
    assert ("COMPLETE", "COMPLETE") == (lab.statuses()["E1/7 copy"], lab.statuses()["E1 after"])
    assert "waits for its quality control (QC status Needs QA)" in passed["reason"]

    copy = next(row for row in lab.tasks() if row["scan"] == "7")
    lab.set_qc(copy, "Passed")
    lab.sweep()
    assert "COMPLETE" == lab.statuses()["E1 passed"]


def test_all_levels(make_lab: MakeLab) -> None:
    """Scan, session, subject and project tasks run, and a scan task may put its result on the scan."""
    lab = make_lab(
        processors={
            "copy": "CopyProcessor",
            "after": "AfterProcessor",
            "attach": "AttachProcessor",
            "subject": "EverySubjectProcessor",
            "project": "WholeProjectProcessor",
        }
    )
    scan = lab.scan("E1")
    lab.sweep()
    attached = lab.rest.get(f"{scan}/resources/TEXT/files/summary.txt")
    record = lab.rest.get(f"/data/projects/{lab.project}/resources/CCI_WholeProject_v1/files/task.json")

    assert {
        "E1/1 copy": "COMPLETE",
        "E1 after": "COMPLETE",
        "E1/1 attach": "COMPLETE",
        "subject": "COMPLETE",
        "project": "COMPLETE",
    } == lab.statuses()
    assert "image/DATA/image.dat 11\nend" == attached.text
    assert "COMPLETE" == record.json()["procstatus"]


def test_results_that_a_person_attached(make_lab: MakeLab) -> None:
    """Where a person has put the result on the scan there is no task, and the file stays as it is."""
    lab = make_lab(processors={"attach": "AttachProcessor"})
    scan = lab.scan("E1")
    lab.fill.files(scan, "TEXT", {"summary.txt": b"by hand"})
    lab.sweep()

    assert [] == lab.tasks()
    assert b"by hand" == lab.rest.get(f"{scan}/resources/TEXT/files/summary.txt").content


def test_clusters(make_lab: MakeLab) -> None:
    """X3: a processor's jobs go to the cluster that its settings name."""
    lab = make_lab(processors={"copy": "CopyProcessor", "other": "OtherProcessor"})
    lab.change_settings(clusters={"site_b": {"slots": 1, "memory_mb": 100}})
    other = {"use": f"{lab.uses['other']}", "cluster": "site_b"}
    lab.change_settings(processors={"other": other})
    lab.scan("E1")
    lab.sweep()
    used = {row["processor"]: lab.attempts_of(row)[0].cluster for row in lab.tasks()}

    assert {"copy": "local", "other": "site_b"} == used


def test_parameters(make_lab: MakeLab) -> None:
    """X10: a parameter of the settings reaches the spider and is kept in the provenance."""
    lab = make_lab()
    lab.change_settings(processors={"copy": {"use": lab.uses["copy"], "parameters": {"recon": True}}})
    lab.scan("E1")
    lab.sweep()

    provenance = json.loads(lab.files(lab.task(), "PROV")["provenance.json"])
    assert {"recon": True} == provenance["parameters"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("class Short(ScanProcessor):\n    version = '1'\n    spider = 'x'\n", "'inputs' is missing"),
        ("class Short(ScanProcessor):\n    version = 'one'\n", "'version' must be a version"),
    ],
)
def test_processor_that_lacks_something(lab: Lab, body: str, words: str) -> None:
    """C6: a processor that lacks an attribute is left out, file and attribute named; exit code 1."""
    (lab.home / "mine.py").write_text(f"from cci.processor import *\n{body}", encoding="utf-8")
    lab.change_settings(
        processors={"short": {"use": "mine.py:Short"}}, projects={lab.project: ["copy", "short"]}
    )
    lab.scan("E1")
    done = lab.cci("sweep", "--wait", "--yes", check=False)

    assert (1, {"E1/1 copy": "COMPLETE"}) == (done.returncode, lab.statuses())
    assert "processors.short" in done.stderr
    assert "mine.py" in done.stderr.replace("\n", "")
    assert words in " ".join(done.stderr.split())
