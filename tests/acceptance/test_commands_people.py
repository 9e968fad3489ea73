"""What a person meets who uses the commands for the first time: names, reasons, totals, mistakes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from support.lab import CCI, Lab, MakeLab
from support.waiting import wait_until


@pytest.mark.slow
def test_names_reasons_and_totals(lab: Lab) -> None:
    """The words of a line in the table name its task; a sweep tells totals; a failure says what to do."""
    lab.scan('visit "1"', "2", behave="exit 3")
    session = lab.fill.session(lab.project, "S1", "E2")
    lab.fill.scan(session, "1", type="T1", quality="usable")
    lab.fill.scan(session, "2", type="BOLD", quality="usable")
    swept = lab.cci("sweep", "--wait", "--yes")
    table = lab.cci("tasks").stdout.splitlines()
    labelled = lab.cci("tasks", "--labels").stdout
    failed = lab.cci("why", f'{lab.project}/visit "1" 2 copy')
    waiting = lab.cci("why", "COPY e2").stdout
    unclear = lab.cci("why", "copy", check=False)

    expected = f"{lab.project}: 2 tasks, 1 started; 1 PRE_RUNNING, 1 JOB_ERROR\n"
    assert (expected, "") == (swept.stdout, swept.stderr)
    assert [] == [line for line in table if line != line.rstrip()]
    assert lab.task("E2")["label"] in labelled
    label = lab.task('visit "1"')["label"]
    assert (
        f"nothing by itself: mend the cause (`cci explain exit-3`), then `cci rerun '{label}'`; its log: "
        "`cci logs" in failed.stdout
    )
    assert "every scan of type T1*, not marked unusable, with resource DATA" in waiting
    assert "saw    scan 1 type 'T1' quality usable resources (none)" in waiting
    assert "scan 2" not in waiting
    assert 2 == unclear.returncode
    assert f'any of 2 tasks: {lab.project}/E2 1 copy; {lab.project}/visit "1" 2 copy' in unclear.stderr


@pytest.mark.slow
def test_holds(lab: Lab) -> None:
    """A held task is not run again, its hold is shown, and only a held task can be released."""
    session = lab.fill.session(lab.project, "S1", "E1")
    lab.fill.scan(session, "1", type="T1", quality="usable")
    lab.cci("sweep", "--yes")
    not_held = lab.cci("release", "E1", check=False)
    lab.cci("hold", "E1")
    why = lab.cci("why", "E1").stdout
    again = lab.cci("rerun", "E1", check=False)
    lab.cci("release", "E1")

    assert (2, True) == (not_held.returncode, "is not held: it is PRE_RUNNING" in not_held.stderr)
    assert "scan 1 (T1) has no resource DATA; and it is held: the QC status is Do Not Run" in why
    assert 2 == again.returncode
    assert "is held (QC status Do Not Run)" in again.stderr
    assert "cci release" in again.stderr
    assert "held" not in lab.cci("why", "E1").stdout


@pytest.mark.slow
def test_many_at_once(lab: Lab) -> None:
    """Tasks are chosen by what they share, after a question; one that refuses does not stop the others."""
    lab.scan("E1", behave="exit 3")
    lab.scan("E2", behave="exit 3")
    lab.scan("E3")
    lab.sweep()
    lab.set_qc(lab.task("E1"), "Do Not Run")
    unasked = subprocess.run(
        [str(CCI), "--home", str(lab.home), "rerun", "-s", "JOB_ERROR"],
        input="n\n",
        capture_output=True,
        text=True,
        check=False,
        env=lab.environment,
    )
    both = lab.cci("rerun", "-p", lab.project, "-s", "job_error", "--yes", check=False)
    neither = lab.cci("rerun", check=False)

    assert (130, "run again 2 tasks?") == (unasked.returncode, unasked.stderr.partition(" [y")[0])
    assert 1 == both.returncode
    assert "is held (QC status Do Not Run)" in both.stderr
    assert f"{lab.task('E2')['label']} will run again at the next sweep\n" == both.stdout
    assert ["JOB_ERROR", "PRE_COMPLETE", "COMPLETE"] == list(lab.statuses().values())
    assert 2 == neither.returncode


@pytest.mark.slow
def test_archive_away(lab: Lab) -> None:
    """A wish while the archive is away says that the archive hears of it later."""
    lab.scan("E1", behave="exit 3")
    lab.sweep()
    lab.change_settings(archive={"url": lab.archive.url, "attempts": 1, "read_s": 1})
    lab.archive.fault(match="PUT .*assessors.*", fault="503")
    done = lab.cci("rerun", "E1")

    assert "will run again at the next sweep; the archive hears of it when it is back" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "--session", "E11"], "has no session 'E11'; did you mean 'E1'?"),
        (["sweep", "--dry-run", "--subject", "NOPE"], "has no subject 'NOPE'"),
        (["sweep", "--processor", "copi"], "there is no processor 'copi'; did you mean 'copy'?"),
        (["tasks", "-p", "NOPE"], "there is no project 'NOPE'"),
        (["tasks", "--processor", "nope"], "there is no processor 'nope'"),
    ],
)
def test_names_that_nothing_has(lab: Lab, arguments: list[str], words: str) -> None:
    """A name that nothing has is an error that says what there is, once, and not an empty answer."""
    lab.scan("E1")
    done = lab.cci(*arguments, check=False)

    assert 2 == done.returncode
    assert 1 == done.stderr.count(words), done.stderr
    assert "here: " in done.stderr


def test_left_out_sections(lab: Lab) -> None:
    """A sweep that left a section out ends with 1 and says what was probably meant; the rest is done."""
    lab.scan("E1")
    lab.change_settings(projects={lab.project: ["copy", "coppy"]})
    done = lab.cci("sweep", "--wait", "--yes", check=False)

    assert 1 == done.returncode
    assert "there is no processor 'coppy'; did you mean 'copy'?" in done.stderr
    assert "COMPLETE" == lab.task()["status"]


def test_dry_run_of_several_projects(lab: Lab) -> None:
    """A project that the archive does not have does not hide what would be done in the others."""
    lab.scan("E1")
    lab.change_settings(projects={"NOPE": ["copy"], lab.project: ["copy"]})
    done = lab.cci("sweep", "--dry-run", check=False)

    assert 3 == done.returncode
    assert "create and start" in done.stdout
    assert 1 == done.stderr.count("NOPE")


def test_unwritable_letters(lab: Lab) -> None:
    """Labels that the terminal's encoding lacks end no command; in JSON they are escaped."""
    lab.scan("Zoë")
    lab.cci("sweep", "--wait", "--yes")
    lab.environment |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    assert "Zo?" in lab.cci("tasks").stdout
    assert "Zoë" == lab.answer("tasks")[0]["session"]


