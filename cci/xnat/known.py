"""What is remembered of a project between two looks at it, and what of it is out of date. Pure.

Which requests a look sends is in `cci.xnat.snapshot` and `cci.xnat.refresh`; whether to look again at the
whole is for the daemon to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cci.model import Project
from cci.xnat.assemble import Parts
from cci.xnat.tables import Row

#: A stamp this young may be given to a further change that is still to come, in seconds: stamps of some
#: archives count whole seconds, and the clocks of a web server and its database differ a little.
OVERLAP_S = 10
#: Archives write stamps in their own local time and do not say which; every such time differs from UTC by a
#: multiple of this, in seconds, and by less than `_FARTHEST`.
_QUARTER_S = 900
_FARTHEST = timedelta(hours=26)
#: Up to this many changed sessions are always read one by one, and up to this part of a project's.
FEW, PART = 20, 0.02


class Unclear(Exception):
    """What is remembered and what the archive lists do not add up: only a look at the whole can tell."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What one look has found, with all that the next one needs in order to ask only for what changed.

    Attributes
    ----------
    project
        The snapshot.
    parts
        What it is made of.
    listed
        The row of each session in the listing of its type, with its stamp, by accession id.
    types, others
        Types of the project's experiments that are image sessions, and that are not.
    young
        Sessions that have to be read again, because of `OVERLAP_S`.
    read
        Sessions whose content this very look has read; that of the others is remembered.
    whole
        Whether it has read all of them.
    """

    project: Project
    parts: Parts
    listed: Mapping[str, Row]
    types: frozenset[str]
    others: frozenset[str]
    young: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()
    whole: bool = True

    @property
    def size(self) -> int:
        """How many sessions, scans and assessors it holds; memory grows with that."""
        images = self.parts.images.values()
        assessors = self.parts.assessors.values()
        return len(images) + sum(len(one.scans) for one in images) + sum(map(len, assessors))


def is_young(stamp: str, now: datetime | None) -> bool:
    """Whether something may still change and get this very stamp.

    Parameters
    ----------
    stamp
        ``YYYY-MM-DD HH:MM:SS`` with or without decimals, in an unknown local time.
    now
        The archive's time, in UTC; None if it does not tell, and then every stamp is young.
    """
    if now is None:
        return True
    try:
        apart = now.astimezone(UTC).replace(tzinfo=None) - datetime.fromisoformat(stamp)
    except (ValueError, TypeError):
        return True
    age_s = apart.total_seconds() % _QUARTER_S
    return abs(apart) <= _FARTHEST and not OVERLAP_S <= age_s <= _QUARTER_S - OVERLAP_S


def young(stamps: Mapping[str, str], dates: Mapping[str, datetime | None]) -> frozenset[str]:
    """Return the sessions whose stamp was young when the archive told it; see `is_young`."""
    judged = {(stamp, dates[key]): False for key, stamp in stamps.items()}
    for stamp, date in judged:
        judged[stamp, date] = is_young(stamp, date)
    return frozenset(key for key, stamp in stamps.items() if judged[stamp, dates[key]])


def out_of_date(
    known: Known, listed: Mapping[str, Row], stamps: Mapping[str, str], subjects: Mapping[str, Row]
) -> frozenset[str]:
    """Return the sessions whose content has to be read: new ones, changed ones, and young ones.

    Parameters
    ----------
    listed, stamps
        Sessions as the archive lists them now, and the time of the last change of each.
    subjects
        Subjects as it lists them now.

    Raises
    ------
    Unclear
        If a session or subject is gone, if the names of a session change that another project owns, or if
        more sessions changed than are worth asking for one by one.
    """
    shown = known.parts.images.keys() & known.parts.experiments.keys()
    _demand_all(shown, listed.keys(), "session")
    _demand_all(known.parts.subjects.keys(), subjects.keys(), "subject")
    wanted = frozenset(
        key
        for key in listed
        if key not in known.listed or key in known.young or stamps[key] != known.parts.last_modified.get(key)
    )
    if not few_enough(len(wanted), known):
        raise Unclear(f"{len(wanted)} of {len(listed)} sessions changed")
    for key, row in listed.items():
        if _is_foreign(known, key, row) and row != known.listed.get(key):
            raise Unclear("a session that another project owns is new here, or has another name")
    return wanted


def few_enough(count: int, known: Known) -> bool:
    """Whether so many sessions of a project are read one by one rather than all of them by listings."""
    return count <= max(FEW, PART * len(known.parts.images))


def _demand_all(before: AbstractSet[str], after: AbstractSet[str], what: str) -> None:
    """Refuse to conclude from a short listing alone that something is gone."""
    gone = len(before - after)
    if gone:
        raise Unclear(f"{gone} {what}{'s are' if gone > 1 else ' is'} no longer listed")


def _is_foreign(known: Known, key: str, row: Row) -> bool:
    """Whether another project owns a session: only the listing of experiments has our names for those."""
    image = known.parts.images.get(key)
    return (image.project if image else row["project"]) != known.project.id


def unexplained(known: Known, subjects: Mapping[str, Row], changed: Iterable[str]) -> frozenset[str]:
    """Return the subjects below which something changed that none of the *changed* subjects explains.

    A subject's stamp is moved by all that is below it, also by a session of a type that nobody has seen yet.
    """
    explained = set(changed)
    return frozenset(
        key
        for key, row in subjects.items()
        if key not in explained and _stamp(row) != _stamp(known.parts.subjects.get(key, {}))
    )


def _stamp(subject: Mapping[str, str]) -> str:
    return subject.get("last_modified", "")


def demand_known_types(known: Known, experiments: Iterable[Row]) -> None:
    """Refuse experiments of a type that this project did not have: they may be image sessions.

    Raises
    ------
    Unclear
        If there is one.
    """
    found = {row["xsitype"] for row in experiments} - known.types - known.others
    if found:
        raise Unclear(f"there are experiments of a new type: {', '.join(sorted(found))}")


def with_names(known: Known, listed: Mapping[str, Row]) -> dict[str, Row]:
    """Return the rows of experiments, with those of sessions that are new or have other names."""
    changed = {key: row for key, row in listed.items() if row != known.listed.get(key)}
    return {**known.parts.experiments, **changed}


def with_content(parts: Parts, content: Parts) -> Parts:
    """Return the parts with the sessions in *content* in place of what they were."""
    read = content.images.keys()
    resources = {key: value for key, value in parts.resources.items() if key not in read}
    assessors = {key: value for key, value in parts.assessors.items() if key not in read}
    return replace(
        parts,
        images={**parts.images, **content.images},
        resources={**resources, **content.resources},
        assessors={**assessors, **content.assessors},
    )
