"""What a header asks for arrives in the batch system as it was meant: real Grid Engine and real Slurm say so.

Every job here is held, so that none runs; the systems are asked what they have understood.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.grid_engine import grid_engine, let_go
from support.slurm import slurm as running_slurm

from cci.cluster.base import JobSpec
from cci.cluster.scripts import render_script
from cci.errors import SubmissionRefused

#: Blanks and all that a shell, a header line or a pattern could take for something else.
ODD = "a  b;$HOME `x` $(y)&|<>*?[z] %j \\ ä"


@dataclass(frozen=True)
class System:
    """A batch system: how to submit, what it says of a job, how to end one, and an option for any text."""

    name: str
    run: Callable[..., str]
    submit: tuple[str, ...]
    show: tuple[str, ...]
    kill: tuple[str, ...]
    hold: str
    text: tuple[str, ...]

    def told(self, job: JobSpec) -> str:
        """Submit a job's script, held, and return what the system says of it."""
        held = replace(job, native=f"{self.hold} {job.native}")
        job.directory.mkdir(parents=True, exist_ok=True)
        job.script.write_text(render_script(held, python="python3", dialect=self.name), encoding="utf-8")
        job_id = self.run(*self.submit, str(job.script)).strip()
        try:
            return self.run(*self.show, job_id)
        finally:
            self.run(*self.kill, job_id)


@pytest.fixture(params=["sge", "slurm"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """Have one real batch system after the other."""
    run: Callable[..., str]
    if request.param == "sge":
        run = grid_engine().run
        yield System("sge", run, ("qsub", "-terse"), ("qstat", "-j"), ("qdel",), "-h", ("-ac", "text="))
        let_go()
    else:
        run = running_slurm().run
        show = ("scontrol", "show", "job")
        yield System("slurm", run, ("sbatch", "--parsable"), show, ("scancel",), "--hold", ("--comment", ""))


def a_job(directory: Path, **asked: object) -> JobSpec:
    """Make a job that asks for more than nothing."""
    plain = JobSpec(
        name="cci-test-0123456789abcdef",
        directory=directory,
        script=directory / "script.sh",
        output_log=directory / "batch.log",
        walltime_s=5400,
        memory_mb=1001,
        cores=2,
    )
    return replace(plain, **asked)  # type: ignore[arg-type]


def parts(told: str, *names: str) -> list[str]:
    """Return what stands behind these names in a listing of either system."""
    lines = told.splitlines() if "job_number:" in told else re.split(r"\n| (?=\w[\w/:]*=)", told)
    found = dict(re.split(r"[=:]\s*", line.strip(), maxsplit=1) for line in lines if re.search("[=:]", line))
    return [found[name].strip() for name in names]


def test_all_that_is_asked_arrives(system: System, tmp_path: Path) -> None:
    """Name, place, log, limits, slots, nodes to avoid, account, mail, priority, and no second run."""
    place = tmp_path / "job"
    job = a_job(place, account="lab", email="a@b.org", priority=-7, avoid=("localhost", "n2"))
    told = system.told(job)
    names: tuple[str, ...]
    expected: list[str]
    if system.name == "sge":
        names = ("job_name", "cwd", "merge", "restart", "account", "mail_list", "mail_options", "priority")
        expected = [job.name, str(place), "y", "n", "lab", "a@b.org", "a", "-7"]
        names += ("hard resource_list", "parallel environment", "stdout_path_list")
        expected += ["h_rt=5520,mem_free=501M,hostname=!(localhost|localhost.*|n2|n2.*)", "smp range: 2"]
        expected += [f"NONE:NONE:{place}/batch.log"]
    else:
        names = ("JobName", "WorkDir", "StdOut", "StdErr", "Requeue", "Account", "MailUser", "MailType")
        log = f"{place}/batch.log"
        expected = [job.name, str(place), log, log, "0", "lab", "a@b.org", "FAIL"]
        names += ("TimeLimit", "NumCPUs", "CPUs/Task", "MinMemoryNode", "ExcNodeList", "NumTasks")
        expected += ["01:32:00", "2", "2", "1001M", "localhost", "1"]
    # Slurm knows its nodes, and takes no others; that it may avoid its only one is no matter here
    if system.name == "slurm":
        told = system.told(replace(job, avoid=("localhost",)))
    assert expected == parts(told, *names)


def test_a_node_is_avoided(system: System, tmp_path: Path) -> None:
    """A job that avoids the only node there is cannot run, whatever longer name the node gives itself."""
    trial = ("qsub", "-w", "v") if system.name == "sge" else ("sbatch", "--test-only")
    script = tmp_path / "script.sh"

    def could_run(*avoid: str) -> None:
        job = a_job(tmp_path, avoid=avoid, cores=1, memory_mb=1)
        script.write_text(render_script(job, python="python3", dialect=system.name), encoding="utf-8")
        system.run(*trial, str(script))

    could_run()
    with pytest.raises(subprocess.CalledProcessError):
        could_run("localhost.localdomain")


def test_a_parallel_job(system: System, tmp_path: Path) -> None:
    """S16: slots that may spread over nodes, each of so many cores, share the memory."""
    told = system.told(a_job(tmp_path / "job", mpi_slots=2))
    expected, names = (
        (["h_rt=5520,mem_free=251M", "mpi range: 4"], ("hard resource_list", "parallel environment"))
        if system.name == "sge"
        else (["4", "2", "2", "251M"], ("NumCPUs", "NumTasks", "CPUs/Task", "MinMemoryCPU"))
    )
    assert expected == parts(told, *names)


def test_any_text_arrives(system: System, tmp_path: Path) -> None:
    """A word with blanks and signs is one word to the system, letter by letter."""
    option, prefix = system.text
    word = (option, prefix + ODD) if system.name == "sge" else (f"{option}={ODD}",)
    told = system.told(a_job(tmp_path / "job", native=shlex.join(word)))
    assert ODD in told


def test_quotes_arrive_or_are_refused(system: System, tmp_path: Path) -> None:
    """Slurm is told either kind of quotes; Grid Engine would lose them, and is not told."""
    text = """it's the #1 "best" """
    if system.name == "sge":
        with pytest.raises(SubmissionRefused):
            system.told(a_job(tmp_path / "job", native=shlex.join(("-ac", f"text={text}"))))
    else:
        assert text in system.told(a_job(tmp_path / "job", native=shlex.join((f"--comment={text}",))))


def test_an_account_of_any_letters(system: System, tmp_path: Path) -> None:
    """Slurm is told an account of any letters; Grid Engine, which would not answer, is not told."""
    job = a_job(tmp_path / "job", account="größe")
    if system.name == "sge":
        with pytest.raises(SubmissionRefused):
            system.told(job)
    else:
        assert ["größe"] == parts(system.told(job), "Account")


def test_a_hostile_place_adds_nothing(system: System, tmp_path: Path) -> None:
    """A directory whose name looks like options gives its job none of them."""
    odd = tmp_path / "it's $(x) %j; #$ -N other #SBATCH -J other"
    job = a_job(odd)
    name = "job_name" if system.name == "sge" else "JobName"
    assert [job.name] == parts(system.told(replace(job, script=tmp_path / "script.sh")), name)
