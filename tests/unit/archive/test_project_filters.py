"""The filters that the list of projects has of its own."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def bob(world: Any) -> Any:
    """Someone who owns O, is member of M, collaborator of C, reads public U and not private X."""
    person = world.person("bob")
    for name in ("M", "C", "U", "X"):
        world.put(f"projects/{name}")
    person.put("projects/O")
    world.put("projects/M/users/Members/bob")
    world.put("projects/C/users/Collaborators/bob")
    world.put("projects/U/accessibility/public")
    return person


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, "CMOU"),
        ({"owner": "true"}, "O"),
        ({"member": "true"}, "M"),
        ({"collaborator": "true"}, "C"),
        ({"owner": "true", "member": "true"}, "MO"),
        ({"accessible": "true"}, "CMOU"),
        ({"data": "readable"}, "CMOU"),
        ({"data": "writable"}, "MO"),
        ({"restrict": "edit"}, "MO"),
        ({"restrict": "delete"}, "O"),
        ({"permissions": "edit", "dataType": "xnat:mrSessionData"}, "MO"),
        ({"data": "writable", "owner": "true"}, "O"),
        ({"recent": "1"}, "CMOU"),
        ({"activeSince": "2000-01-01"}, "CMOU"),
        ({"activeSince": "12/31/2999"}, ""),
    ],
)
def test_by_role(bob: Any, filters: dict[str, str], ids: str) -> None:
    """Roles add up; role, right and time must all hold."""
    assert list(ids) == sorted(row["ID"] for row in bob.get("projects", **filters).rows)


def test_administrators_have_every_right(world: Any, bob: Any) -> None:
    """An administrator may write everywhere, and has only the roles that were given."""
    assert bob.get("projects/O").status == 200
    ids = [row["ID"] for row in world.get("projects", data="writable").rows]
    own = [row["ID"] for row in world.get("projects", owner="true").rows]
    assert (["C", "M", "O", "U", "X"], ["C", "M", "U", "X"]) == (sorted(ids), sorted(own))


@pytest.mark.parametrize("filters", [{"data": "mine"}, {"recent": "x"}, {"activeSince": "yesterday"}])
def test_meaningless(bob: Any, filters: dict[str, str]) -> None:
    """A filter that cannot be read is refused, and not ignored: the list would be too long."""
    assert 400 == bob.get("projects", **filters).status
