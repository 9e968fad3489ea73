"""Addresses that services take as parameters or paths of their own. Reading of text only.

They are those of the tree, and one more: a session's parts also through its project alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from cci.archive.address import Address
from cci.archive.errors import Missing

_CHAINS = (
    ("projects",),
    ("projects", "subjects"),
    ("projects", "subjects", "experiments"),
    ("projects", "experiments"),
    ("subjects",),
    ("subjects", "experiments"),
    ("experiments",),
)
_PARTS = ("scans", "assessors")


def item_at(words: Sequence[str]) -> Address:
    """Return the address of an item: ``["projects", "P", "experiments", "E", "scans", "1"]``.

    Raises
    ------
    Missing
        These words name none.
    """
    chain, members = tuple(words[::2]), words[1::2]
    if len(words) % 2 or not _is_item(chain) or not all(members):
        raise Missing
    address = Address()
    for collection, member in zip(chain, members, strict=True):
        address = address.member(collection, member)
    return address


def _is_item(chain: tuple[str, ...]) -> bool:
    part = len(chain) > 1 and chain[-2] == "experiments" and chain[-1] in _PARTS
    return (chain[:-1] if part else chain) in _CHAINS
