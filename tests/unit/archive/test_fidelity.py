"""The page on fidelity says of every address of the server what it does, and names tests that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from starlette.requests import Request

from cci.archive import browse
from cci.archive.address import Address, parse_address
from cci.archive.auth import GUEST, Authenticator, Login
from cci.archive.errors import Missing
from cci.archive.routes.dispatch import handlers_of
from cci.archive.routes.site import Site
from cci.archive.routes.table import DATA_ROUTES, OTHER_ROUTES
from cci.archive.store.store import Store

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "archive.md"
STATES = {"served", "served differently", "not served"}
_SESSION = (
    "/experiments/{experiment}",
    "/subjects/{subject}/experiments/{experiment}",
    "/projects/{project}/subjects/{subject}/experiments/{experiment}",
)
_PARTS = ("scans/{scan}", "assessors/{assessor}", "reconstructions/{reconstruction}")
_ITEMS = (
    *("/projects/{project}", "/subjects/{subject}", "/projects/{project}/subjects/{subject}"),
    *("/projects/{project}/experiments/{experiment}", *_SESSION),
    *(f"{session}/{part}" for session, part in product(_SESSION, _PARTS)),
)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def spellings(pattern: str) -> Iterator[str]:
    """Yield every address that a pattern with ``{item}`` or ``{session}`` stands for."""
    for word, choices in (("{item}", _ITEMS), ("{session}", _SESSION)):
        if pattern.startswith(word):
            yield from (pattern.replace(word, choice) for choice in choices)
            return
    yield pattern


@cache
def documented() -> dict[str, set[str]]:
    """Return the methods of every address in the table of the tree."""
    return {
        address: set(methods.split())
        for pattern, methods, *_ in rows("Addresses of the tree")
        for address in spellings(pattern)
        # a project cannot be shared, and so its own address takes the word for a stray one
        if not (pattern.startswith("{item}/projects") and _unshareable(address))
    }


def _unshareable(address: str) -> bool:
    item = address.partition("/projects/{other}")[0].removesuffix("/projects")
    return item == "/projects/{project}" or "/scans/" in item or "/reconstructions/" in item


def served(path: str) -> set[str]:
    try:
        return set(handlers_of(parse_address(path)))
    except Missing:
        return set()


def _collections(path: str) -> Iterator[str]:
    known = ("projects", "subjects", "experiments", "scans", "assessors", "reconstructions", "resources")
    for name in (*known, "files"):
        address = parse_address(f"{path}/{name}")
        if address.collection in {name, "shares"} and address.extra == ():
            yield name


def walk(path: str = "") -> Iterator[str]:
    """Yield every kind of address that the server's own parser knows, by asking it."""
    for name in _collections(path):
        below = f"{path}/{name}"
        yield below
        if name == "files" or (name == "projects" and path):
            yield f"{below}/{'{path}' if name == 'files' else '{other}'}"
        elif name == "resources":
            yield from (f"{below}/{{resource}}{more}" for more in ("", "/files", "/files/{path}"))
        else:
            yield f"{below}/{{{name.removesuffix('s')}}}"
            yield from walk(f"{below}/{{{name.removesuffix('s')}}}")


def test_every_address_of_the_tree_is_documented() -> None:
    """Whatever the parser of addresses knows has a row, with the methods that are answered."""
    assert {path: served(path) for path in walk()} == {
        path: methods for path, methods in documented().items() if not _is_attribute(path)
    }


def _is_attribute(path: str) -> bool:
    return bool(parse_address(path).extra)


@pytest.mark.parametrize("path", sorted(path for path in documented() if _is_attribute(path)))
def test_attribute_of_a_project(path: str) -> None:
    """A row for an attribute of a project has the methods that are answered."""
    assert documented()[path] == served(path)


def test_every_other_address_is_documented() -> None:
    """Whatever stands in the tables of routes has a row, with its methods."""
    routes = {f"/data/{path}": set(handlers) for path, handlers in DATA_ROUTES.items()}
    routes |= {re.sub(r":path\}", "}", path): set(handlers) for path, handlers in OTHER_ROUTES.items()}
    shown = {row[0]: set(row[1].split()) for row in rows("Addresses outside the tree")}
    # the form of logins is a route of its own, as it is the only one without a login
    assert {"PUT", "POST"} == shown.pop("/data/services/auth")
    assert routes == shown


async def _nobody(_site: Site, _request: Request) -> Login:
    return Login(user=GUEST)


def test_every_address_of_our_own_is_documented(store: Store) -> None:
    """Whatever the pages for people are at has a row, with its methods."""
    routes = browse.routes(Site(store=store, auth=Authenticator(store.database)), _nobody)
    served = {re.sub(r":path\}", "}", each.path): (each.methods or set()) - {"HEAD"} for each in routes}
    shown = {row[0]: set(row[1].split()) for row in rows("Addresses of the archive's own")}
    assert served == shown


@cache
def _tests() -> frozenset[str]:
    kinds = ("conformance/archive", "conformance/browse", "unit/archive")
    folders = (ROOT / "tests" / kind for kind in kinds)
    return frozenset(
        f"{file.name}::{node.name}"
        for folder in folders
        for file in folder.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    )


@pytest.mark.parametrize(
    "heading",
    ["Addresses of the tree", "Addresses outside the tree", "Addresses of the archive's own", "Rules"],
)
def test_rows_name_a_state_and_a_test(heading: str) -> None:
    """Every row is in one of three states and names a test that exists; none is unknown."""
    wrong = [row[0] for row in rows(heading) if row[-3] not in STATES or row[-1] not in _tests()]
    assert rows(heading)
    assert [] == wrong


def test_nothing_is_both_served_and_not() -> None:
    """What is said to be missing has no row as served."""
    missing = {row[0] for row in rows("What XNAT has and the archive has not")}
    assert missing
    assert set() == missing & {row[0] for row in rows("Addresses outside the tree")}


def test_stray_words_are_the_items_own() -> None:
    """Words behind an item that mean nothing belong to the item, as XNAT's router has it."""
    address = parse_address("projects/P/subjects/S/stray")
    assert Address(project="P", subject="S", level="subjects", extra=("stray",)) == address


def test_all_of_the_catalogue_of_dax_is_replayed() -> None:
    """Each of the 34 kinds of request that DAX makes has a test."""
    numbers = {
        int(number) for name in _tests() if "test_dax" in name for number in re.findall(r"_e(\d+)", name)
    }
    assert set(range(1, 35)) == numbers
