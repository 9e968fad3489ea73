"""An archive whose tables are in a real PostgreSQL: whose database it is, and one server at a time."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from support.archive import running_archive
from support.fill import Fill
from support.postgres import Postgres, execute
from support.rest import Rest

from cci.archive.errors import BadRequest, Collision
from cci.archive.store import accounts, schema, whereabouts, writing
from cci.archive.store.accounts import find_user
from cci.archive.store.items import find_project
from cci.archive.store.postgresql import Displaced
from cci.archive.store.store import Store
from cci.archive.store.writing import Stamp
from cci.errors import UsageError

STAMP = Stamp(user="admin", now="2026-01-02 03:04:05.678")


def break_connections(url: str) -> None:
    """Do to the archive what a restart of the database does."""
    there = f"datname = '{make_url(url).database}' AND pid <> pg_backend_pid()"
    execute(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {there}")


def add_project(store: Store, name: str) -> None:
    with store.database.write() as connection:
        writing.create_project(connection, name, {}, STAMP)


def has_project(store: Store, name: str) -> bool:
    with store.database.read() as connection:
        return find_project(connection, name) is not None


# -- whose it is ------------------------------------------------------------------------------------


def test_folder_remembers(tmp_path: Path, url: str) -> None:
    """The address is given once; afterwards the folder knows it, without a password."""
    root = tmp_path / "archive"
    secret = make_url(url).set(password="s3cret").render_as_string(hide_password=False)
    first = Store(root, database=secret)
    add_project(first, "P")
    first.close()
    again = Store(root)
    found = has_project(again, "P")
    again.close()
    kept = (root / whereabouts.MEMORY).read_text()
    assert (True, False, False) == (found, "s3cret" in kept, (root / "archive.db").exists())


def test_database_of_another_folder(store: Store, url: str, tmp_path: Path) -> None:
    """A database is served with the folder that it belongs to, and with no other."""
    store.close()
    with pytest.raises(UsageError, match="belongs to an archive in another folder"):
        Store(tmp_path / "other", database=url)
    assert not (tmp_path / "other" / whereabouts.MEMORY).exists()


def test_folder_of_another_database(store: Store, postgres: Postgres) -> None:
    """A folder that has a database takes no empty one in its place."""
    store.close()
    with pytest.raises(UsageError, match="is empty, and this folder belongs to an archive that exists"):
        Store(store.root, database=postgres.new_database())


def test_something_else(url: str, tmp_path: Path) -> None:
    """A database with other tables in it is left alone."""
    execute(url, "CREATE TABLE project (name text)")
    with pytest.raises(UsageError, match="holds something else: project"):
        Store(tmp_path / "archive", database=url)


def test_lost_database(store: Store, url: str) -> None:
    """Where there are files, an empty database is not taken for a new one."""
    with store.blobs.create() as writer:
        writer.write(b"x")
        writer.finish()
    store.close()
    execute(url, "DROP SCHEMA public CASCADE")
    execute(url, "CREATE SCHEMA public")
    with pytest.raises(UsageError, match="is empty"):
        Store(store.root)


def test_interrupted_start(store: Store, url: str) -> None:
    """A first start that ended before the tables were made is made good by the next one."""
    store.close()
    execute(url, "DROP SCHEMA public CASCADE")
    execute(url, "CREATE SCHEMA public")
    again = Store(store.root)
    found = has_project(again, "P")
    again.close()
    assert not found


def test_other_version(store: Store, url: str) -> None:
    """Tables of another version are refused, not misread."""
    store.close()
    execute(url, "UPDATE archive SET version = 99")
    with pytest.raises(UsageError, match="schema version 99"):
        Store(store.root)


def test_older_version(store: Store, url: str) -> None:
    """Tables of an older version are brought up to date when the archive is served, and not before."""
    add_project(store, "P")
    store.close()
    execute(url, "UPDATE archive SET version = 1")
    execute(url, "DROP TABLE alias_token")
    with pytest.raises(UsageError, match="schema version 1"):
        whereabouts.open_database(store.root, prepare=False)
    again = Store(store.root)
    with again.database.read() as connection:
        tokens = connection.execute(select(func.count()).select_from(schema.alias_token)).scalar_one()
    found = has_project(again, "P")
    again.close()
    whereabouts.open_database(store.root, prepare=False).close()
    assert (0, True) == (tokens, found)


def test_encoding(url: str, tmp_path: Path) -> None:
    """A database that cannot hold every name is refused."""
    name = "latin"
    execute(url, f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    latin = make_url(url).set(database=name).render_as_string()
    with pytest.raises(UsageError, match="keeps texts as LATIN1"):
        Store(tmp_path / "archive", database=latin)


# -- one server at a time ---------------------------------------------------------------------------


def test_second_server(store: Store, url: str, tmp_path: Path) -> None:
    """Two servers on one database are refused, also from a copy of the folder."""
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / whereabouts.MEMORY).write_bytes((store.root / whereabouts.MEMORY).read_bytes())
    with pytest.raises(UsageError, match="another server works on the database"):
        Store(copy, database=url)


def test_lock_ends_with_the_server(tmp_path: Path, url: str) -> None:
    """A server that was killed does not keep the next one out."""
    with running_archive(tmp_path / "archive", database=url) as running:
        with Rest(running.url, running.auth) as rest:
            rest.put("/data/projects/P").raise_for_status()
        running.kill()
        running.start()
        with Rest(running.url, running.auth) as rest:
            assert 200 == rest.get("/data/projects/P").status_code


def test_database_restarts(store: Store, url: str, tmp_path: Path) -> None:
    """After the database was away everything goes on, and the lock is ours again."""
    add_project(store, "P")
    break_connections(url)
    add_project(store, "Q")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / whereabouts.MEMORY).write_bytes((store.root / whereabouts.MEMORY).read_bytes())
    assert has_project(store, "Q")
    with pytest.raises(UsageError, match="another server works"):
        Store(copy, database=url)


def test_displaced(store: Store, url: str) -> None:
    """A server whose lock was lost unawares writes nothing once another one has begun."""
    execute(url, "UPDATE archive SET server = 'another'")
    with pytest.raises(Displaced):
        add_project(store, "P")
    assert not has_project(store, "P")


# -- what it keeps ----------------------------------------------------------------------------------


def test_one_state(store: Store) -> None:
    """A reader sees what was there when it began, however long it reads."""
    add_project(store, "P")
    with store.database.read() as connection:
        before = find_project(connection, "P") is not None
        add_project(store, "Q")
        assert (True, None) == (before, find_project(connection, "Q"))
    assert has_project(store, "Q")


def test_reader_cannot_write(store: Store) -> None:
    """A reader's transaction is read-only."""
    with store.database.read() as connection, pytest.raises(Exception, match="read-only"):
        accounts.set_password(connection, "u", "p", admin=False)


