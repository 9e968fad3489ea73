"""What a job leaves is hostile until proved otherwise: it deletes, publishes and forges nothing."""

from __future__ import annotations

import json

import pytest
import yaml
from support.lab import Lab

#: A processor whose command is the shell text in the input file ``cmd``.
SHELL = '''
from datetime import timedelta

from cci.processor import Output, Scan, ScanProcessor


class ShellProcessor(ScanProcessor):
    """Run a shell text."""

    version = "1.0.0"
    inputs = (Scan("image", type=["T1*"], resources=["DATA"]),)
    outputs = (Output("TEXT", "summary.txt"), Output("COPY", required=False))
    walltime = timedelta(minutes=5)
    memory_mb = 16

    def command(self, job):
        """Run it."""
        return ["/bin/sh", "inputs/image/DATA/cmd"]
'''


def run_shell(lab: Lab, text: str) -> dict[str, str]:
    """Run a shell text as the only task of the lab; return the task."""
    place = lab.home / "shell_processor.py"
    place.write_text(SHELL, encoding="utf-8")
    content = yaml.safe_load(lab.settings_file.read_text(encoding="utf-8"))
    content["processors"], content["projects"] = (
        {"sh": {"use": f"{place}:ShellProcessor"}},
        {lab.project: ["sh"]},
    )
    lab.settings_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    first = "mkdir -p outputs/TEXT outputs/COPY; echo hi > outputs/TEXT/summary.txt\n"
    lab.scan("E1", files={"cmd": (first + text).encode()})
    lab.sweep()
    return lab.task(processor="sh")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["*", "a,notes.txt"])
def test_replacing_a_result_deletes_no_other_file(lab: Lab, name: str) -> None:
    """An archive reads wildcards and commas in the name of a file to delete; a result may be called so."""
    task = run_shell(lab, f"date +%N > 'outputs/COPY/{name}'\n")
    lab.fill.files(f"{lab.assessor_uri(task)}/out", "COPY", {"notes.txt": b"a person's"})
    lab.set_qc(task, "Rerun")
    lab.sweep()

    assert b"a person's" == lab.files(task, "COPY").get("notes.txt")


@pytest.mark.slow
def test_persons_file_beside_the_provenance_stays(lab: Lab) -> None:
    """A rerun replaces its own files in PROV and no other."""
    lab.scan("E1")
    lab.sweep()
    task = lab.task()
    lab.fill.files(f"{lab.assessor_uri(task)}/out", "PROV", {"notes.txt": b"a person's"})
    lab.set_qc(task, "Rerun")
    lab.sweep()

    assert "notes.txt" in lab.files(task, "PROV")


@pytest.mark.slow
def test_links_of_a_job_lead_nowhere(lab: Lab) -> None:
    """What a job leaves in place of its log is not followed."""
    secret = lab.home / "credentials.yaml"
    task = run_shell(lab, f"rm -f output.log; ln -s {secret} output.log\n")

    assert b"password" not in lab.files(task, "PROV").get("output.log", b"")
    assert "password" not in lab.cci("logs", task["label"]).stdout


@pytest.mark.slow
def test_provenance_is_ours(lab: Lab) -> None:
    """A job cannot write its own provenance."""
    task = run_shell(lab, "mkdir prov; echo '{\"forged\": 1}' > prov/provenance.json\n")

    assert task["label"] == json.loads(lab.files(task, "PROV")["provenance.json"])["task"]


@pytest.mark.slow
def test_lost_output_is_told(lab: Lab) -> None:
    """An output that the runner could not take keeps the task from COMPLETE, or is at least told."""
    task = run_shell(lab, "echo x > made; ln -s ../../made outputs/COPY/made\n")

    assert "link" in task["reason"]


@pytest.mark.slow
def test_what_is_no_file_stops_nothing(lab: Lab) -> None:
    """Pipes and links in place of all that is read later hold nobody up, and the results come home."""
    names = "output.log staged.json error.json old job.completed"
    task = run_shell(lab, f"rm -f {names}; mkfifo {names}; ln -s /dev/zero prov\n")

    assert ("COMPLETE", b"hi\n") == (task["status"], lab.files(task, "TEXT")["summary.txt"])
    assert {"provenance.json", "script.sh"} == set(lab.files(task, "PROV"))
