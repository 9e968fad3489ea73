"""What the doctor makes of a batch system's configuration, and of an interpreter that loads spiders."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cci.cluster.local import LocalCluster
from cci.daemon.doctor_desk import Desk
from cci.daemon.doctor_others import (
    LSF_COMMANDS,
    PBS_COMMANDS,
    examine_local,
    examine_lsf,
    examine_pbs,
    judge_history,
)
from cci.daemon.doctor_sge import (
    MOST_CLIENTS,
    count_clients,
    judge_books,
    judge_clients,
    judge_environments,
    judge_memory,
    judge_notice,
    most_clients,
)
from cci.daemon.doctor_slurm import judge_books as judge_slurm_books
from cci.daemon.doctor_slurm import judge_queue, read_configuration
from cci.daemon.doctor_spiders import examine_spiders, load
from cci.daemon.plan import Configured
from cci.processor import Output, Scan, ScanProcessor
from cci.settings import CommandClusterSettings, Timing


class Parallel(ScanProcessor):
    """A processor that wants more than one core."""

    version = "1"
    inputs = (Scan("image", resources=["DATA"]),)
    outputs = (Output("TEXT"),)
    walltime = timedelta(hours=1)
    spider = "wanted_spider"
    cores = 4
    memory_mb = 4000
    mpi_slots = 2


PARALLEL = Configured(name="parallel", processor=Parallel(), cluster="site")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A cluster with one processor; its commands are not run here."""
    return Desk(
        name="site",
        section=CommandClusterSettings(kind="sge"),
        cluster=LocalCluster("site", tmp_path, slots=2, memory_mb=1000),
        processors=(PARALLEL,),
        timing=Timing(),
    )


def asked(desk: Desk, **section: str) -> Desk:
    """Return the cluster with another section."""
    return replace(desk, section=CommandClusterSettings.model_validate({"kind": "sge", **section}))


# -- Grid Engine ----------------------------------------------------------------------------------------

#: As ``qconf -secl`` of 8.1.9 prints it.
CLIENTS = """\
      ID NAME            HOST
--------------------------------------------------
       1 scheduler       login1
    1001 drmaa           login1
    1002 qsub            login2
"""


def test_event_clients(desk: Desk) -> None:
    """Clients are counted against their most; near it, that is worth a note."""
    assert (3, 0) == (count_clients(CLIENTS), count_clients(""))
    assert (MOST_CLIENTS, 99) == (
        most_clients("qmaster_params   none"),
        most_clients("qmaster_params   ENABLE_FORCED_QDEL=true,MAX_DYN_EC=99"),
    )
    assert ["ok", "warn"] == [judge_clients(desk, count, 99).verdict for count in (79, 80)]
    assert "80 of at most 99" in judge_clients(desk, 80, 99).detail


@pytest.mark.parametrize(
    ("parameters", "verdict", "words"),
    [
        ("accounting=true reporting=false flush_time=00:00:15", "ok", "15 s late"),
        ("accounting=true flush_time=00:00:15 accounting_flush_time=00:00:00", "ok", "0 s late"),
        ("accounting=true flush_time=01:00:00", "warn", "3600 s late"),
        ("accounting=false reporting=false", "warn", "keeps no accounting"),
    ],
)
def test_books_of_grid_engine(desk: Desk, parameters: str, verdict: str, words: str) -> None:
    """Books that are kept in time are good; late or missing ones are told, with what to set."""
    found = judge_books(desk, f"reporting_params             {parameters}\n")

    assert verdict == found.verdict
    assert words in found.detail
    assert (verdict == "warn") == ("reporting_params" in found.hint)


def test_parallel_environments(desk: Desk) -> None:
    """A parallel environment is only looked for where a processor needs it."""
    lacking = [one.detail for one in judge_environments(desk, ["make"])]

    assert [
        "there is no parallel environment 'smp', which parallel needs",
        "there is no parallel environment 'mpi', which parallel needs",
    ] == lacking
    assert [] == list(judge_environments(desk, ["mpi", "smp"]))
    assert [] == list(judge_environments(replace(desk, processors=()), []))


