"""What each batch system is asked, as words of its own; and what native options do to it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cci.cluster.base import JobSpec
from cci.cluster.native import SYSTEMS, Wishes, flat, most_specific, read
from cci.cluster.options import MARGIN_S, SiteOptions, options
from cci.errors import SubmissionRefused, UsageError

PLACE = Path("/data/work/P1/task/1")
PLAIN = JobSpec(
    name="cci-Echo_v1-0123456789abcdef",
    directory=PLACE,
    script=PLACE / "script.sh",
    output_log=PLACE / "batch.log",
    walltime_s=5400,
    memory_mb=4097,
)


def job(**changes: object) -> JobSpec:
    """Return a job like `PLAIN`."""
    return dataclasses.replace(PLAIN, **changes)  # type: ignore[arg-type]


def words(spec: JobSpec, system: str, site: SiteOptions | None = None) -> str:
    """Return what a system is asked, in a line."""
    return " ".join(flat(options(spec, system, site)))


NAME = PLAIN.name
TABLE = [
    (
        "sge",
        (
            f"-N {NAME} -S /bin/sh -wd {PLACE} -o {PLACE}/batch.log -j y -r n -notify"
            " -l h_rt=5520 -l mem_free=4097M"
        ),
    ),
    (
        "slurm",
        (
            f"--job-name={NAME} --chdir={PLACE} --output={PLACE}/batch.log --no-requeue --time=01:32:00"
            " --nodes=1 --ntasks=1 --mem=4097M --cpus-per-task=1"
        ),
    ),
    (
        "pbs",
        (
            f"-N {NAME} -S /bin/sh -o {PLACE}/batch.log -j oe -r n -l walltime=01:32:00"
            " -l select=1:ncpus=1:mem=4097mb"
        ),
    ),
    (
        "lsf",
        (
            f"-J {NAME} -cwd {PLACE} -o {PLACE}/batch.log -rn -W 92 -n 1 -R span[hosts=1] -M 4097MB"
            " -R rusage[mem=4097MB]"
        ),
    ),
]


@pytest.mark.parametrize(("system", "expected"), TABLE, ids=SYSTEMS)
def test_a_plain_job(system: str, expected: str) -> None:
    """Every system is asked for name, place, log, wall time, memory and cores, and not to run a job again."""
    assert expected == words(PLAIN, system)


ADDED = [
    ("sge", {"cores": 4}, "-l mem_free=1025M -pe smp 4"),
    ("sge", {"cores": 2, "mpi_slots": 3}, "-l mem_free=683M -pe mpi 6"),
    ("sge", {"gpus": 2}, "-l gpu=2"),
    ("sge", {"queue": "long.q", "account": "lab"}, "-q long.q -A lab"),
    ("sge", {"email": "a@b.org"}, "-m a -M a@b.org"),
    ("sge", {"priority": -7}, "-p -7"),
    ("sge", {"avoid": ("n2", "n1")}, "-l h=!(n1|n1.*|n2|n2.*)"),
    ("slurm", {"cores": 4}, "--mem=4097M --cpus-per-task=4"),
    ("slurm", {"cores": 2, "mpi_slots": 3}, "--ntasks=3 --mem-per-cpu=683M --cpus-per-task=2"),
    ("slurm", {"gpus": 2}, "--gres=gpu:2"),
    ("slurm", {"queue": "long", "account": "lab"}, "--partition=long --account=lab"),
    ("slurm", {"email": "a@b.org"}, "--mail-type=FAIL --mail-user=a@b.org"),
    ("slurm", {"priority": -7}, "--nice=7"),
    ("slurm", {"avoid": ("n2", "n1")}, "--exclude=n1,n2"),
    ("slurm", {"avoid": ("n1.example.org",)}, "--exclude=n1"),
    ("slurm", {"avoid": ("10.0.0.1",)}, "--exclude=10.0.0.1"),
    ("pbs", {"cores": 4, "gpus": 1}, "-l select=1:ncpus=4:mem=4097mb:ngpus=1"),
    ("pbs", {"cores": 2, "mpi_slots": 3}, "-l select=3:ncpus=2:mpiprocs=1:mem=1366mb"),
    ("pbs", {"queue": "long", "account": "lab"}, "-q long -A lab"),
    ("pbs", {"email": "a@b.org"}, "-m a -M a@b.org"),
    ("pbs", {"priority": 5000}, "-p 1023"),
    ("lsf", {"cores": 4}, "-n 4 -R span[hosts=1] -M 4097MB"),
    ("lsf", {"cores": 2, "mpi_slots": 3}, "-n 6 -R span[ptile=2] -M 4097MB"),
    ("lsf", {"mpi_slots": 3}, "-n 3 -M 4097MB"),
    ("lsf", {"gpus": 2}, "-gpu num=2"),
    ("lsf", {"queue": "long", "account": "lab"}, "-q long -P lab"),
    ("lsf", {"email": "a@b.org"}, "-u a@b.org -Ne"),
    ("lsf", {"avoid": ("n2", "n1")}, "-R select[hname!=n1 && hname!=n2]"),
    ("lsf", {"avoid": ("n1.x.org",)}, "-R select[hname!=n1 && hname!=n1.x.org]"),
]


@pytest.mark.parametrize(("system", "changes", "expected"), ADDED)
def test_what_more_is_asked(system: str, changes: dict[str, object], expected: str) -> None:
    """Each wish of a job has its option."""
    asked = words(job(**changes), system)

    assert expected in asked


@pytest.mark.parametrize(
    ("system", "changes"),
    [
        ("sge", {"priority": 7}),  # an operator's right
        ("slurm", {"priority": 7}),  # an operator's right
        ("lsf", {"priority": 7}),  # refused where no user priority is set up
        ("pbs", {"avoid": ("n1",)}),  # there is no way to say so
        ("slurm", {"avoid": ("n1,$(x)", "a b")}),  # no name of a node
    ],
)
def test_what_cannot_be_asked(system: str, changes: dict[str, object]) -> None:
    """What a system would refuse, or cannot be told, is left out."""
    assert words(PLAIN, system) == words(job(**changes), system)


SITES = [
    (SiteOptions(memory_resource=""), "sge", "-l h_rt=5520 -pe smp 2"),
    (SiteOptions(memory_resource="h_vmem"), "sge", "-l h_vmem=2049M -pe smp 2"),
    (SiteOptions(memory_per="job"), "sge", "-l mem_free=4097M -pe smp 2"),
    (SiteOptions(parallel_environment="threads"), "sge", "-pe threads 2"),
    (SiteOptions(torque=True), "pbs", f"-S /bin/sh -d {PLACE} -o"),
    (SiteOptions(torque=True), "pbs", "-l nodes=1:ppn=2 -l mem=4097mb"),
]


@pytest.mark.parametrize(("site", "system", "expected"), SITES)
def test_how_a_site_wants_to_be_asked(site: SiteOptions, system: str, expected: str) -> None:
    """What sites call their resources is a setting."""
    asked = words(job(cores=2), system, site)

    assert expected in asked


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("directory", ["/data/a b", "/data/a,b", "/data/%j", "/data/ä", "/data/a:b"])
def test_odd_places_are_not_asked_for(system: str, directory: str) -> None:
    """A path that a system could take for more than a path is left to the script."""
    place = Path(directory)
    asked = flat(options(job(directory=place, output_log=place / "batch.log"), system))

    assert [] == [word for word in asked if directory in word]
    assert [word for word in asked if "/dev/null" in word]


def test_a_control_character_is_refused() -> None:
    """A line break in an option would become a line of its own."""
    with pytest.raises(SubmissionRefused):
        options(job(account="lab\nrm -rf /"), "slurm")


NO_NAMES = [{"account": "two words"}, {"queue": "-x"}, {"email": "a'b@c"}, {"native": "-A 'two words'"}]


@pytest.mark.parametrize("changes", NO_NAMES)
@pytest.mark.parametrize("system", ["sge", "slurm", "pbs"])
def test_what_is_no_name_is_refused(system: str, changes: dict[str, object]) -> None:
    """Grid Engine answers an account of two words as if its qmaster were away: it is not even asked."""
    with pytest.raises(SubmissionRefused):
        options(job(**changes), system)


ODD_LETTERS = [{"account": "größe"}, {"native": "-P größe"}, {"native": "-ckpt größe"}]


@pytest.mark.parametrize("changes", ODD_LETTERS)
def test_letters_that_grid_engine_chokes_on(changes: dict[str, object]) -> None:
    """Grid Engine answers such a name as if its qmaster were away, for ever: it is not even asked."""
    with pytest.raises(SubmissionRefused, match="'größe' is no name for it"):
        options(job(**changes), "sge")


def test_the_runner_ends_a_job_first() -> None:
    """The batch system's limit comes later than the runner's, which needs seconds to end a job."""
    assert MARGIN_S >= 60


NATIVE = [
    ("sge", "-l mem_free=8G,gpu=1", "-l h_rt=5520 -l mem_free=8G -l gpu=1"),
    ("sge", "-soft -l arch=lx-amd64", "-l mem_free=4097M -soft -l arch=lx-amd64 -hard"),
    ("slurm", "--mem-per-cpu 2G", "--cpus-per-task=1 --mem-per-cpu 2G"),
    ("slurm", "-t 10 -C 'a&b'", "--mem=4097M --cpus-per-task=1 -t 10 -C a&b"),
    ("pbs", "-l select=1:ncpus=2,place=excl", "-l walltime=01:32:00 -l select=1:ncpus=2 -l place=excl"),
    ("lsf", "-R 'select[x>1] rusage[mem=1GB]'", "-M 4097MB -R select[x>1] -R rusage[mem=1GB]"),
    ("lsf", "-app cuda", "-R rusage[mem=4097MB] -app cuda"),
]


@pytest.mark.parametrize(("system", "native", "end"), NATIVE)
def test_native_options_win(system: str, native: str, end: str) -> None:
    """A native option replaces ours for the same thing, and nothing else."""
    asked = words(job(native=native), system)

    assert end == asked[-len(end) :]


FORBIDDEN = [
    ("sge", "-t 1-10"),
    ("sge", "-N other"),
    ("sge", "-r y"),
    ("sge", "-clear"),
    ("sge", "-w v"),
    ("sge", "-l gpu=1 -w p"),
    ("slurm", "--array=1-10"),
    ("slurm", "-J other"),
    ("slurm", "--requeue"),
    ("slurm", "--req"),
    ("slurm", "--arr 1-10"),
    ("slurm", "-M north"),
    ("slurm", "--clusters=north"),
    ("sge", "-now y"),
    ("pbs", "-Wblock=true"),
    ("pbs", "-J1-10"),
    ("pbs", "-J 1-10"),
    ("pbs", "-W block=true"),
    ("lsf", "-J other[1-10]"),
    ("lsf", "-r"),
    ("lsf", "-K"),
    ("slurm", "long"),
    ("slurm", "--comment='open"),
]


@pytest.mark.parametrize(("system", "native"), FORBIDDEN)
def test_native_options_that_would_break_a_promise(system: str, native: str) -> None:
    """One attempt is one job with our name that runs at most once: no native option changes that."""
    with pytest.raises(UsageError):
        read(system, native)


MERGED = [
    # site, processor, task → queue, account, native
    ("slurm", [{}, {}, {}], ("", "", "")),
    ("slurm", [{"queue": "a"}, {}, {"queue": "c"}], ("c", "", "")),
    ("slurm", [{"queue": "a", "account": "x"}, {"queue": "b"}, {}], ("b", "x", "")),
    ("slurm", [{"native": "-p a -t 5"}, {"queue": "b"}, {}], ("b", "", "-t 5")),
    ("slurm", [{"queue": "a"}, {"native": "--partition=b"}, {}], ("", "", "--partition=b")),
    ("slurm", [{"native": "-C x"}, {"native": "--constraint=y"}, {"native": "-C z"}], ("", "", "-C z")),
    ("slurm", [{"native": "-C x"}, {"native": "--qos=high"}, {}], ("", "", "-C x --qos=high")),
    ("slurm", [{"native": "-C x"}, {"native": "--constr=y"}, {}], ("", "", "--constr=y")),
    ("slurm", [{"native": "--mem=1G"}, {"native": "--mem-per-cpu=1G"}, {}], ("", "", "--mem-per-cpu=1G")),
    (
        "sge",
        [{"native": "-l a=1,b=1 -P x"}, {"native": "-l b=2"}, {"native": "-l c=3"}],
        ("", "", "-l a=1 -P x -l b=2 -l c=3"),
    ),
    ("sge", [{"native": "-l hostname=n1"}, {"native": "-l h=n2"}, {}], ("", "", "-l h=n2")),
    ("sge", [{"native": "-q a -q b"}, {}, {}], ("", "", "-q a -q b")),
    ("pbs", [{"native": "-l a=1,b=2"}, {}, {"native": "-l a=3"}], ("", "", "-l b=2 -l a=3")),
    (
        "lsf",
        [{"native": "-R 'select[a] span[ptile=2]'"}, {"native": "-R 'select[b && c]'"}, {"account": "x"}],
        ("", "x", "-R 'span[ptile=2]' -R 'select[b && c]'"),
    ),
]


@pytest.mark.parametrize(("system", "levels", "expected"), MERGED)
def test_the_most_specific_wins(
    system: str, levels: list[dict[str, str]], expected: tuple[str, str, str]
) -> None:
    """Site, processor, task: of options about the same thing the last stands, all others stay."""
    merged = most_specific(system, *(Wishes(**level) for level in levels))

    assert expected == (merged.queue, merged.account, merged.native)
