"""`cci doctor` finds what would keep jobs from running, and runs one."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from support.lab import Lab
from support.waiting import wait_until

#: What trial jobs prove, in the order in which it is told.
PROOFS = ("submit", "status", "work directory", "exit code", "hold", "re-attach", "kill")
PIPELINE = """
from cci.processor import Output, Scan, ScanProcessor

class MineProcessor(ScanProcessor):
    version = "1"
    inputs = (Scan("image", resources=["DATA"]),)
    outputs = (Output("TEXT"),)
    spider = "{spider}"
    memory_mb = {memory_mb}
"""


def findings(lab: Lab, name: str) -> list[dict[str, Any]]:
    """Return what was found under this name."""
    done = lab.cci("doctor", "--json", "--no-jobs", check=False)
    return [row for row in json.loads(done.stdout) if row["name"] == name]


def add_pipeline(lab: Lab, *, spider: str, memory_mb: int = 16) -> None:
    """Add a processor 'mine' in a file beside the settings."""
    (lab.home / "mine.py").write_text(PIPELINE.format(spider=spider, memory_mb=memory_mb), encoding="utf-8")
    lab.change_settings(processors={"mine": {"use": "mine.py:MineProcessor"}})


def test_spiders_and_sizes(lab: Lab) -> None:
    """A spider that the node's Python does not find is bad; more memory than there is, worth a note."""
    add_pipeline(lab, spider="nobodys_spider", memory_mb=4000)
    lacking, big = findings(lab, "processor mine")[-2:]
    (lab.home / "nobodys_spider.py").write_text("import dipi_is_no_module\n", encoding="utf-8")
    incomplete = findings(lab, "processor mine")[-2]
    (lab.home / "nobodys_spider.py").write_text("", encoding="utf-8")
    found = [row["detail"] for row in findings(lab, "cluster local")]

    assert (False, f"{sys.executable} does not find its spider nobodys_spider") == (
        lacking["good"],
        lacking["detail"],
    )
    assert "as python of the cluster local" in lacking["hint"]
    assert (
        f"{sys.executable} cannot load its spider nobodys_spider: it lacks the module dipi_is_no_module"
        == incomplete["detail"]
    )
    assert (None, "asks for 4000 MB of memory, and cluster local has 1000 in all") == (
        big["good"],
        big["detail"],
    )
    assert f"{sys.executable} loads the spiders of all its processors" == found[-1]


def test_what_cannot_be_used(lab: Lab) -> None:
    """An interpreter and a folder that cannot be used are one sentence each, with a hint."""
    (lab.home / "file").touch()
    lab.change_settings(
        clusters={"local": {"slots": 4, "memory_mb": 1000, "python": "/nowhere/python"}},
        work_dir=str(lab.home / "file" / "work"),
    )
    interpreter = findings(lab, "cluster local")[0]
    folder = findings(lab, "work directory")

    assert "cannot run /nowhere/python: No such file or directory" == interpreter["detail"]
    assert interpreter["hint"]
    assert [False] == [row["good"] for row in folder]
    assert all(str(lab.home / "file" / "work") in row["detail"] and row["hint"] for row in folder)


def test_cron_expression(lab: Lab) -> None:
    """A schedule that only the scheduler can judge is judged by the doctor."""
    lab.change_settings(timing={"sweep": "99 2 * * *"})

    assert [False] == [row["good"] for row in findings(lab, "timing")]


def test_missing_project(lab: Lab) -> None:
    """A project that the archive does not have is one bad line."""
    lab.change_settings(projects={lab.project: ["copy"], "NOPE": ["copy"]})
    done = lab.cci("doctor", "--no-jobs", check=False)

    assert 1 == done.returncode
    assert 1 == sum("NOPE" in line for line in done.stdout.splitlines() if line.startswith("fail"))


def proofs(lab: Lab, cluster: str, *options: str) -> dict[str, tuple[str, str]]:
    """Return verdict and detail of each thing that trial jobs prove of a cluster."""
    done = lab.cci("doctor", "--json", *options, check=False)
    rows = json.loads(done.stdout)
    named = {row["name"].rpartition(f"cluster {cluster}: ")[2]: row for row in rows if ": " in row["name"]}
    return {name: (row["verdict"], row["detail"]) for name, row in named.items() if name in PROOFS}


def assert_proved(found: dict[str, tuple[str, str]]) -> None:
    """Check that everything is proved, in its order."""
    assert dict.fromkeys(PROOFS, "ok") == {name: verdict for name, (verdict, _) in found.items()}, found


def left_in(lab: Lab) -> list[str]:
    """Return what trial jobs have left in the work directory."""
    return [path.name for path in (lab.home / "work").glob(".*")]


def test_proofs_on_the_local_cluster(lab: Lab) -> None:
    """Submission, the work directory, exit code, hold, re-attach and kill are proved; nothing is left."""
    assert_proved(proofs(lab, "local"))
    assert [] == left_in(lab)
    assert [] == list((lab.home / "spool" / "queue").iterdir())
    assert [] == list((lab.home / "spool" / "running").iterdir())


def test_no_place_for_trial_jobs(lab: Lab) -> None:
    """Trial jobs that only wait are taken back: worth a note, for others may have all places."""
    lab.change_settings(clusters={"local": {"slots": 1, "memory_mb": 1000}})
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    found = proofs(lab, "local", "--patience", "2")

    assert {"submit": ("warn", "a trial job was queued for 2 s, and was taken back")} == found
    assert [] == left_in(lab)
    assert [] == list((lab.home / "spool" / "queue").iterdir())


def test_runner_that_cannot_run(lab: Lab) -> None:
    """A node without the interpreter leaves no exit record: the line says so, and what to look at."""
    local = {"slots": 4, "memory_mb": 1000, "runner_python": "/nowhere/python"}
    lab.change_settings(clusters={"local": local})
    done = lab.cci("doctor", "--json", "--patience", "30", check=False)
    (row,) = [row for row in json.loads(done.stdout) if row["name"] == "cluster local: submit"]

    assert 1 == done.returncode
    assert ("fail", True) == (row["verdict"], "left no exit record: " in row["detail"])
    assert "runner_python" in row["hint"]


def test_interrupted_doctor(lab: Lab) -> None:
    """Ctrl-C takes the trial jobs back, and their folder with them."""
    process = lab.start("doctor")
    running = lab.home / "spool" / "running"
    wait_until(lambda: running.is_dir() and len(list(running.iterdir())) > 1, "trial jobs run")
    process.send_signal(signal.SIGINT)

    assert 130 == process.wait(300)
    wait_until(lambda: not list(running.iterdir()), "no trial job runs any more")
    assert [] == list((lab.home / "spool" / "queue").iterdir())
    assert [] == left_in(lab)