def test_durable(store: Store, url: str) -> None:
    """What is acknowledged is on disk, also where the database is told not to wait for it."""
    store.close()
    execute(url, f"ALTER DATABASE {make_url(url).database} SET synchronous_commit = off")
    again = Store(store.root)
    with again.database.write() as connection:
        found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
    again.close()
    assert found == "on"


def test_failed_write_leaves_nothing(store: Store) -> None:
    """A transaction in which a value cannot be stored is refused and undone."""

    def fail() -> None:
        with store.database.write() as connection:
            accounts.set_password(connection, "u", "p", admin=False)
            accounts.set_password(connection, "with a \0", "p", admin=False)

    with pytest.raises(BadRequest, match="NUL"):
        fail()
    with store.database.read() as connection:
        assert find_user(connection, "u") is None


def test_together(store: Store) -> None:
    """Of writes that share a commit, one that fails takes nothing from the others."""

    def collide() -> None:
        with store.database.part():
            add_project(store, "P")

    with store.database.together():
        add_project(store, "P")
        with pytest.raises(Collision):
            collide()
        add_project(store, "Q")
    assert (True, True) == (has_project(store, "P"), has_project(store, "Q"))


def test_broken_together(store: Store, url: str) -> None:
    """Writes that share a commit are told all if the database goes away before it, and none is there."""

    def write() -> None:
        with store.database.together():
            add_project(store, "P")
            break_connections(url)

    with pytest.raises(OperationalError):
        write()
    assert not has_project(store, "P")


def test_broken_between(store: Store, url: str) -> None:
    """What is written after the database was away does not become a transaction of its own unawares."""

    def write() -> None:
        with store.database.together():
            add_project(store, "P")
            break_connections(url)
            with suppress(DBAPIError), store.database.part():
                add_project(store, "Q")
            with suppress(SQLAlchemyError), store.database.part():
                add_project(store, "R")

    with pytest.raises(SQLAlchemyError):
        write()
    assert (False, False) == (has_project(store, "P"), has_project(store, "R"))


def test_many_contents(store: Store) -> None:
    """A request may have had more files than a statement takes values."""
    with store.blobs.create() as writer:
        blob = writer.finish()
    store.blobs.release([blob.name, *(f"{number:032x}" for number in range(70_000))])
    assert not store.blobs.path(blob.name).exists()


def test_large_numbers(tmp_path: Path, url: str) -> None:
    """Sizes beyond 32 bits fit."""
    store = Store(tmp_path / "archive", database=url)
    with store.database.write() as connection:
        connection.execute(schema.sequence.insert().values(letter="S", last=2**40))
        number = writing.next_id(connection, "S", "XNAT")
    store.close()
    assert f"XNAT_S{2**40 + 1}" == number


def test_order(tmp_path: Path, url: str) -> None:
    """Labels come in the order of their bytes, whatever language the database sorts by."""
    with running_archive(tmp_path / "archive", database=url) as running:
        with Fill(running.url, running.auth) as fill:
            fill.project("P")
            for label in ("a", "B", "_c", "Ä", "z"):
                fill.subject("P", label)
        with Rest(running.url, running.auth) as rest:
            rows = rest.rows("/data/projects/P/subjects", {"sortBy": "label"})
    assert ["B", "_c", "a", "z", "Ä"] == [row["label"] for row in rows]


def test_refused_values(tmp_path: Path, url: str) -> None:
    """What PostgreSQL cannot store or look for is the request's fault, and harms nothing."""
    long = "/".join(secrets.token_hex(100) for _ in range(25))
    with running_archive(tmp_path / "archive", database=url) as running:
        with Fill(running.url, running.auth) as fill:
            fill.project("P")
        with Rest(running.url, running.auth) as rest:
            answers = [
                rest.upload("/data/projects/P/resources/R", long, b"x").status_code,
                rest.get("/data/projects/P/subjects", {"label": "a\0"}).status_code,
                rest.upload("/data/projects/P/resources/R", "short", b"x").status_code,
            ]
            kept = list(rest.files("/data/projects/P/resources/R"))
    assert ([400, 400, 200], ["short"]) == (answers, kept)


def test_outage(store: Store, url: str) -> None:
    """While the database is away a request fails; it is not answered with nothing."""
    name = make_url(url).database
    server = make_url(url).set(database="postgres").render_as_string()
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    with pytest.raises(OperationalError):
        has_project(store, "P")
