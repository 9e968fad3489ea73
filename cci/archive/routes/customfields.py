"""Custom fields: any JSON beside an item, under names that forms give it (``/xapi/custom-fields``).

They are the item's field ``custom_fields``, as on XNAT since 1.8.5; the forms themselves are not here.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from cci.archive.access import check_edit
from cci.archive.address import Address
from cci.archive.call import Call
from cci.archive.errors import BadRequest, Missing, NotAllowed
from cci.archive.routes.chains import item_at
from cci.archive.routes.site import Site
from cci.archive.store import writing
from cci.archive.store.database import Connection
from cci.archive.store.items import Item
from cci.archive.tree import find

Json = dict[str, Any]
_PATH = "custom_fields"


def parse_custom(path: str) -> tuple[Address, str]:
    """Take a path below ``custom-fields`` apart: the item's address, and the name of a field or nothing.

    Raises
    ------
    Missing
        It is none of ``…/fields`` and ``…/fields/{name}`` of an item.
    """
    words = path.split("/")
    # pairs of collection and member, then the word itself, then perhaps a name
    named = len(words) % 2 == 0
    name = words.pop() if named else ""
    if words[-1] != "fields" or (named and not name):
        raise Missing
    return item_at(words[:-1]), name


def get_fields(_site: Site, call: Call) -> Response:
    """Answer all custom fields of an item or those of ``fieldNames=``; of a single one its value as text."""
    address, name = parse_custom(call.names["path"])
    with call.store.database.read() as connection:
        fields = _fields(find(connection, call.user, address).existing)
    if name:
        if name not in fields:
            raise Missing(f"Not Found: field {name[:80]} does not exist")
        value = fields[name]
        return PlainTextResponse(value if isinstance(value, str) else _compact(value))
    # the parameter's name in XNAT's source, and the one that its tests send
    wanted = call.get("fieldNames") or call.get("keys")
    chosen = wanted.split(",") if wanted else list(fields)
    return JSONResponse({key: fields[key] for key in chosen if key in fields})


def put_fields(_site: Site, call: Call) -> Response:
    """Set custom fields from a JSON object; those that it does not name stay. Answers all of them."""
    address, name = parse_custom(call.names["path"])
    if name:
        raise NotAllowed("fields are set together: PUT a JSON object to …/fields")
    given = read_fields(call.body)
    with call.store.database.write() as connection:
        item = _editable(connection, call, address)
        return _save(connection, call, item, {**_fields(item), **given})


def delete_field(_site: Site, call: Call) -> Response:
    """Take a custom field away; one that is not there is no error. Answers those that stay."""
    address, name = parse_custom(call.names["path"])
    if not name:
        raise NotAllowed("say which field: …/fields/{name}")
    with call.store.database.write() as connection:
        item = _editable(connection, call, address)
        return _save(
            connection, call, item, {key: value for key, value in _fields(item).items() if key != name}
        )


def _editable(connection: Connection, call: Call, address: Address) -> Item:
    item = find(connection, call.user, address).existing
    check_edit(connection, call.user, item)
    return item


def _save(connection: Connection, call: Call, item: Item, fields: Json) -> Response:
    others = {path: text for path, text in item.data.items() if path != _PATH}
    text = {_PATH: json.dumps(fields)} if fields else {}
    writing.save(connection, item, {**others, **text}, call.stamp())
    return JSONResponse(fields)


def _fields(item: Item) -> Json:
    text = item.data.get(_PATH, "")
    try:
        return read_fields(text) if text else {}
    except BadRequest:
        # the field may also be set to any text, by a PUT of the item
        return {}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_fields(text: bytes | str) -> Json:
    """Read fields.

    Raises
    ------
    BadRequest
        They are no JSON object, or one that has no place in JSON: numbers without an end, half characters.
    """
    try:
        fields = json.loads(text)
        json.dumps(fields, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the fields are not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequest('the fields are a JSON object: {"name": value}')
    return fields
