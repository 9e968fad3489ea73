"""Which attribute of a DRMAA job template says what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cci.cluster.base import JobSpec
from cci.cluster.drmaa_template import attributes
from cci.cluster.options import SiteOptions
from cci.errors import SubmissionRefused

JOB = JobSpec(
    name="cci-Copy_v1-0123456789abcdef",
    directory=Path("/srv/cci/P/T/1"),
    script=Path("/srv/cci/P/T/1/script.sh"),
    output_log=Path("/srv/cci/P/T/1/batch.log"),
    walltime_s=3600,
    memory_mb=2048,
    cores=4,
)
SITE = SiteOptions()


def native(job: JobSpec, system: str) -> object:
    """Return the native specification."""
    return attributes(job, system, SITE)["nativeSpecification"]


def test_attributes() -> None:
    """What DRMAA has words for is said by attributes."""
    job = replace(JOB, email="lab@example.org", environment={"A": "b c"})

    assert {
        "remoteCommand": "/srv/cci/P/T/1/script.sh",
        "jobName": "cci-Copy_v1-0123456789abcdef",
        "workingDirectory": "/srv/cci/P/T/1",
        "outputPath": ":/srv/cci/P/T/1/batch.log",
        "joinFiles": True,
        "nativeSpecification": "-b n -w e",
        "jobEnvironment": {"A": "b c"},
    } == attributes(job, "sge", SITE)


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("sge", None),
        ("slurm", ["lab@example.org", "b@example.org"]),
        ("pbs", ["lab@example.org", "b@example.org"]),
    ],
)
def test_email(system: str, expected: list[str] | None) -> None:
    """Addresses are told once: by an attribute, or by the header that Grid Engine reads."""
    job = replace(JOB, email="lab@example.org,b@example.org")

    assert expected == attributes(job, system, SITE).get("email")
    assert "@" not in str(native(job, system))


def test_odd_directory() -> None:
    """A path that a system might take for a pattern or a variable is left to the script."""
    told = attributes(replace(JOB, directory=Path("/srv/cci/$HOME, a:b")), "sge", SITE)

    assert ("/", ":/dev/null") == (told["workingDirectory"], told["outputPath"])


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("sge", "-b n -w e"),
        (
            "slurm",
            (
                "--no-requeue --time=01:02:00 --nodes=1 --ntasks=1 --mem=2048M --cpus-per-task=4 "
                "--partition=long --account=lab"
            ),
        ),
        ("pbs", "-r n -l walltime=01:02:00 -l select=1:ncpus=4:mem=2048mb -q long -A lab"),
        (
            "lsf",
            "-rn -W 62 -n 4 -R 'span[hosts=1]' -M 2048MB -R 'rusage[mem=2048MB]' -q long -P lab",
        ),
    ],
)
def test_native(system: str, expected: str) -> None:
    """Grid Engine reads the script's header; the other libraries are told all that attributes do not say."""
    assert expected == native(replace(JOB, queue="long", account="lab"), system)


def test_slots() -> None:
    """Four cores are four of a node on Slurm; on Grid Engine the header asks for them."""
    assert "--cpus-per-task=4" in str(native(JOB, "slurm")).split()


def test_own_check() -> None:
    """Who says how jobs are validated is not contradicted."""
    assert "-b n" == native(replace(JOB, native="-w n"), "sge")


def test_most_specific_native_option() -> None:
    """A native option replaces ours of the same kind."""
    told = str(native(replace(JOB, queue="long", native="--partition=short --qos=high"), "slurm"))

    assert ["--partition=short", "--qos=high"] == told.split()[-2:]
    assert "--partition=long" not in told


@pytest.mark.parametrize(
    ("system", "changes", "sentence"),
    [
        ("slurm", {"native": "--comment='two words'"}, "no quotes"),
        ("sge", {"environment": {"A": "b=c"}}, "equals sign"),
        ("slurm", {"queue": "a\nb"}, "control character"),
    ],
)
def test_what_cannot_be_said(system: str, changes: dict[str, object], sentence: str) -> None:
    """What a library would take for something else is refused."""
    with pytest.raises(SubmissionRefused, match=sentence):
        attributes(replace(JOB, **changes), system, SITE)  # type: ignore[arg-type]