@pytest.mark.slow
def test_logs(make_lab: MakeLab) -> None:
    """`cci logs` says why there is no log: the job waits for a place, or the attempt never ran."""
    lab = make_lab()
    lab.change_settings(clusters={"local": {"slots": 1, "memory_mb": 1000}})
    lab.sessions(2, behave="wait")
    lab.cci("sweep", "--yes")
    wait_until(lambda: any((path / "claim").exists() for path in lab.attempts()), "a job runs")
    lab.cci("sweep")
    running, queued = sorted(
        lab.tasks(),
        key=lambda task: not (lab.home / "work" / lab.project / task["label"] / "1/claim").exists(),
    )
    waits = lab.cci("logs", queued["label"])
    lab.cci("kill", queued["label"])
    killed = lab.cci("logs", queued["label"])
    lab.cci("kill", running["label"])

    assert (0, "") == (waits.returncode, waits.stdout)
    assert "attempt 1 is queued as job " in waits.stderr
    assert "attempt 1 never ran: killed by " in killed.stderr


def test_daemon_tells_what_it_does(lab: Lab) -> None:
    """Without being asked for it, the daemon logs what it does; other commands only what is amiss."""
    daemon = lab.start("run", "--yes", log="daemon.txt")
    wait_until(lambda: "sweep done" in (lab.home / "daemon.txt").read_text(), "it tells of a sweep")
    daemon.terminate()
    code = daemon.wait(300)
    swept = lab.cci("sweep")

    assert (0, "") == (code, swept.stderr)


def test_interrupted_while_it_starts(lab: Lab) -> None:
    """Ctrl-C while the command still loads its parts ends it with 130 and one line."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", str(CCI), "--home", str(lab.home), "tasks"],
        stderr=subprocess.PIPE,
        text=True,
        env=lab.environment,
    )
    with process:
        assert process.stderr is not None
        next(line for line in process.stderr if "cci.errors" in line)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert 130 == process.returncode
    assert "Traceback" not in rest
    assert rest.endswith("cci: interrupted\n")