#: Lines of ``qconf -sc``.
COMPLEXES = """\
#name               shortcut   type      relop requestable consumable default  urgency
#--------------------------------------------------------------------------------------
h_vmem              h_vmem     MEMORY    <=    YES         JOB        0        0
mem_free            mf         MEMORY    <=    YES         YES        0        0
mem_total           mt         MEMORY    <=    YES         NO         0        0
"""


@pytest.mark.parametrize(
    ("resource", "verdict", "words"),
    [
        ("mem_free", "ok", "counted for each slot"),
        ("mf", "ok", "counted for each slot"),
        ("h_vmem", "ok", "counted for each job"),
        ("mem_total", "ok", "not counted"),
        ("mem_fre", "fail", "there is no resource 'mem_fre'"),
    ],
)
def test_memory_resource(desk: Desk, resource: str, verdict: str, words: str) -> None:
    """A resource that there is not would have every job refused."""
    (found,) = judge_memory(asked(desk, memory_resource=resource), COMPLEXES)

    assert verdict == found.verdict
    assert words in found.detail


def test_no_memory_resource(desk: Desk) -> None:
    """A site that asks for none is not told of it."""
    assert [] == list(judge_memory(asked(desk, memory_resource=""), COMPLEXES))


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        ("00:00:60", []),
        ("00:00:60,[n7=00:01:00]", []),
        ("00:00:00", ["long.q kills a job 0 s after it is told, so that no exit record is left"]),
        (
            "00:00:60,\\\n                      [n7=00:00:05]",
            ["long.q kills a job 5 s after it is told, so that no exit record is left"],
        ),
        ("NONE", []),
    ],
)
def test_notice_of_queues(desk: Desk, notify: str, expected: list[str]) -> None:
    """A queue that gives no time between telling a job and killing it is worth a note."""
    queues = f"qname  all.q\nnotify  00:00:60\nh_rt 0:0:1\n\nqname  long.q\nnotify  {notify}\n"

    assert expected == [found.detail for found in judge_notice(desk, queues)]


# -- Slurm ----------------------------------------------------------------------------------------------


def configured(**changes: str) -> str:
    """Return lines of ``scontrol show config``."""
    lines = {
        "AccountingStorageType": "accounting_storage/none",
        "JobCompType": "jobcomp/none",
        "JobCompLoc": "/var/log/jobcomp.log",
        "MinJobAge": "300 sec",
    }
    shown = "".join(f"{name:<23} = {value}\n" for name, value in {**lines, **changes}.items())
    return f"Configuration data as of 2026-03-01T12:00:00\n{shown}\nSlurmctld(primary) at host is UP\n"


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "ok", "MinJobAge 300 s"),
        ({"MinJobAge": "261 sec"}, "ok", "MinJobAge 261 s"),
        ({"MinJobAge": "260 sec"}, "warn", "MinJobAge 260 s"),
        ({"MinJobAge": "0 sec"}, "ok", "MinJobAge 0 s"),
        ({"AccountingStorageType": "accounting_storage/slurmdbd"}, "ok", "kept by slurmdbd"),
        ({"JobCompType": "jobcomp/filetxt"}, "ok", "kept by jobcomp/filetxt (/var/log/jobcomp.log)"),
    ],
)
def test_books_of_slurm(desk: Desk, changes: dict[str, str], verdict: str, words: str) -> None:
    """Without books, the controller must remember a job while it may be missed: by default it does."""
    found = judge_slurm_books(desk, read_configuration(configured(**changes)))

    assert verdict == found.verdict
    assert words in found.detail
    assert (verdict == "warn") == ("after 260 s" in found.hint)


@pytest.mark.parametrize(
    ("queue", "expected"),
    [("", []), ("main", []), ("main,long", []), ("nope", ["there is no partition 'nope'"])],
)
def test_partitions(desk: Desk, queue: str, expected: list[str]) -> None:
    """The partition that jobs go to must be there; several may be named."""
    assert expected == [one.detail for one in judge_queue(asked(desk, queue=queue), ["main", "long"])]


# -- the others -----------------------------------------------------------------------------------------


