"""A site's own batch script, and what is said of one that cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from cci.cluster.base import JobSpec
from cci.cluster.templates import read_template, render_template
from cci.errors import SubmissionRefused

PLACE = Path("/data/my work")
JOB = JobSpec(
    name="cci-Echo_v1-0123",
    directory=PLACE,
    script=PLACE / "script.sh",
    output_log=PLACE / "batch.log",
    walltime_s=60,
    memory_mb=100,
    cores=2,
    queue="long",
)


def rendered(text: str, dialect: str = "slurm") -> str:
    """Return what a template makes of the job."""
    return render_template(text, JOB, python="python3", dialect=dialect)


def test_a_template_has_the_lines_of_the_built_in_script() -> None:
    """Header and start can be named, with the site's own lines between them."""
    script = rendered("#!/bin/bash\n{{ header }}\nmodule load python\n{{ start }}\n")

    expected = ["module load python", "cd '/data/my work' || exit"]
    assert expected == [line for line in script.splitlines() if line.startswith(("module", "cd"))]
    assert ("#!/bin/bash", "exec python3 -I runner.py") == (
        script.splitlines()[0],
        script.splitlines()[-1],
    )


def test_a_template_may_say_everything_itself() -> None:
    """The job's own values can be named one by one, texts quoted for the shell, shell left as it is."""
    script = rendered(
        "#!/bin/bash\n"
        "#SBATCH --job-name={{ name }} -p {{ queue }} -t {{ walltime_s // 60 + 2 }} --mem={{ memory_mb }}\n"
        'files=(*); echo "${#files[@]} ${HOME}"\n'
        "{% if cores > 1 %}ulimit -u 4096\n{% endif %}"
        "cd {{ directory }} && srun -c {{ cores }} {{ runner }} >>{{ output_log }}\n"
    )

    expected = (
        "#!/bin/bash\n"
        "#SBATCH --job-name=cci-Echo_v1-0123 -p long -t 3 --mem=100\n"
        'files=(*); echo "${#files[@]} ${HOME}"\n'
        "ulimit -u 4096\n"
        "cd '/data/my work' && srun -c 2 python3 -I runner.py >>'/data/my work/batch.log'\n"
    )
    assert expected == script


@pytest.mark.parametrize(
    ("first", "shell"),
    [("#!/bin/bash -l", "/bin/bash"), ("#!/usr/bin/env bash", "/bin/bash"), ("#! /bin/sh", "/bin/sh")],
)
@pytest.mark.parametrize("dialect", ["sge", "pbs"])
def test_the_shell_of_a_template(first: str, shell: str, dialect: str) -> None:
    """Systems that do not look at a script's first line are told what it says."""
    script = rendered(f"{first}\n{{{{ header }}}}\n{{{{ start }}}}\n", dialect)

    assert [shell] == [line.split()[-1] for line in script.splitlines() if line.split()[1:2] == ["-S"]]


WRONG = [
    ("#!/bin/sh\n{{ header }}\necho nothing\n", "does not start the runner"),
    ("#!/bin/sh\n{{ header }}\n# {{ start }}\n", "does not start the runner"),
    ("#!/bin/sh\n{{ header }}\n{{ runner }}\n", "does not start the runner"),
    ("#!/bin/sh\n{{ start }}\n", "does not name the job"),
    ("{{ header }}\n{{ start }}\n", "does not begin with '#!'"),
    ("#!/bin/sh\n{{ haeder }}\n", "'haeder' is undefined"),
    ("#!/bin/sh\n\n{% if %}\n", "in line 3"),
    ("#!/bin/sh\n{{ cores / 0 }}\n", "division by zero"),
]


@pytest.mark.parametrize(
    ("dialect", "line"),
    [
        ("slurm", "#SBATCH --array=1-3 # all at once"),
        ("slurm", "#SBATCH -a 1-3"),
        ("sge", "#$ -t 1-3"),
        ("pbs", "#PBS -J 1-3"),
    ],
)
def test_a_template_of_many_jobs(dialect: str, line: str) -> None:
    """An attempt is one job: a template that makes an array of it is refused."""
    with pytest.raises(SubmissionRefused, match="makes an array of jobs"):
        rendered(f"#!/bin/sh\n{{{{ header }}}}\n{line}\n{{{{ start }}}}\n", dialect)


def test_a_template_with_words_of_its_own() -> None:
    """What the site writes by hand stays, where it can be read and where it cannot."""
    text = "#!/bin/sh\n{{ header }}\n#SBATCH --exclusive\n#SBATCH --comment='it\n#SBATCH\n{{ start }}\n"

    assert "#SBATCH --exclusive\n#SBATCH --comment='it\n#SBATCH\n" in rendered(text)


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_templates_that_cannot_work(text: str, words: str) -> None:
    """A job that would never run, or that nobody would find again, is not submitted."""
    with pytest.raises(SubmissionRefused) as refused:
        rendered(text)

    assert words in refused.value.message


def test_this_machine_is_asked_for_nothing_by_a_header() -> None:
    """Where no header is read, none need be there."""
    assert "#!/bin/sh\ncd '/data/my work' || exit\nexec python3 -I runner.py" == rendered(
        "#!/bin/sh\n{{ start }}", dialect="plain"
    )


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    """The sentence names the file."""
    with pytest.raises(SubmissionRefused) as refused:
        read_template(tmp_path / "site.j2")

    assert f"cannot read the template {tmp_path / 'site.j2'}: No such file or directory" == (
        refused.value.message
    )
