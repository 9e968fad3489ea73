"""The commands as a person or a script sees them: what they answer, ask, refuse, and leave alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.lab import Lab, MakeLab
from support.waiting import wait_until


def test_first_contact(lab: Lab) -> None:
    """A project that cci never wrote to is asked about: what would be made, and exit code 7; --yes agrees."""
    lab.sessions(3)
    before = len(lab.writes())
    asked = lab.cci("sweep", check=False)
    words = " ".join(asked.stderr.split())
    written = [row for row in lab.writes()[before:] if row["path"] != "/data/JSESSION"]
    lab.cci("sweep", "--wait", "--yes")

    assert 7 == asked.returncode
    assert f"cci never wrote to project {lab.project}; it would make 3 Copy_v1 assessors there" in words
    assert [] == written
    assert ["COMPLETE"] * 3 == list(lab.statuses().values())
    # asked once only
    lab.cci("sweep")


def test_dry_run(lab: Lab) -> None:
    """X6: a dry run says what it would do and writes nothing: not to the archive, ledger, or a cluster."""
    lab.sessions(2)
    before = len(lab.writes())
    planned = lab.answer("sweep", "--dry-run")
    written = [row for row in lab.writes()[before:] if row["path"] != "/data/JSESSION"]

    assert [("create", "PRE_COMPLETE", True)] * 2 == [
        (row["move"], row["status"], row["starts"]) for row in planned
    ]
    assert ([], []) == (written, lab.tasks())
    assert [] == lab.attempts() + lab.ended_jobs()


@pytest.mark.slow
def test_commands_that_tell(make_lab: MakeLab) -> None:
    """Every command that tells something answers people and, with --json, programs."""
    lab = make_lab(processors={"copy": "CopyProcessor", "after": "AfterProcessor"})
    lab.scan("E1", behave="exit 3")
    lab.sweep()
    label = lab.task()["label"]
    told = {
        name: (lab.cci(name, *rest).stdout, lab.answer(name, *rest))
        for name, *rest in (["status"], ["tasks"], ["show", label], ["why", label], ["history", label])
    }
    rows = told["tasks"][1]
    keys = ["label", "project", "subject", "session", "scan", "processor", "status", "reason", "attempts"]

    assert [keys, keys] == [list(row) for row in rows]
    assert {"JOB_ERROR": 1, "PRE_RUNNING": 1} == {
        name: count for name, count in told["status"][1]["projects"][lab.project].items() if count
    }
    attempt = told["show"][1]["tries"][0]
    assert ("exit-3", 3, None) == tuple(attempt[key] for key in ("cause", "exit_status", "signal"))
    assert all(attempt[key] for key in ("job_id", "node", "directory", "submitted", "closed", "wall_s"))
    assert "JOB_ERROR" == told["why"][1]["status"]
    assert ["PRE_COMPLETE", "JOB_RUNNING", "JOB_ERROR"] == [row["after"] for row in told["history"][1]]
    assert all(row["who"] for row in told["history"][1])
    assert all(text.strip() for text, _ in told.values())


@pytest.mark.slow
def test_commands_that_act(lab: Lab) -> None:
    """Every command that acts says with --json which tasks it acted on, and as what they are then."""
    lab.scan("E1", behave="wait")
    swept = lab.answer("sweep", "--yes")
    label = lab.task()["label"]
    wait_until((lab.attempts()[0] / "claim").exists, "the job runs")
    answers = {name: lab.answer(name, label) for name in ("hold", "release", "kill", "rerun", "logs")}
    owner = lab.answer("takeover", lab.project)

    assert [(lab.project, 1, 1)] == [(row["project"], row["tasks"], row["started"]) for row in swept]
    assert {
        "hold": "JOB_RUNNING",
        "release": "JOB_RUNNING",
        "kill": "JOB_ERROR",
        "rerun": "PRE_COMPLETE",
    } == {name: answer[0]["status"] for name, answer in answers.items() if name != "logs"}
    assert {label} == {answer[0]["label"] for name, answer in answers.items() if name != "logs"}
    assert label == answers["logs"]["label"]
    assert owner


@pytest.mark.slow
def test_why(make_lab: MakeLab) -> None:
    """`cci why` names the scan and resource, or the assessor and its QC, that a task waits for."""
    lab = make_lab(processors={"copy": "CopyProcessor", "passed": "PassedProcessor"})
    session = lab.fill.session(lab.project, "S1", "E1")
    lab.fill.scan(session, "7", type="T1", quality="usable")
    lab.scan("E2")
    lab.sweep()
    answers = {
        (row["session"], row["processor"]): lab.answer("why", row["label"])
        for row in lab.tasks()
        if row["status"] == "PRE_RUNNING"
    }
    scan, assessor = answers["E1", "copy"], answers["E2", "passed"]

    assert "scan 7 (T1) has no resource DATA" == scan["reason"]
    assert ["scan 7 type 'T1' quality usable resources (none)"] == scan["saw"][:1]
    assert "DATA" in scan["rule"]
    assert f"assessor {lab.task('E2')['label']} waits for its quality control" in assessor["reason"]
    assert any("QC Needs QA" in line for line in assessor["saw"])


def test_followed_log(lab: Lab) -> None:
    """H22: a followed log shows lines as the job prints them, and ends when the job has ended."""
    lab.scan("E1", behave="print 30")
    process = lab.start("sweep", "--wait", "--yes")
    wait_until(lambda: [path for path in lab.attempts() if (path / "output.log").exists()], "the job prints")
    followed = lab.cci("logs", "-f", lab.task()["label"]).stdout

    assert 0 == process.wait(300)
    assert [f"line {number}" for number in range(30)] == followed.split("\n")[:30]


def test_doctor(lab: Lab) -> None:
    """X2: `cci doctor` looks at everything, names user and server, and ends with 1 if something is bad."""
    good = lab.cci("doctor")
    findings = lab.answer("doctor")
    (lab.home / "credentials.yaml").chmod(0o644)
    open_login = lab.cci("doctor", check=False)

    assert f"admin at {lab.archive.url}" in " ".join(good.stdout.split())
    assert set() == {row["name"] for row in findings if row["good"] is False}
    assert {"settings", "login", "ledger", "work directory"} <= {row["name"] for row in findings}
    assert 1 == open_login.returncode
    assert "may be read by others" in " ".join(open_login.stdout.split())


def test_refused_login(lab: Lab) -> None:
    """A refused login ends with exit code 3 and a hint, and nothing is changed."""
    lab.scan("E1")
    login = lab.home / "credentials.yaml"
    login.write_text("user: admin\npassword: wrong\n", encoding="utf-8")
    done = lab.cci("sweep", "--yes", check=False)

    assert 3 == done.returncode
    assert "check user and password" in " ".join(done.stderr.split())
    assert [] == lab.tasks()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nobody"], "there is no task 'nobody'"),
        (["sweep", "-p", "OTHER"], "project OTHER is not in the settings"),
        (["--settings", "/nowhere.yaml", "tasks"], "cannot read the settings file /nowhere.yaml"),
    ],
)
def test_wrong_requests(lab: Lab, arguments: list[str], words: str) -> None:
    """What cannot be is refused in one sentence, with exit code 2."""
    done = lab.cci(*arguments, check=False)

    assert 2 == done.returncode
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_secrets_are_not_told(lab: Lab) -> None:
    """The password is in no job directory, no log and no answer."""
    lab.scan("E1")
    done = lab.cci("--log-level", "debug", "sweep", "--wait", "--yes")
    password = lab.archive.password
    files = [path for path in (lab.home / "work").rglob("*") if path.is_file()]

    assert password not in done.stdout + done.stderr
    assert [] == [path for path in files if password.encode() in path.read_bytes()]


def test_json_lines(lab: Lab) -> None:
    """Log lines are JSON with stable keys where that is wanted, and one of them sums up a sweep."""
    lab.scan("E1")
    done = lab.cci("--log-level", "info", "--log-json", "sweep", "--wait", "--yes")
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    sweeps = [line for line in lines if line["action"] == "sweep"]

    assert {"event", "level", "timestamp", "action"} <= set.intersection(*(set(line) for line in lines))
    assert {"project", "tasks", "moved", "started", "waiting", "failures", "sessions"} <= set(sweeps[0])
    assert {"submit", "job_ended", "collect", "post"} <= {line["action"] for line in lines}


def test_home_only(lab: Lab, tmp_path: Path) -> None:
    """S28: with --home a full cycle leaves nothing anywhere else."""
    lab.scan("E1")
    person = tmp_path / "person"
    person.mkdir()
    lab.environment["HOME"] = str(person)
    lab.sweep()

    assert "COMPLETE" == lab.task()["status"]
    assert [] == list(person.rglob("*"))
