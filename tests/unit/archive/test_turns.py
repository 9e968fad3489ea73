"""Writes that share a commit: each is durable when it is answered; one that fails takes no other along."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from cci.archive.store.database import Database
from cci.archive.store.sqlite import SqliteDatabase
from cci.archive.store.turns import Turns

ADD = "INSERT INTO sequence (letter, last) VALUES (?, 1)"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = SqliteDatabase(tmp_path / "archive.db")
    yield opened
    opened.close()


def adding(database: Database, letter: str) -> Callable[[], str]:
    def job() -> str:
        with database.write() as connection:
            connection.exec_driver_sql(ADD, (letter,))
        return letter

    return job


def letters(database: Database) -> list[str]:
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT letter FROM sequence ORDER BY letter")
        return [str(row[0]) for row in rows]


def held_up(turns: Turns, jobs: list[Callable[[], str]]) -> list[str | BaseException]:
    """Run jobs that all wait behind a first one, so that they share a commit."""

    async def run() -> list[str | BaseException]:
        begun, free = threading.Event(), threading.Event()

        def waiting() -> bool:
            begun.set()
            return free.wait()

        first = asyncio.create_task(turns.take(waiting))
        await asyncio.to_thread(begun.wait)
        rest = [asyncio.create_task(turns.take(job)) for job in jobs]
        await asyncio.sleep(0)
        free.set()
        await first
        return await asyncio.gather(*rest, return_exceptions=True)

    try:
        return asyncio.run(run())
    finally:
        turns.close()


def test_all_are_written(database: Database) -> None:
    """Every job has its own result, in the order in which they came."""
    names = ["a", "b", "c"]
    assert names == held_up(Turns(database), [adding(database, name) for name in names])
    assert names == letters(database)


def test_one_fails_alone(database: Database) -> None:
    """A job that fails leaves nothing, is told so, and does not take those beside it along."""

    def failing() -> str:
        with database.write() as connection:
            connection.exec_driver_sql(ADD, ("x",))
            connection.exec_driver_sql(ADD, ("x",))
        return "never"

    outcomes = held_up(Turns(database), [adding(database, "a"), failing, adding(database, "b")])
    assert ["a", IntegrityError, "b"] == [one if isinstance(one, str) else type(one) for one in outcomes]
    assert ["a", "b"] == letters(database)


def test_later_ones_see_earlier_ones(database: Database) -> None:
    """A job reads what a job before it wrote, though it is not committed yet."""
    jobs = [adding(database, "a"), lambda: ",".join(letters(database))]
    assert ["a", "a"] == held_up(Turns(database), jobs)


def test_no_commit_no_answer(database: Database) -> None:
    """If the commit cannot be made, every job of it is told, and nothing of any is there."""

    def losing() -> str:
        with database.read() as connection:
            connection.exec_driver_sql("ROLLBACK")
        return "lost"

    outcomes = held_up(Turns(database), [adding(database, "a"), losing])
    assert [True, True] == [isinstance(outcome, Exception) for outcome in outcomes]
    assert [] == letters(database)


def test_nothing_is_answered_before_the_commit(database: Database) -> None:
    """While a transaction is open, what a job in it wrote is neither seen by others nor answered."""
    seen: list[list[str]] = []

    def looking() -> str:
        other = threading.Thread(target=lambda: seen.append(letters(database)))
        other.start()
        other.join()
        return "looked"

    assert ["a", "looked"] == held_up(Turns(database), [adding(database, "a"), looking])
    assert [[]] == seen


def test_the_context_goes_along(database: Database) -> None:
    """A job sees the context variables of who waits for it."""
    word: ContextVar[str] = ContextVar("word", default="")

    async def run() -> str:
        word.set("mine")
        return await turns.take(word.get)

    turns = Turns(database)
    assert "mine" == asyncio.run(run())
    turns.close()


def after(database: Database, make_ready: Callable[[], str]) -> list[str | BaseException]:
    """Run two jobs, the first of which needs something to be made ready."""

    async def run() -> list[str | BaseException]:
        prepared = turns.take_after(make_ready, lambda ready: adding(database, ready)())
        other = turns.take(adding(database, "b"))
        return list(await asyncio.gather(prepared, other, return_exceptions=True))

    turns = Turns(database)
    try:
        return asyncio.run(run())
    finally:
        turns.close()


def test_what_is_made_ready_comes_to_the_job(database: Database) -> None:
    """A job gets what was made ready for it, and its result goes to who waits."""
    assert ["a", "b"] == after(database, lambda: "a")
    assert ["a", "b"] == letters(database)


def test_what_cannot_be_made_ready_has_no_turn(database: Database) -> None:
    """Its error goes to who waits for it, and others have their turns."""
    outcomes = after(database, lambda: str(1 // 0))
    assert [ZeroDivisionError, str] == [type(outcome) for outcome in outcomes]
    assert ["b"] == letters(database)


def test_closing_twice(database: Database) -> None:
    """What waits is written before the end; closing again, or without a job, is no error."""
    turns = Turns(database)
    turns.close()
    assert ["a"] == held_up(turns, [adding(database, "a")])
    turns.close()
