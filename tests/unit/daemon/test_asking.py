"""Site, processor and task say how a cluster is asked; the most specific wins. Nonsense stops its section."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cci import settings as configuration
from cci.cluster.native import Wishes
from cci.daemon.asking import asked_for, script_form
from cci.daemon.loading import load_processors
from cci.daemon.plan import Configured
from cci.processor import Output, Scan, ScanProcessor
from cci.settings import Settings

TEMPLATE = "#!/bin/sh\n{{ header }}\nulimit -c 0\n{{ start }}\n"
#: What the class of the processor in the tests below is written in.
CLASS = """\
from cci.processor import Output, Scan, ScanProcessor

class LabProcessor(ScanProcessor):
    version = "1"
    inputs = [Scan("t1", type=["T1"], resources=["DATA"])]
    outputs = [Output("COPY", "*")]
    spider = "lab"
    queue = "class.q"
    native = {"sge": "-l class=1,both=1", "slurm": "--qos=class"}
"""


class Lab(ScanProcessor):
    """Says what a class may say."""

    version = "1"
    inputs = (Scan("t1", type=["T1"], resources=["DATA"]),)
    outputs = (Output("COPY", "*"),)
    spider = "lab"


def built(folder: Path, clusters: dict[str, Any], **section: Any) -> Settings:
    """Read settings with these clusters and one processor, beside which the class lies."""
    (folder / "lab.py").write_text(CLASS)
    document = {
        "archive": {"url": "https://xnat.example.org"},
        "clusters": clusters,
        "processors": {"lab": {"use": "lab.py:LabProcessor", **section}},
        "projects": {"P": ["lab"]},
    }
    return configuration.build(document, file=folder / "settings.yaml", home=folder / "home")


def problems(read: Settings) -> list[str]:
    """Return all that is wrong."""
    return [str(problem) for problem in (*read.problems, *load_processors(read)[1])]


LEVELS = [
    # site, class, section → queue, account, native
    ({}, {}, {}, ("", "", "")),
    ({"queue": "site"}, {}, {}, ("site", "", "")),
    ({"queue": "site"}, {"queue": "class"}, {}, ("class", "", "")),
    ({"queue": "site"}, {"queue": "class"}, {"queue": "task"}, ("task", "", "")),
    ({"account": "site"}, {}, {"queue": "task"}, ("task", "site", "")),
    ({"native": "-l a=1 -P s"}, {"native": "-l a=2"}, {"native": "-l b=3"}, ("", "", "-P s -l a=2 -l b=3")),
    ({"native": "-l a=1"}, {"native": {"slurm": "--qos=x"}}, {}, ("", "", "-l a=1")),
    ({"native": "-l a=1"}, {"native": {"sge": "-l a=2", "c": "-l a=3"}}, {}, ("", "", "-l a=3")),
    ({"native": "-q site"}, {}, {"queue": "task"}, ("task", "", "")),
]


@pytest.mark.parametrize(("site", "of_class", "of_section", "expected"), LEVELS)
def test_three_levels(
    tmp_path: Path,
    site: dict[str, Any],
    of_class: dict[str, Any],
    of_section: dict[str, Any],
    expected: tuple[str, str, str],
) -> None:
    """What the cluster's section, the processor's class and its section say: the most specific wins."""
    read = built(tmp_path, {"c": {"kind": "sge", **site}}, **of_section)
    configured = Configured(name="lab", processor=Lab(**of_class), cluster="c")
    wishes, _ = asked_for(read, configured, "c")

    assert expected == (wishes.queue, wishes.account, wishes.native)


def test_this_machine_has_no_queues(tmp_path: Path) -> None:
    """The local cluster is asked for nothing by name, whatever a class says."""
    read = built(tmp_path, {"local": {}}, queue="task")

    assert (Wishes(), "") == asked_for(read, load_processors(read)[0]["lab"], "local")


def test_a_section_changes_what_the_class_says(tmp_path: Path) -> None:
    """All that a job asks for can be changed by the site, for each cluster in its own words."""
    read = built(
        tmp_path,
        {"sge": {"kind": "sge", "email": "ops@example.org"}, "slurm": {"kind": "slurm"}},
        cluster=["slurm", "sge"],
        native={"sge": "-l both=2"},
        walltime="1:00:00",
        cores=2,
        gpus=1,
        mpi_slots=4,
    )
    configured = load_processors(read)[0]["lab"]
    processor = configured.processor

    assert ("slurm", ("slurm", "sge")) == (configured.cluster, configured.clusters)
    assert (timedelta(hours=1), 2, 1, 4) == (
        processor.walltime,
        processor.cores,
        processor.gpus,
        processor.mpi_slots,
    )
    assert [
        (Wishes(queue="class.q", native="-l class=1 -l both=2"), "ops@example.org"),
        (Wishes(queue="class.q", native="--qos=class"), ""),
    ] == [asked_for(read, configured, cluster) for cluster in ("sge", "slurm")]


def test_one_cluster_is_a_choice_of_one(tmp_path: Path) -> None:
    """Without a list there is one cluster: the one named, or the first."""
    clusters = {"a": {"kind": "sge"}, "b": {"kind": "sge"}}

    assert [("a",), ("b",)] == [
        load_processors(built(tmp_path, clusters, cluster=name))[0]["lab"].clusters for name in ("", "b")
    ]


WRONG_CLUSTERS = [
    ({"native": "-t 1-10"}, "clusters.c.native: the native option '-t' makes many jobs of one"),
    (
        {"native": "'open"},
        'clusters.c.native: the native options "\'open" cannot be read: No closing quotation',
    ),
    ({"account": "two words"}, "clusters.c: the account 'two words' is no name"),
    ({"template": "gone.j2"}, "clusters.c.template: cannot read the template "),
    ({"template": "lab.py"}, "clusters.c.template: the template does not begin with '#!'"),
]


@pytest.mark.parametrize(("section", "words"), WRONG_CLUSTERS)
def test_a_cluster_that_cannot_be_asked(tmp_path: Path, section: dict[str, Any], words: str) -> None:
    """Its mistake is told by name, and so is what can run nowhere else; what can is not touched."""
    read = built(tmp_path, {"c": {"kind": "sge", **section}, "d": {"kind": "sge"}})
    alone = problems(read)
    both = built(tmp_path, {"c": {"kind": "sge", **section}, "d": {"kind": "sge"}}, cluster=["c", "d"])

    assert [words, "processors.lab: its cluster c takes no new jobs, as its section is wrong"] == [
        alone[0][: len(words)],
        alone[1],
    ]
    assert ("d",) == load_processors(both)[0]["lab"].clusters


WRONG_PROCESSORS = [
    ({"cluster": "slrum"}, "processors.lab: there is no cluster 'slrum'; did you mean 'slurm'?"),
    ({"cluster": ["slurm", "x"]}, "processors.lab: there is no cluster 'x'"),
    ({"native": "--array=1-9"}, "processors.lab: the native option '--array=1-9' makes many jobs of one"),
    ({"queue": {"slurmm": "x"}}, "processors.lab: queue: there is no cluster or batch system 'slurmm'"),
    ({"account": "a b"}, "processors.lab: the account 'a b' is no name"),
    ({"gpus": -1}, "processors.lab.gpus: must be at least 0, not -1"),
]


@pytest.mark.parametrize(("section", "words"), WRONG_PROCESSORS)
def test_a_processor_that_cannot_ask(tmp_path: Path, section: dict[str, Any], words: str) -> None:
    """A processor whose words its cluster would refuse is left out, with the reason."""
    told = problems(built(tmp_path, {"slurm": {"kind": "slurm"}}, **section))

    assert [words] == [one[: len(words)] for one in told]


WRONG_WORDS = [
    ({"kind": "slurm", "memory_resource": "h_vmem"}, "has memory_resource, which slurm does not know"),
    ({"kind": "sge", "torque": True}, "has torque, which sge does not know"),
    ({"kind": "drmaa", "system": "lsf", "gpu_resource": "g"}, "has gpu_resource, which lsf does not know"),
    ({"kind": "sge", "memory_per": "core"}, "memory_per: must be 'slot' or 'job', not 'core'"),
]


@pytest.mark.parametrize(("section", "words"), WRONG_WORDS)
def test_words_of_another_system(tmp_path: Path, section: dict[str, Any], words: str) -> None:
    """A setting that only another batch system knows is refused, and not passed over."""
    told = [str(one) for one in built(tmp_path, {"c": section, "local": {}}).problems]

    assert [words] == [
        one.removeprefix("clusters.c.").removeprefix("clusters.c: ")[: len(words)] for one in told
    ]


def test_a_template_lies_beside_the_settings(tmp_path: Path) -> None:
    """A relative path starts from the folder of the settings file; each script is made by it."""
    (tmp_path / "site.j2").write_text(TEMPLATE)
    read = built(tmp_path, {"c": {"kind": "sge", "template": "site.j2", "parallel_environment": "threads"}})
    form = script_form(read, "c", "sge")

    assert [] == problems(read)
    assert (tmp_path / "site.j2", "threads") == (form.template, form.site.parallel_environment)