def stand_in(folder: Path, names: tuple[str, ...], answer: str) -> Path:
    """Make commands that are stand-ins for a batch system's: all do the same."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
        (folder / name).chmod(0o700)
    return folder


OTHERS = {
    "pbs": (examine_pbs, PBS_COMMANDS, ["commands ok", "controller ok", "accounting ok"]),
    "lsf": (examine_lsf, LSF_COMMANDS, ["commands ok", "controller ok"]),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_pbs_and_lsf(desk: Desk, tmp_path: Path, kind: str) -> None:
    """Commands that are there and a server that answers are told; one that does not is, with what it said."""
    examine, names, looks = OTHERS[kind]

    def found(folder: Path) -> list[str]:
        section = CommandClusterSettings.model_validate({"kind": kind, "commands": folder})
        told = examine(replace(desk, section=section))
        return [f"{one.name.removeprefix('cluster site: ')} {one.verdict}" for one in told]

    answers = stand_in(tmp_path / "answers", names, "echo job_history_enable = True")
    silent = stand_in(tmp_path / "silent", names, "echo 'Connection refused' >&2; exit 111")
    some = stand_in(tmp_path / "some", names[:1], "true")

    assert looks == found(answers)
    assert ["commands ok", "controller fail"] == found(silent)
    assert ["commands fail"] == found(some)


@pytest.mark.parametrize(
    ("server", "verdict"),
    [
        ("    job_history_enable = True\n    job_history_duration = 336:00:00\n", "ok"),
        ("    job_history_enable = False\n", "warn"),
        ("    keep_completed = 300\n", "ok"),
        ("    keep_completed = 0\n", "warn"),
        ("", "warn"),
    ],
)
def test_history_of_pbs(desk: Desk, server: str, verdict: str) -> None:
    """A server that forgets ended jobs at once is worth a note."""
    assert verdict == judge_history(desk, f"Server: pbs\n    server_state = Active\n{server}").verdict


def test_more_than_this_machine_has(desk: Desk) -> None:
    """A processor that asks for more than the local cluster hands out is told of, with the settings."""
    found = list(examine_local(desk))

    assert [
        "asks for 4 cores, and cluster site has 2 in all",
        "asks for 4000 MB of memory, and cluster site has 1000 in all",
    ] == [one.detail for one in found]
    assert "give processors.parallel less, or clusters.site.slots more" == found[0].hint


# -- spiders --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("print('cci-doctor:')", None),
        (
            "import no_such_package.inner",
            "cannot load its spider wanted_spider: it lacks the module no_such_package",
        ),
        ("raise OSError('no licence')", "cannot load its spider wanted_spider: OSError: no licence"),
        ("import sys; sys.exit(3)", "cannot load its spider wanted_spider: SystemExit: 3"),
        ("import os; os._exit(7)", "dies when it loads its spider wanted_spider: exit status 7"),
        (
            "import os, sys; sys.stderr.write('Illegal instruction\\n'); sys.stderr.flush(); os.abort()",
            "dies when it loads its spider wanted_spider: Illegal instruction",
        ),
    ],
)
def test_loading_a_spider(tmp_path: Path, text: str, expected: str | None) -> None:
    """What a spider lacks is told by name; one that ends the interpreter ends only that."""
    (tmp_path / "wanted_spider.py").write_text(text, encoding="utf-8")

    assert expected == load(sys.executable, str(tmp_path), "wanted_spider")


def test_a_spider_that_is_not_there(tmp_path: Path) -> None:
    """A spider, or the package that it is in, which is not found is told as such."""
    assert "does not find its spider wanted_spider" == load(sys.executable, str(tmp_path), "wanted_spider")
    assert "does not find its spider lab.dti" == load(sys.executable, "", "lab.dti")


def test_spiders_of_a_cluster(tmp_path: Path) -> None:
    """Every processor whose spider cannot be loaded is told of; if all can, that is one line."""
    two = [replace(PARALLEL, name=name, search_path=str(tmp_path)) for name in ("one", "two")]
    lacking = list(examine_spiders("cluster site", sys.executable, two))
    (tmp_path / "wanted_spider.py").touch()
    found = list(examine_spiders("cluster site", sys.executable, two))

    assert [("processor one", "fail"), ("processor two", "fail")] == [
        (one.name, one.verdict) for one in lacking
    ]
    assert "as python of the cluster site" in lacking[0].hint
    assert [("cluster site", "ok")] == [(one.name, one.verdict) for one in found]
    assert [] == list(examine_spiders("cluster site", sys.executable, []))
