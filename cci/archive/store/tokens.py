"""Alias tokens: a user name and a password for two days. Only hashes of their secrets are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, delete, insert, select

from cci.archive.store.schema import alias_token

LIFE_S = 2 * 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Token:
    """An alias token; *created* and *expires* are in seconds of the epoch."""

    alias: str
    secret_hash: str
    login: str
    created: float
    expires: float

    def has_secret(self, secret: str) -> bool:
        """Whether this is its secret."""
        return hmac.compare_digest(_hash(secret), self.secret_hash)


def _hash(secret: str) -> str:
    # the secret is random and long: unlike a password it needs no slow hash
    return hashlib.sha256(secret.encode()).hexdigest()


def issue(connection: Connection, login: str, now: float) -> tuple[Token, str]:
    """Make a token and return it with its secret, which nobody can ask for again."""
    secret = secrets.token_hex(32)
    token = Token(
        alias=str(uuid.uuid4()), secret_hash=_hash(secret), login=login, created=now, expires=now + LIFE_S
    )
    connection.execute(delete(alias_token).where(alias_token.c.expires < now))
    connection.execute(insert(alias_token).values(vars(token)))
    return token, secret


def find(connection: Connection, alias: str, now: float) -> Token | None:
    """Return the live token of this alias."""
    table = alias_token
    query = select(table).where(table.c.alias == alias, table.c.expires >= now)
    row = connection.execute(query).mappings().first()
    return None if row is None else _token(row)


def tokens_of(connection: Connection, login: str, now: float) -> list[Token]:
    """Return a user's live tokens, oldest first."""
    table = alias_token
    query = select(table).where(table.c.login == login, table.c.expires >= now).order_by(table.c.created)
    return [_token(row) for row in connection.execute(query).mappings()]


def forget(connection: Connection, alias: str) -> None:
    """Take a token out of use."""
    connection.execute(delete(alias_token).where(alias_token.c.alias == alias))


def _token(row: RowMapping) -> Token:
    return Token(**{name: row[name] for name in ("alias", "secret_hash", "login", "created", "expires")})
