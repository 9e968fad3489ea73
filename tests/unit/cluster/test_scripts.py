"""The batch script is text, made of values alone; ``tests/data/scripts`` has one of each dialect."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
from pathlib import Path

import pytest

from cci.cluster import JobSpec, render_script
from cci.cluster.options import SiteOptions
from cci.errors import SubmissionRefused, UsageError

GOLDEN = Path(__file__).parents[2] / "data" / "scripts"
HOSTILE = "/data/it's; $(touch hit) `x` %j #$ -N other #SBATCH -J other"
#: Script's file, dialect, how the site wants to be asked, and its native options.
FORMS: list[tuple[str, str, SiteOptions | None, str]] = [
    ("plain", "plain", None, ""),
    ("sge", "sge", SiteOptions(memory_resource="h_vmem"), "-l arch=lx-amd64,mem_total=16G -P neuro"),
    ("slurm", "slurm", None, "--constraint='a100&nvlink' --comment='the lab\\'s \"best\"' --qos=high"),
    ("pbs", "pbs", None, "-W group_list=imaging -l place=excl"),
    ("torque", "pbs", SiteOptions(torque=True), "-W group_list=imaging"),
    ("lsf", "lsf", None, "-R 'select[type==\"any\" && mem>4000]' -app cuda"),
]
IDS = [form[0] for form in FORMS]


def job(directory: str, **changes: object) -> JobSpec:
    place = Path(directory)
    plain = JobSpec(
        name="cci-Echo_v1-0123",
        directory=place,
        script=place / "script.sh",
        output_log=place / "batch.log",
        walltime_s=60,
        memory_mb=100,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def full(directory: str, native: str, *, mpi_slots: int) -> JobSpec:
    """Return a job that asks for everything."""
    return job(
        directory,
        walltime_s=100_000,
        memory_mb=16_000,
        cores=4,
        gpus=1,
        mpi_slots=mpi_slots,
        priority=-10,
        queue="long",
        account="lab",
        email="ops@example.org",
        native=native,
        avoid=("node7", "node8.example.org"),
        environment={"LANG": "C.UTF-8", "GREETING": "it's $HOME"},
    )


@pytest.mark.parametrize("form", FORMS, ids=IDS)
@pytest.mark.parametrize("kind", ["", "-hostile", "-mpi"])
def test_whole_scripts(form: tuple[str, str, SiteOptions | None, str], kind: str) -> None:
    """A script that asks for everything is as it is kept, and is shell, wherever its job lies."""
    file, dialect, site, native = form
    native = native.replace("\\'", "'\\''")
    directory = HOSTILE if kind == "-hostile" else "/data/work/P1/task/1"
    job = full(directory, native, mpi_slots=3 if kind == "-mpi" else 0)
    script = render_script(job, python="/usr/bin/python3", dialect=dialect, site=site)

    assert (GOLDEN / f"{file}{kind}.sh").read_text(encoding="utf-8") == script
    subprocess.run(["/bin/sh", "-n"], input=script.encode(), check=True)


@pytest.mark.parametrize("dialect", ["sge", "slurm", "pbs", "lsf"])
def test_a_hostile_directory_adds_no_option(dialect: str) -> None:
    """No name of a directory becomes a line of the header: the script goes there and opens its log itself."""
    plain = render_script(job("/"), python="python3", dialect=dialect)
    script = render_script(job(HOSTILE), python="python3", dialect=dialect)
    asked = [line.split()[1] for line in script.partition("cd '")[0].splitlines()[1:]]

    assert [line.split()[1] for line in plain.partition("cd /")[0].splitlines()[1:]] == [
        word.replace("--output=/dev/null", "--output=/batch.log") for word in asked
    ]
    assert f"exec >>{shlex.quote(HOSTILE + '/batch.log')} 2>&1" in script


def test_a_script_in_a_hostile_directory_runs_there(tmp_path: Path) -> None:
    """The shell goes to the directory, opens the log there, and starts the runner, whatever the name is."""
    place = tmp_path / HOSTILE.lstrip("/")
    place.mkdir(parents=True)
    (place / "runner.py").write_text("import os; print(os.getcwd())")
    script = render_script(job(str(place)), python="python3", dialect="slurm")
    subprocess.run(["/bin/sh"], input=script.encode(), check=True, cwd=tmp_path)

    assert f"{place}\n" == (place / "batch.log").read_text()
    assert [] == list(tmp_path.rglob("hit"))


def test_plain_script() -> None:
    """A plain script goes to the job directory and becomes the runner."""
    expected = (
        "#!/bin/sh\n# job cci-Echo_v1-0123\ncd /data/p/t/1 || exit\nexec /usr/bin/python3 -I runner.py\n"
    )

    assert expected == render_script(job("/data/p/t/1"), python="/usr/bin/python3")


@pytest.mark.parametrize("name", ["a b", "it's", "$(x)", "a;b", "größe", "a\nb", "-x", "`x`", "*"])
def test_quoting(name: str) -> None:
    """Whatever a directory or an interpreter is called, the shell takes it as one word."""
    text = render_script(job(f"/data/{name}"), python=f"/opt/{name}/python")
    words = shlex.split(text, comments=True)

    assert ["cd", f"/data/{name}", "||", "exit", "exec", f"/opt/{name}/python", "-I", "runner.py"] == words
    subprocess.run(["/bin/sh", "-n"], input=text.encode(), check=True)


QUOTED = [
    ("sge", "a b", "'a b'"),
    ("sge", "a'b", None),
    ("sge", 'a"b', None),
    ("sge", "a\\b", "'a\\b'"),
    ("sge", "a #b", None),
    ("slurm", "a b", '"a b"'),
    ("slurm", "a'b", '"a\'b"'),
    ("slurm", 'a"b', '"a\\"b"'),
    ("slurm", "a\\b", '"a\\\\b"'),
    ("slurm", "a#b", '"a#b"'),
    ("pbs", "a b", "'a b'"),
    ("pbs", "a'b", '"a\'b"'),
    ("pbs", "a\\b", None),
    ("lsf", 'a"b', "'a\"b'"),
    ("lsf", "a'\"b", None),
]
#: An option of each system that takes any text.
ANY = {"sge": "-ac", "slurm": "--comment", "pbs": "-C", "lsf": "-app"}


@pytest.mark.parametrize(("dialect", "word", "expected"), QUOTED)
def test_quotes_of_header_lines(dialect: str, word: str, expected: str | None) -> None:
    """Each system has its own idea of quotes in a header line; what none can say is refused."""
    wanted = job("/data", native=shlex.join((ANY[dialect], word)))
    if expected is None:
        with pytest.raises(SubmissionRefused):
            render_script(wanted, python="python3", dialect=dialect)
        return
    lines = render_script(wanted, python="python3", dialect=dialect).splitlines()

    assert [expected] == [line.partition(f"{ANY[dialect]} ")[2] for line in lines if ANY[dialect] in line]


BROKEN = [
    job("/data/a\n#$ -N other"),
    job("/data", environment={"LIST": "a\n#BSUB -J other"}),
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("dialect", ["sge", "slurm", "pbs", "lsf"])
def test_line_breaks_are_refused(broken: JobSpec, dialect: str) -> None:
    """Two systems find options on any line, also one within quotes: no text makes a line of its own."""
    with pytest.raises(SubmissionRefused):
        render_script(broken, python="python3", dialect=dialect)


def test_unknown_dialect() -> None:
    """A dialect that does not exist is refused with the list of those that do."""
    with pytest.raises(UsageError) as refused:
        render_script(job("/data"), python="python3", dialect="cobol")

    assert ("there is no script dialect 'cobol'", "there is plain, sge, slurm, pbs, lsf") == (
        refused.value.message,
        refused.value.hint,
    )


def test_relative_directory() -> None:
    """A job directory that is not absolute would depend on where the cluster starts the script."""
    with pytest.raises(UsageError):
        render_script(job("data"), python="python3")
