"""A site's template and options on real batch systems: what the settings say reaches the job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.batch_systems import BatchSystem, kill_all, use
from support.lab import Lab, MakeLab

pytestmark = pytest.mark.slow

TEMPLATE = "#!/bin/sh\n{{ header }}\ncd {{ directory }}\nenv >batch-environment\n{{ start }}\n"
#: An option that becomes a variable of the job, and the job's slots as the system tells them.
WORDS = {
    "sge": ("-v LEVEL={},{}=1", "NSLOTS=2"),
    "slurm": ("--export=ALL,LEVEL={},{}=1", "SLURM_CPUS_PER_TASK=2"),
}


@pytest.fixture
def lab(make_lab: MakeLab, system: BatchSystem) -> Iterator[Lab]:
    """A lab whose jobs run on the batch system by a template of the site's."""
    lab = make_lab()
    (lab.home / "site.j2").write_text(TEMPLATE, encoding="utf-8")
    option, _ = WORDS[words_of(system)]
    use(lab, system, template="site.j2", native=option.format("site", "SITE"))
    copy = {"use": lab.uses["copy"], "cluster": ["site"], "cores": 2, "native": option.format("task", "TASK")}
    lab.change_settings(processors={"copy": copy})
    yield lab
    kill_all(lab)


def words_of(system: BatchSystem) -> str:
    """Return whose words a system speaks."""
    return str(system.settings.get("system", system.settings["kind"]))


def test_a_job_of_a_template(lab: Lab, system: BatchSystem) -> None:
    """S11, S16: a job has the site's lines, its slots, and of the native options the most specific."""
    lab.scan("E1")
    lab.sweep()
    (directory,) = lab.attempts()
    environment = (directory / "batch-environment").read_text(encoding="utf-8").splitlines()
    shown = lab.cci("show-script", "E1").stdout

    _, slots = WORDS[words_of(system)]
    # Slurm has one list of variables, which the more specific replaces; Grid Engine adds each up
    expected = ["LEVEL=task", "SITE=1", "TASK=1", slots]
    if words_of(system) == "slurm":
        expected.remove("SITE=1")
    assert ["COMPLETE"] == list(lab.statuses().values())
    assert sorted(expected) == sorted(
        line for line in environment if line in {*expected, "SITE=1", "LEVEL=site"}
    )
    assert (directory / "script.sh").read_text(encoding="utf-8") == shown
    assert "\nenv >batch-environment\n" in shown
