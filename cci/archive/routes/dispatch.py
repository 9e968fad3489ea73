"""Which handler answers which method on which kind of address below ``/data``."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from cci.archive.address import Address, parse_address
from cci.archive.call import Call
from cci.archive.errors import BadRequest, Missing, NotAllowed
from cci.archive.routes import files, items, lists, project, resources, words

AddressHandler = Callable[[Call, Address], Response]

_ITEM: dict[str, AddressHandler] = {
    "GET": items.get_item,
    "PUT": items.put_item,
    "POST": items.put_item,
    "DELETE": items.delete_item,
}
#: What can be active or in quarantine.
_WITH_STATUS = frozenset({"subjects", "experiments", "assessors"})
#: Words behind an item that can be read; any other word is the item's own.
_WORDS: dict[str, AddressHandler] = {"status": words.get_status, "history": words.get_history}
_LIST: dict[str, AddressHandler] = {"GET": lists.list_items, "POST": items.post_item}
_RESOURCES: dict[str, AddressHandler] = {
    "GET": resources.list_resources,
    "PUT": resources.post_resource,
    "POST": resources.post_resource,
}
_RESOURCE: dict[str, AddressHandler] = {
    "GET": resources.get_resource,
    "PUT": resources.put_resource,
    "POST": resources.put_resource,
    "DELETE": resources.remove_resource,
}
_FILES: dict[str, AddressHandler] = {
    "GET": files.get_files,
    "PUT": files.put_files,
    "POST": files.put_files,
    "DELETE": files.remove_files,
}
_SHARES: dict[str, AddressHandler] = {
    "GET": items.list_shares,
    "PUT": items.put_share,
    "DELETE": items.delete_share,
}


def dispatch(call: Call) -> Response:
    """Answer a request for something in the archive's tree.

    Raises
    ------
    NotAllowed
        The method means nothing on this address.
    """
    address = parse_address(call.path)
    method = "GET" if call.method == "HEAD" else call.method
    handler = handlers_of(address).get(method)
    if handler is None:
        raise NotAllowed(f"{call.method} is not allowed here")
    return handler(call, address)


def _put_with_status(call: Call, address: Address) -> Response:
    answer = items.put_item(call, address)
    wanted = words.wants_status(call)
    if wanted:
        words.put_status(call, address, wanted)
    return answer


_ITEM_WITH_STATUS = {**_ITEM, "PUT": _put_with_status}


def handlers_of(address: Address) -> dict[str, AddressHandler]:
    """Return the handlers of an address, by method.

    Raises
    ------
    Missing
        It names nothing.
    """
    if address.collection == "files":
        return _FILES
    if address.collection == "resources":
        return _RESOURCE if address.resource else _RESOURCES
    if address.collection == "shares":
        return _SHARES if address.share else {"GET": items.list_shares}
    if address.collection:
        return _LIST
    if not address.level:
        raise Missing("Not Found: there is nothing of this name in the archive")
    if address.level == "projects" and address.extra:
        return project.handlers(address)
    handlers = _ITEM_WITH_STATUS if address.level in _WITH_STATUS else _ITEM
    return {**handlers, "GET": _reader(address)}


def _reader(address: Address) -> AddressHandler:
    word = "/".join(address.extra)
    if word == "history" or (word == "status" and address.level in _WITH_STATUS):
        return _WORDS[word]
    return items.get_item


def takes_files(path: str) -> bool:
    """Whether an upload to this path is a file."""
    try:
        return parse_address(path).collection == "files"
    except BadRequest:
        return False
