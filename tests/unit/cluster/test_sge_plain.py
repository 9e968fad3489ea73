"""Polls by plain qstat, which cuts names off: when it is enough, and when the whole listing is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stand_in_commands import StandInCommands

from cci.cluster import JobRef, JobState, open_cluster
from cci.cluster.sge import GridEngineCluster
from cci.cluster.sge_reading import read_plain

NAMES = {"7": "cci-Copy_v1-0123456789abcdef", "8": "cci-Dti", "1234567": "cci-Copy_v1-fedcba9876543210"}


def line(number: str, name: str, state: str, queue: str = "", task: str = "") -> str:
    """Return a job as 8.1.9 prints it with SGE_LONG_QNAMES=40."""
    begin = f"{number:>7} 0.50000 {name[:10]:10} {'averylonguser'[:12]} {state:5}"
    return f"{begin} 11/20/2026 16:58:35 {queue:40} {1:5} {task:8}\n"


PLAIN = "".join(
    (
        "job-ID  prior   name       user         state submit/start at     queue     slots ja-task-ID \n",
        f"{'-' * 123}\n",
        line("7", NAMES["7"], "r", "all.q@node17.cluster.example.org"),
        line("8", NAMES["8"], "hqw"),
        line("1234567", NAMES["1234567"], "dr", "all.q@localhost"),
        line("9", "another", "r", "all.q@localhost"),
        line("10", NAMES["7"], "r", "all.q@localhost", "2"),
    )
)


def test_read_plain() -> None:
    """Jobs of known names are told whole; others, and tasks of an array, are not told."""
    found = [(row.id, row.name, row.state, row.node) for row in read_plain(PLAIN, NAMES)]

    assert [
        ("7", NAMES["7"], JobState.RUNNING, "node17.cluster.example.org"),
        ("8", NAMES["8"], JobState.HELD, ""),
        ("1234567", NAMES["1234567"], JobState.RUNNING, "localhost"),
    ] == found


@pytest.mark.parametrize(
    "names",
    [{"9": "another-job-of-a-longer-name"}, {"8": "cci-Dti-0123"}, {"10": NAMES["7"]}, {"7": "cci-Copy"}],
)
def test_names_that_do_not_fit(names: dict[str, str]) -> None:
    """A job whose name is not the beginning of ours is not told."""
    assert [] == read_plain(PLAIN, names)


def test_letters_that_are_not_known() -> None:
    """A state that means nothing here is not told."""
    assert [] == read_plain(PLAIN.replace(" r ", " y "), {"7": NAMES["7"]})


# -- which of the two is asked for ------------------------------------------------------------


class Site:
    """Stand-in commands that list the same jobs in both forms, and a cluster of them."""

    def __init__(self, folder: Path) -> None:
        self.commands = StandInCommands(folder)
        self.now_s = 0.0
        opened = open_cluster("grid", {"kind": "sge", "commands": str(folder)})
        assert isinstance(opened, GridEngineCluster)
        self.cluster = opened
        self.cluster.clock = lambda: self.now_s

    def lists(self, jobs: dict[str, str], state: str = "r") -> None:
        """Let qstat list jobs by their ids and names."""
        inner = "".join(
            f"<job_list><JB_job_number>{number}</JB_job_number><JB_name>{name}</JB_name>"
            f"<state>{state}</state></job_list>"
            for number, name in jobs.items()
        )
        body = 'case "$*" in *-xml*) ;; *) cat "${0%/*}/plain"; exit;; esac'
        self.commands.answer("qstat", f"<job_info>{inner}</job_info>\n", body=body)
        plain = "".join(line(number, name, state) for number, name in jobs.items())
        (self.commands.folder / "plain").write_text(plain, encoding="ascii")

    def poll(self, jobs: dict[str, str]) -> tuple[list[JobState], str]:
        """Ask for jobs; return their states, and which listings that took: p for plain, x for the whole."""
        before = len(self.commands.calls())
        refs = [JobRef(number, name) for number, name in jobs.items()]
        reports = self.cluster.states(refs)
        taken = self.commands.calls()[before:]
        return [reports[ref].state for ref in refs], "".join("x" if "-xml" in one else "p" for one in taken)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Make a site that lists two jobs of ours."""
    made = Site(tmp_path / "bin")
    made.lists({"7": NAMES["7"], "8": NAMES["8"]})
    return made


OURS = {"7": NAMES["7"], "8": NAMES["8"]}
RUNNING = JobState.RUNNING


def test_known_jobs(site: Site) -> None:
    """The first poll reads names; later ones do without, and see what has changed."""
    first, second = site.poll(OURS), site.poll(OURS)
    site.lists(OURS, "hqw")

    assert ([RUNNING] * 2, "x") == first
    assert ([RUNNING] * 2, "p") == second
    assert ([JobState.HELD] * 2, "p") == site.poll(OURS)


def test_new_job(site: Site) -> None:
    """A job that no listing has named yet is looked for in the whole one."""
    site.poll({"7": NAMES["7"]})
    more = {**OURS, "1234567": NAMES["1234567"]}
    site.lists(more)

    assert ([RUNNING] * 3, "x") == site.poll(more)
    assert ([RUNNING] * 3, "p") == site.poll(more)


def test_job_that_is_gone(site: Site) -> None:
    """That a job is no longer listed is said by the whole listing alone."""
    site.poll(OURS)
    site.lists({"7": NAMES["7"]})

    assert ([RUNNING, JobState.UNKNOWN], "px") == site.poll(OURS)
    assert ([RUNNING], "p") == site.poll({"7": NAMES["7"]})


def test_id_that_is_given_away(site: Site) -> None:
    """A job of another name under our id is not ours, also where the beginnings are alike."""
    other = {"7": NAMES["1234567"]}
    site.poll(OURS)
    site.lists(other)

    assert ([JobState.UNKNOWN], "x") == site.poll({"7": "cci-Dti"})
    assert ([RUNNING], "p") == site.poll(other)
    assert ([JobState.UNKNOWN], "x") == site.poll({"7": NAMES["7"]})


def test_after_a_pause(site: Site) -> None:
    """What was listed long ago proves no names."""
    site.poll(OURS)
    site.now_s = 599.0
    before = site.poll(OURS)
    site.now_s += 600.0

    assert ("p", "x") == (before[1], site.poll(OURS)[1])
