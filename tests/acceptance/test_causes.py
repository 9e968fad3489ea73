"""Each way in which a job ends badly has its own cause, from real evidence, and `cci explain` knows it."""

from __future__ import annotations

import json
import sys

import pytest
from support.lab import Lab, MakeLab
from support.waiting import wait_until

from cci.cluster.base import JobRef
from cci.cluster.local import LocalCluster

#: What the pipeline of each session does, and which processor runs it.
ENDS = {
    "E1": ("exit 3", "copy"),
    "E2": ("signal 9", "copy"),
    "E3": ("wait", "copy"),
    "E4": ("sleep 600", "late"),
}


def kill_as_its_user(lab: Lab, session: str) -> None:
    """Kill a session's job behind the daemon's back, once it has begun, as `qdel` would."""
    attempt = lab.attempts_of(lab.task(session))[0]
    claims = [place / "claim" for place in lab.attempts() if str(place) == attempt.directory]
    wait_until(claims[0].exists, "the job has begun")
    LocalCluster("local", lab.home / "spool", slots=4, memory_mb=1000).kill(JobRef(attempt.job_id))


@pytest.mark.slow
def test_five_causes(make_lab: MakeLab) -> None:
    """S3: exit status, signal, kill, wall time and a command that is not there are told apart."""
    lab = make_lab(processors={"copy": "CopyProcessor", "late": "OtherProcessor", "lost": "AttachProcessor"})
    broken = {"kind": "local", "slots": 4, "memory_mb": 1000, "python": "/nowhere/python9"}
    lab.change_settings(
        clusters={
            "local": {"slots": 4, "memory_mb": 1000},
            "broken": {**broken, "runner_python": sys.executable},
        },
        processors={
            "copy": {"use": lab.uses["copy"]},
            "late": {"use": lab.uses["late"], "walltime": 3, "scan_types": {"image": ["T2"]}},
            "lost": {"use": lab.uses["lost"], "cluster": "broken"},
        },
        retry={"walltime": {"times": 0}},
    )
    for session, (behave, processor) in ENDS.items():
        lab.scan(session, behave=behave, scan_type="T2" if processor == "late" else "T1")
    lab.cci("sweep", "--yes")
    kill_as_its_user(lab, "E3")
    lab.sweep()
    causes = {
        session: lab.attempts_of(lab.task(session, processor))[-1].cause
        for session, (_, processor) in ENDS.items()
    }
    unfound = lab.attempts_of(lab.task("E1", "lost"))[-1].cause
    explained = {code: lab.answer("explain", code)["code"] for code in [*causes.values(), unfound]}

    assert {
        "E1": "exit-3",
        "E2": "signal-9",
        "E3": "killed-by-user",
        "E4": "walltime",
    } == causes
    assert "could-not-start" == unfound
    assert "/nowhere/python9" in lab.task("E1", "lost")["reason"]
    assert {code: code for code in explained} == explained


def test_explain_lists_every_cause(lab: Lab) -> None:
    """Without a code all are listed; an unknown one gets a hint, and the exit code of a wrong question."""
    listed = {one["code"] for one in json.loads(lab.cci("explain", "--json").stdout)}
    wrong = lab.cci("explain", "out-of-memry", check=False)

    assert {"exit-N", "signal-N", "out-of-memory", "walltime", "lost", "license-missing"} <= listed
    assert 2 == wrong.returncode
    assert "did you mean 'out-of-memory'?" in wrong.stderr
