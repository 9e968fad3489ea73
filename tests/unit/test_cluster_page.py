"""The page on clusters is true: what it shows can be used, and what it lists is what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cci import settings
from cci.cluster.base import JobSpec
from cci.cluster.native import Wishes, most_specific
from cci.cluster.options import MARGIN_S
from cci.cluster.scripts import PREFIXES, render_script
from cci.cluster.templates import render_template, variables
from cci.daemon.loading import load_processors

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "clusters.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES: list[dict[str, Any]] = [yaml.safe_load(text) for text in _BLOCKS]
PLACE = Path("/data/1")
JOB = JobSpec(
    name="cci-Echo_v1-0123456789abcdef",
    directory=PLACE,
    script=PLACE / "script.sh",
    output_log=PLACE / "batch.log",
    walltime_s=3600,
    memory_mb=1000,
    cores=10,
    gpus=1,
    mpi_slots=2,
    queue="q",
    account="a",
    email="ops@example.org",
    avoid=("n1",),
    priority=-1,
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(iter(example["clusters"])))
def test_every_example_can_be_used(example: dict[str, Any]) -> None:
    """Each example is a whole section that nothing is wrong with."""
    read = settings.build({"archive": {"url": "https://x"}, **example, "projects": {"P": ["dti_qa"]}})

    assert ((), []) == (read.problems, load_processors(read)[1])


def test_the_example_of_three_levels() -> None:
    """The options that the page promises come out of the settings above them."""
    section = EXAMPLES[-1]
    site, task = section["clusters"]["sge"], section["processors"]["freesurfer"]
    merged = most_specific("sge", *(Wishes(queue=one["queue"], native=one["native"]) for one in (site, task)))
    promised = re.search(r"FreeSurfer asks for `-q (\S+) ([^`]*)`", PAGE)

    assert promised is not None
    assert promised.groups() == (merged.queue, merged.native)


def test_the_template_works() -> None:
    """The example of a template makes a script, with the site's lines in it."""
    found = re.search(r"```jinja\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    script = render_template(found[1], JOB, python="python3", dialect="slurm")

    assert ["module load apptainer", "ulimit -u 65536"] == [
        line for line in script.splitlines() if line.startswith(("module", "ulimit"))
    ]


def test_the_names_of_a_template() -> None:
    """Every name that a template may use is listed, and no other."""
    table = PAGE.partition("| name | is |")[2].partition("\n\n")[0]

    assert set(variables(JOB, "python3", "slurm")) == set(re.findall(r"`(\w+)`", _first_column(table)))


def _first_column(table: str) -> str:
    return " ".join(line.split("|")[1] for line in table.splitlines() if line.count("|") >= 3)


@pytest.mark.parametrize(("column", "dialect"), [*enumerate(("sge", "slurm", "pbs", "lsf"), start=2)])
def test_the_table_of_options(column: int, dialect: str) -> None:
    """Every option in the table of what is asked stands in a script that asks for everything."""
    table = PAGE.partition("| of the job |")[2].partition("\n\n")[0]
    cells = [line.split("|")[column] for line in table.splitlines()[2:]]
    script = render_script(JOB, python="python3", dialect=dialect)
    script += render_script(
        JobSpec(**{**vars(JOB), "mpi_slots": 0, "avoid": ()}), python="python3", dialect=dialect
    )
    asked = {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}

    assert len(cells) == 11
    assert set() == {word for word in asked if _core(word) not in script.replace("'", "")}


def _core(word: str) -> str:
    """Return the part of an option in the table that does not depend on the job."""
    return word.replace(" N", " ").partition("(…")[0].partition("…")[0]


def test_the_margin() -> None:
    """The page says by how much the batch system waits longer than the runner."""
    assert "two minutes more" in " ".join(PAGE.split())
    assert 120 == MARGIN_S


def test_the_signs() -> None:
    """The page names what header lines begin with."""
    assert [] == [sign for sign in PREFIXES.values() if f"`{sign}`" not in PAGE]
