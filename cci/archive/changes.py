"""What a PUT by parameters changes of an item. Pure: parameters in, fields out.

Values are XML-escaped before they are stored, ``NULL`` clears, an empty value changes nothing, and a
parameter that does not fit the item is ignored without a word; all as XNAT does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cci.archive.aliases import PARAMETER_ALIASES
from cci.archive.typedefs import REGISTRY
from cci.archive.types import DataType, Field, Kind, canonical_path, resolve_field
from cci.archive.values import escape_parameter, is_null, normalise

#: Fields that name the item above; they follow from where an item is and are never stored.
REFERENCES = frozenset({"subject_ID", "imageSession_ID", "image_session_ID"})
#: Fields that say who an item is; they have addresses of their own.
_IDENTITY = frozenset({"id", "label", "project"})
_ASKED = frozenset({"label", "subject_ID"})


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Changes to one item.

    Attributes
    ----------
    fields
        Canonical path → text to store; None clears the field.
    identity
        ``id``, ``label``, ``project`` where given.
    share
        ``project`` and ``label`` where sharing is asked for by parameters.
    asked
        Values of the parameters that are called just ``label`` and ``subject_ID``, to which XNAT gives a
        meaning that neither their paths nor a document have.
    """

    fields: Mapping[str, str | None] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    share: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)

    def below(self, other: Changes) -> Changes:
        """Return these changes with others laid over them: parameters win over a document."""
        return Changes(
            fields={**self.fields, **other.fields},
            identity={**self.identity, **other.identity},
            share=other.share or self.share,
            asked=other.asked,
        )

    def over(self, data: Mapping[str, str]) -> dict[str, str]:
        """Lay the changes over an item's fields."""
        merged = {**data, **self.fields}
        return {
            path: text
            for path, text in merged.items()
            if text is not None and text != "" and path not in REFERENCES
        }


def type_named(parameters: Iterable[tuple[str, str]], collection: str) -> DataType | None:
    """Return the type that parameters give an item: by ``xsiType``, or by the first element they name.

    Raises
    ------
    BadRequest
        The type does not exist here.
    """
    named = dict(parameters)
    xsi_type = named.get("xsiType", "")
    if xsi_type:
        return REGISTRY.get(xsi_type.split(",")[0])
    elements = (name.partition("/")[0] for name in named if "/" in name)
    found = (REGISTRY.find(element) for element in elements)
    return next((each for each in found if each is not None and not each.abstract), _only_type(collection))


def _only_type(collection: str) -> DataType | None:
    fixed = {
        "projects": "xnat:projectData",
        "subjects": "xnat:subjectData",
        "reconstructions": "xnat:reconstructedImageData",
    }
    name = fixed.get(collection)
    return REGISTRY.get(name) if name else None


def read_changes(parameters: Sequence[tuple[str, str]], collection: str, each: DataType) -> Changes:
    """Read the changes that parameters ask for on an item of this type.

    Raises
    ------
    BadRequest
        A value is not of its field's kind or too long.
    """
    fields: dict[str, str | None] = {}
    identity: dict[str, str] = {}
    share: dict[str, str] = {}
    for name, value in parameters:
        path = _path(name, collection, each)
        if path is None or not value:
            continue
        lowered = path.lower()
        if lowered in _IDENTITY and lowered != "project":
            identity[lowered] = value
        elif lowered == "project":
            identity["project"] = value
        elif lowered.startswith("sharing/share/"):
            share[lowered.rsplit("/", 1)[-1]] = value
        else:
            fields.update(_field(each, path, value))
    asked = {name: value for name, value in parameters if name in _ASKED and value}
    return Changes(fields=fields, identity=identity, share=share, asked=asked)


def _path(name: str, collection: str, each: DataType) -> str | None:
    """Return the path below the item that a parameter names; None for other parameters and other types."""
    return _path_on(name, collection, each.name)


@lru_cache(maxsize=1024)
def _path_on(name: str, collection: str, type_name: str) -> str | None:
    target = PARAMETER_ALIASES.get(collection, {}).get(name, name)
    element, _, path = target.partition("/")
    named = REGISTRY.find(element)
    if named is None or not path:
        return None
    fits = REGISTRY.is_a(type_name, named.name)
    short = target != name and REGISTRY.is_a(named.name, type_name)
    return canonical_path(path) if fits or short else None


def _field(each: DataType, path: str, value: str) -> dict[str, str | None]:
    known = _field_on(each.name, path)
    if known is None:
        return {}
    if is_null(value):
        return {known.path: None}
    # a text counts with its escapes: these are what is stored
    return {known.path: normalise(known, escape_parameter(value) if known.kind is Kind.STRING else value)}


# clients write the same few parameters again and again


@lru_cache(maxsize=1024)
def _field_on(type_name: str, path: str) -> Field | None:
    return resolve_field(REGISTRY, REGISTRY.get(type_name), path)
