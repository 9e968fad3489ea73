"""The search engine: types and their display fields, searches by document, saved and cached searches."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

from starlette.responses import Response

from cci.archive.call import Call, table_response, text_response
from cci.archive.errors import BadRequest, Missing, NoRight, Unauthorized
from cci.archive.results import Result
from cci.archive.routes.site import Site
from cci.archive.searchdoc import (
    Imprint,
    SearchDocument,
    display_fields,
    parse_search,
    read_imprint,
    search_everything,
)
from cci.archive.store import searches
from cci.archive.store.accounts import readable_projects
from cci.archive.store.database import Connection
from cci.archive.store.query import Scope, headers, run
from cci.archive.tables import Row
from cci.archive.typedefs import REGISTRY
from cci.archive.types import DataType

_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?")


def list_elements(_site: Site, call: Call) -> Response:
    """Answer the data types of the archive, with ``used=true`` those that it has something of."""
    with call.store.database.read() as connection:
        counts = searches.count_types(connection)
    rows = [
        [each.name, each.singular, each.plural, "true", _count(counts, each)]
        for each in REGISTRY
        if each.family.value != "resource" and (_count(counts, each) or not call.flag("used"))
    ]
    return table_response(call, ["ELEMENT_NAME", "SINGULAR", "PLURAL", "SECURED", "COUNT"], rows)


def _count(counts: dict[str, int], each: DataType) -> int:
    return sum(counts.get(name, 0) for name in REGISTRY.concrete(each))


def list_fields(_site: Site, call: Call) -> Response:
    """Answer the display fields of a data type."""
    each = REGISTRY.find(call.names["element"])
    if each is None:
        raise BadRequest(f"this archive has no data type {call.names['element']}")
    rows = [
        [name, shown.header, f"{each.name}.{name}", shown.type, "false", "", each.name, "0"]
        for name, shown in display_fields(each).items()
    ]
    names = ["FIELD_ID", "HEADER", "SUMMARY", "TYPE", "REQUIRES_VALUE", "DESC", "ELEMENT_NAME", "SRC"]
    extra = f'"versions":{{}},"element_name":{json.dumps(each.name)},'
    return table_response(call, names, rows, extra=extra)


def run_search(site: Site, call: Call) -> Response:
    """Run the search in the body; with ``cache=true`` keep the result for paging."""
    document = parse_search(call.body)
    names, rows = _run(call, document)
    if not call.flag("cache"):
        return table_response(call, names, rows, extra=_columns(document))
    result = Result(owner=call.user.login, headers=names, rows=list(rows), made=time.monotonic())
    name = site.results.keep(result)
    body = {"ResultSet": {"ID": name, "totalRecords": str(len(result.rows)), "Result": []}}
    if call.get("limit"):
        return _page(call, name, result)
    return Response(json.dumps(body), media_type="application/json")


def _run(call: Call, document: SearchDocument) -> tuple[list[str], Iterator[Row]]:
    names = [*headers(document.listing), "quarantine_status"]
    return names, _rows(call, document)


def _rows(call: Call, document: SearchDocument) -> Iterator[Row]:
    with call.store.database.read() as connection:
        scope = Scope(readable=readable_projects(connection, call.user))
        for row in run(connection, document.listing, scope):
            yield (*row, "active")


def _columns(document: SearchDocument) -> str:
    columns = [
        {
            "key": each.key,
            "type": each.type,
            "xPATH": each.id if "/" in each.id else f"{each.element}.{each.id}",
            "element_name": each.element,
            "header": each.header,
            "id": each.id,
        }
        for each in document.keys
    ]
    columns.append({"key": "quarantine_status"})
    return f'"Columns":{json.dumps(columns)},"rootElementName":{json.dumps(document.root.name)},'


def cached_results(site: Site, call: Call) -> Response:
    """Answer a page of a kept result."""
    name = call.names["id"]
    result = site.results.get(name)
    if result.owner != call.user.login:
        raise NoRight
    return _page(call, name, result)


def _page(call: Call, name: str, result: Result) -> Response:
    rows = _sorted(call, result)
    offset, limit = _number(call, "offset", 0), _number(call, "limit", len(rows))
    extra = f'"ID":{json.dumps(name)},"totalRecords":"{len(rows)}",'
    page = rows[offset : offset + limit]
    return table_response(call, result.headers, page, extra=extra, total=False, ordered=True)


def _number(call: Call, name: str, default: int) -> int:
    text = call.get(name)
    if text in {"", "*"}:
        return default
    if not re.fullmatch("[0-9]{1,12}", text):
        raise BadRequest(f"{name} is a number")
    return int(text)


def _sorted(call: Call, result: Result) -> list[Row]:
    descending = call.get("sortOrder").upper() == "DESC"
    rows = result.rows
    # the first column weighs most, and so it is sorted by last
    for column in reversed(call.get("sortBy").split(",")):
        if column in result.headers:
            rows = _sorted_by(rows, result.headers.index(column), descending=descending)
    return rows


def _sorted_by(rows: list[Row], index: int, *, descending: bool) -> list[Row]:
    def text(row: Row) -> str:
        return "" if row[index] is None else str(row[index])

    def number(row: Row) -> float:
        # empty ones come first, as of words
        return float(text(row) or "-inf")

    numbers = all(_NUMBER.fullmatch(text(row)) for row in rows if text(row))
    return sorted(rows, key=number if numbers else text, reverse=descending)


# -- saved searches -----------------------------------------------------------------------------------


def list_saved(_site: Site, call: Call) -> Response:
    """Answer the searches that the user saved, and those that others saved for the user or for everybody."""
    with call.store.database.read() as connection:
        found = [(each, read_imprint(each.document.encode())) for each in searches.saved(connection)]
    rows = [
        [each.id, each.root_type, each.name, imprint.description, ",".join(imprint.users) or each.owner]
        for each, imprint in found
        if _is_for(call, each, imprint)
    ]
    names = ["id", "root_element_name", "brief_description", "description", "users"]
    return table_response(call, names, rows)


def _is_for(call: Call, search: searches.SavedSearch, imprint: Imprint) -> bool:
    return imprint.public or call.user.login in {search.owner, *imprint.users}


def put_saved(_site: Site, call: Call) -> Response:
    """Save a search under a name; not for guests, who could fill the archive with them."""
    if not call.user.pk:
        raise Unauthorized
    document = parse_search(call.body)
    name = call.names["id"]
    with call.store.database.write() as connection:
        known = searches.find(connection, name)
        if known is not None and known.owner != call.user.login and not call.user.admin:
            raise NoRight
        row = searches.SavedSearch(
            id=name,
            owner=call.user.login,
            name=read_imprint(call.body).name or name,
            root_type=document.root.name,
            document=call.body.decode("utf-8", "replace"),
        )
        searches.save(connection, row)
    return text_response()


def _saved(connection: Connection, call: Call) -> searches.SavedSearch:
    found = searches.find(connection, call.names["id"])
    if found is None:
        raise Missing
    if not call.user.admin and not _is_for(call, found, read_imprint(found.document.encode())):
        raise Missing
    return found


def get_saved(_site: Site, call: Call) -> Response:
    """Answer the document of a saved search."""
    with call.store.database.read() as connection:
        return Response(_saved(connection, call).document, media_type="text/xml")


def delete_saved(_site: Site, call: Call) -> Response:
    """Forget a saved search; others may see it, but not this."""
    with call.store.database.write() as connection:
        search = _saved(connection, call)
        if search.owner != call.user.login and not call.user.admin:
            raise NoRight
        searches.forget(connection, search.id)
    return text_response()


def saved_results(_site: Site, call: Call) -> Response:
    """Run a saved search, or the one for everything of a type (``@xnat:mrSessionData``)."""
    name = call.names["id"]
    if name.startswith("@"):
        each = REGISTRY.find(name[1:])
        if each is None:
            raise Missing
        document = search_everything(each)
    else:
        with call.store.database.read() as connection:
            document = parse_search(_saved(connection, call).document.encode())
    names, rows = _run(call, document)
    return table_response(call, names, rows, extra=_columns(document))
