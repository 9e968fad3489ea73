"""What a settings section of kind ``drmaa`` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cci.cluster import drmaa_settings
from cci.cluster.drmaa_settings import child_environment, commands_section, contact_file, read_section
from cci.errors import SettingsError

OURS = {
    "PATH": "/opt/bin:/bin",
    "HOME": "/home/lab",
    "CCI_XNAT_PASSWORD": "secret",
    "SGE_ROOT": "/opt/sge",
    "LANG": "de_DE.ISO-8859-1",
    "SLURM_JOB_ID": "12",
}


def environment(ours: dict[str, str] | None = None, **section: Any) -> dict[str, str]:
    """Return the child's environment."""
    return child_environment(
        read_section("big", {"kind": "drmaa", **section}), OURS if ours is None else ours
    )


@pytest.fixture(autouse=True)
def debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Put the library where no test machine has it or lacks it."""
    place = tmp_path / "libdrmaa.so.1.0"
    monkeypatch.setattr(drmaa_settings, "DEBIAN", {"sge": place})
    return place


def test_environment() -> None:
    """The child gets what a library needs, in UTF-8, and nothing else of ours."""
    assert {
        "PATH": "/opt/bin:/bin",
        "HOME": "/home/lab",
        "SGE_ROOT": "/opt/sge",
        "LC_ALL": "C.UTF-8",
        "GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=8192",
        "SLURM_DRMAA_USE_SLURMDBD": "1",
    } == environment()


def test_settings_win() -> None:
    """What the section sets replaces what is inherited, but not the encoding."""
    told = environment(environment={"SGE_ROOT": "/other", "SGE_CELL": "lab", "LC_ALL": "C"})

    assert ("/other", "lab", "C.UTF-8") == (told["SGE_ROOT"], told["SGE_CELL"], told["LC_ALL"])


@pytest.mark.parametrize(
    ("ours", "section", "expected"),
    [
        ("", {}, "glibc.rtld.optional_static_tls=8192"),
        (
            "glibc.malloc.check=3",
            {},
            "glibc.malloc.check=3:glibc.rtld.optional_static_tls=8192",
        ),
        (
            "glibc.malloc.check=3",
            {"GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=512"},
            "glibc.rtld.optional_static_tls=512",
        ),
    ],
)
def test_tunables(ours: str, section: dict[str, str], expected: str) -> None:
    """The tunable is added to those that are set, and stays as it is where somebody set it."""
    told = environment({"GLIBC_TUNABLES": ours}, environment=section)

    assert expected == told["GLIBC_TUNABLES"]


@pytest.mark.parametrize(
    ("section", "ours", "expected"),
    [
        ({"library": "/opt/libdrmaa.so"}, {"DRMAA_LIBRARY_PATH": "/a"}, "/opt/libdrmaa.so"),
        ({"environment": {"DRMAA_LIBRARY_PATH": "/b"}}, {"DRMAA_LIBRARY_PATH": "/a"}, "/b"),
        ({}, {"DRMAA_LIBRARY_PATH": "/a"}, "/a"),
        ({}, {}, None),
    ],
)
def test_library(section: dict[str, Any], ours: dict[str, str], expected: str | None) -> None:
    """The library is named by the section, its environment, or ours, in this order."""
    assert expected == environment(ours, **section).get("DRMAA_LIBRARY_PATH")


def test_library_of_debian(debian: Path) -> None:
    """Without a name it is Debian's, for the system that Debian has one for."""
    debian.touch()

    assert str(debian) == environment({})["DRMAA_LIBRARY_PATH"]
    assert "DRMAA_LIBRARY_PATH" not in environment({}, system="slurm")


def test_commands() -> None:
    """The commands of the same system get the section without what is the library's."""
    section = {"kind": "drmaa", "system": "slurm", "call_s": 5, "queue": "long", "environment": {"A": "b"}}

    assert {"kind": "slurm", "queue": "long", "environment": {"A": "b"}} == commands_section(section, "slurm")


@pytest.mark.parametrize("name", ["big", "../big", "a/b"])
def test_contact_file(name: str, tmp_path: Path) -> None:
    """The contact of each cluster lies in the spool, whatever the cluster is called."""
    place = contact_file(name, {"spool": tmp_path})

    assert place is not None
    assert (tmp_path, ".contact") == (place.parent, place.suffix)
    assert None is contact_file(name, {})


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"system": "condor"}, "clusters.big.system"),
        ({"call_s": 0}, "clusters.big.call_s"),
        ({"slots": 4}, "clusters.big.slots"),
    ],
)
def test_mistakes(section: dict[str, Any], sentence: str) -> None:
    """A mistake names its key."""
    with pytest.raises(SettingsError, match=sentence):
        read_section("big", {"kind": "drmaa", **section})
