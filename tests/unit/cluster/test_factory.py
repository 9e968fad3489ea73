"""Clusters are made from settings sections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cci.cluster import open_cluster
from cci.cluster.local import LocalCluster
from cci.cluster.native import Wishes
from cci.cluster.site import SiteOptions
from cci.errors import SettingsError


def test_local(tmp_path: Path) -> None:
    """The kind chooses the back-end, which gets the other keys."""
    settings = {"kind": "local", "spool": str(tmp_path), "slots": 3, "memory_mb": 500}
    cluster = open_cluster("here", settings)

    assert isinstance(cluster, LocalCluster)
    assert ("here", 3, 500) == (cluster.name, cluster.slots, cluster.memory_mb)


def test_local_takes_the_machine(tmp_path: Path) -> None:
    """Without limits a local cluster has the machine's cores and most of its memory."""
    cluster = open_cluster("here", {"kind": "local", "spool": tmp_path, "slots": None})

    assert isinstance(cluster, LocalCluster)
    assert cluster.slots >= 1
    assert cluster.memory_mb >= 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "clusters.here.kind is '', which is no kind of cluster"),
        ({"kind": "cloud"}, "clusters.here.kind is 'cloud', which is no kind of cluster"),
        ({"kind": "local"}, "clusters.here lacks spool"),
        ({"kind": "local", "spool": "x", "slotz": 1}, "clusters.here does not know slotz"),
        (
            {"kind": "local", "spool": "x", "slots": 0},
            "clusters.here: slots and memory_mb must be at least 1, grace_s at least 0",
        ),
    ],
)
def test_mistakes(settings: dict[str, Any], message: str) -> None:
    """A mistake in a section is told with the key's path."""
    with pytest.raises(SettingsError) as refused:
        open_cluster("here", settings)

    assert message == refused.value.message


def test_a_cluster_knows_how_its_site_asks() -> None:
    """What the section says of every job goes with the cluster, for who has no other way to know."""
    words = {"queue": "long", "account": "lab", "native": "-l arch=lx-amd64"}
    settings = {"kind": "sge", "parallel_environment": "threads", **words}
    cluster = open_cluster("here", settings)

    expected = (SiteOptions(parallel_environment="threads"), Wishes(**words))
    assert expected == (cluster.site, cluster.wishes)


def test_this_machine_is_asked_for_nothing_by_name(tmp_path: Path) -> None:
    """The local cluster has no words of its own."""
    assert Wishes() == open_cluster("here", {"kind": "local", "spool": tmp_path}).wishes
