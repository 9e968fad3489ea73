"""The accounts of the site: who there is, and what is said and changed of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from cci.archive.auth import GUEST
from cci.archive.call import Call, table_response, text_response
from cci.archive.errors import BadRequest, Collision, Missing, NoRight
from cci.archive.routes.site import Site
from cci.archive.store import accounts
from cci.archive.store.database import Connection
from cci.archive.values import check_text

_LOGIN = re.compile(r"[A-Za-z0-9._@-]{1,40}")


def list_users(_site: Site, call: Call) -> Response:
    """Answer the accounts of the site."""
    if not call.user.pk:
        raise NoRight
    with call.store.database.read() as connection:
        users = accounts.users(connection)
    rows = [[user.pk, user.login, user.firstname, user.lastname, user.email] for user in users]
    return table_response(call, ["xdat_user_id", "login", "firstname", "lastname", "email"], rows)


def user_names(_site: Site, call: Call) -> Response:
    """Answer the login names of the site, to everybody but guests."""
    if not call.user.pk:
        raise NoRight
    with call.store.database.read() as connection:
        return JSONResponse([user.login for user in accounts.users(connection)])


def create_user(_site: Site, call: Call) -> Response:
    """Make an account from a JSON object, with ``username`` and ``password``; only for administrators."""
    if not call.user.admin:
        raise NoRight
    account = _account(call.body)
    with call.store.database.write() as connection:
        # who comes without a login has a name, too: nobody else may
        taken = account["username"] == GUEST.login
        if taken or accounts.find_user(connection, account["username"]) is not None:
            raise Collision(f"there is a user {account['username']} already")
        accounts.set_password(connection, account["username"], account["password"], admin=False)
        user = accounts.set_person(connection, account["username"], **_person(account))
    return JSONResponse({"username": user.login, **_person(account)}, status_code=201)


def _texts(body: bytes) -> dict[str, str]:
    try:
        account = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the account is not JSON: {error}") from error
    words = account if isinstance(account, dict) else {}
    if words.get("enabled") is False:
        # to say nothing would leave an account open that somebody believes is closed
        raise BadRequest("accounts are not disabled here: give it another password")
    return {name: check_text(value) for name, value in words.items() if isinstance(value, str)}


def _account(body: bytes) -> dict[str, str]:
    texts = _texts(body)
    if not _LOGIN.fullmatch(texts.get("username", "")) or not texts.get("password"):
        raise BadRequest("an account needs a username of letters, digits and ._@- and a password")
    return texts


def _person(account: Mapping[str, str]) -> dict[str, str]:
    # XNAT spells the names of its JSON firstName, that of its tables firstname
    spelt = {"firstname": "firstName", "lastname": "lastName", "email": "email"}
    return {name: account.get(name) or account.get(other, "") for name, other in spelt.items()}


def get_user(_site: Site, call: Call) -> Response:
    """Answer an account, one's own or, for an administrator, another one; ``current`` is one's own."""
    with call.store.database.read() as connection:
        return JSONResponse(_user_json(_named_user(connection, call)))


def put_user(site: Site, call: Call) -> Response:
    """Change the password or the person of an account from a JSON object."""
    changes = _texts(call.body)
    with call.store.database.write() as connection:
        user = _named_user(connection, call)
        if changes.get("password"):
            accounts.set_password(connection, user.login, changes["password"], admin=user.admin)
        person = {**_user_json(user), **changes}
        user = accounts.set_person(connection, user.login, **_person(person))
    if changes.get("password"):
        site.auth.end_all(user.login)
    return JSONResponse(_user_json(user))


def _named_user(connection: Connection, call: Call) -> accounts.User:
    login = call.user.login if call.names["login"] == "current" else call.names["login"]
    if login != call.user.login and not call.user.admin:
        raise NoRight
    user = accounts.find_user(connection, login)
    if user is None:
        raise Missing(f"Not Found: there is no user {login[:80]}")
    return user


def _user_json(user: accounts.User) -> dict[str, Any]:
    person = {"firstName": user.firstname, "lastName": user.lastname, "email": user.email}
    return {"id": user.pk, "username": user.login, **person, "enabled": True, "verified": True}


def user_name(_site: Site, call: Call) -> Response:
    """Answer the login name of who asks."""
    return text_response(call.user.login)


def project_access(_site: Site, call: Call) -> Response:
    """Answer which projects the user has a role in."""
    with call.store.database.read() as connection:
        roles = accounts.roles_of(connection, call.user)
    return JSONResponse([{"ID": project, "role": role} for project, role in roles])
