"""Selection rules: which scans, assessors and resources a task needs, and what it is to leave behind.

A rule is a value; resolving it against a target is a pure function that returns either the chosen sources
or one sentence saying what is missing. Nothing here asks an archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cci import model
from cci.status import BAD_QC, Status

#: QC statuses that count as passed, compared without regard to case.
PASSED_QC = frozenset({"passed", "good", "ok", "passed with edits"})
#: Scans are preferred in this order; anything else comes last.
QUALITY_ORDER = ("usable", "", "questionable")
_QUALITY_RANK = {quality: -place for place, quality in enumerate(QUALITY_ORDER)}
#: The key in an assessor's ``inputs`` JSON that says the assessor is ours, with the format's number.
OURS = "cci"

_Resources = Mapping[str, model.Resource]


@dataclass(frozen=True)
class Scan:
    """A scan as an input. For a scan processor the first such rule describes the target itself.

    Attributes
    ----------
    name
        Name of the input: a folder in ``inputs/`` and a key in ``inputs.json``.
    type
        Globs on the scan type, most wanted first; compared with regard to case.
    resources
        Labels of the resources that must be there; all are staged.
    optional
        Labels of resources that are staged too where they are there.
    exclude_quality
        Scans of this quality are never used.
    """

    name: str
    type: Sequence[str] = ("*",)
    resources: Sequence[str] = ("NIFTI",)
    optional: Sequence[str] = ()
    exclude_quality: Sequence[str] = ("unusable",)

    @property
    def description(self) -> str:
        """The rule in words, without an article."""
        marked = f", not marked {_alternatives(self.exclude_quality)}" if self.exclude_quality else ""
        return f"scan of type {_alternatives(self.type)}{marked}{_with_resources(self.resources)}"

    def matches(self, scan: model.Scan) -> bool:
        """Whether the scan's type is one that this rule describes."""
        return _place_among(tuple(self.type), scan.type) is not None

    def rank(self, scan: model.Scan) -> tuple[int, int, int, tuple[int, str]]:
        """Order candidates, best last: quality, then place of the type in the list, resources, scan number.

        Of two equal scans the later one wins: a repeat is usually made because the first was spoilt.
        """
        quality = _QUALITY_RANK.get(scan.quality, -len(QUALITY_ORDER))
        place = _place_among(tuple(self.type), scan.type) or 0
        complete = not missing_resources(self.resources, scan.resources)
        return quality, -place, int(complete), _as_number(scan.id)


# remembered, because a large project has very many scans of few types and numbers
@lru_cache(maxsize=4096)
def _place_among(patterns: tuple[str, ...], text: str) -> int | None:
    """Return the place of the first glob that fits; None if none does."""
    return next((place for place, pattern in enumerate(patterns) if fnmatchcase(text, pattern)), None)


@lru_cache(maxsize=4096)
def _as_number(scan_id: str) -> tuple[int, str]:
    digits = re.match(r"\d+", scan_id)
    return (int(digits.group()) if digits else -1, scan_id)


@dataclass(frozen=True)
class Assessor:
    """An earlier result as an input: the COMPLETE assessor of the target with the highest fitting version.

    For a scan task that is one made from this very scan, or from the session as a whole.

    Attributes
    ----------
    proctype
        Globs on the proctype, for example ``FreeSurfer_v7``.
    needs_qc
        Whether a person must have passed it; a bad QC status always disqualifies.
    """

    name: str
    proctype: Sequence[str]
    resources: Sequence[str] = ()
    needs_qc: bool = False

    @property
    def description(self) -> str:
        """The rule in words, without an article."""
        passed = ", passed by its quality control" if self.needs_qc else ""
        kind = _alternatives(self.proctype)
        return f"assessor {kind} that is {Status.COMPLETE}{passed}{_with_resources(self.resources)}"

    def matches(self, assessor: model.Assessor) -> bool:
        """Whether the assessor's proctype is one that this rule describes."""
        return any(fnmatchcase(assessor.proctype, pattern) for pattern in self.proctype)

    @staticmethod
    def rank(assessor: model.Assessor) -> tuple[tuple[int | str, ...], str]:
        """Order candidates, best last: by proctype, whose numbers count as numbers, then by label."""
        parts = re.split(r"(\d+)", assessor.proctype)
        return tuple(int(part) if part.isdecimal() else part for part in parts), assessor.label


@dataclass(frozen=True)
class SessionResource:
    """Resources of the session itself as an input."""

    name: str
    resources: Sequence[str] = ()

    @property
    def description(self) -> str:
        """The rule in words, without an article."""
        return f"session{_with_resources(self.resources)}"


Rule = Scan | Assessor | SessionResource


@dataclass(frozen=True)
class Output:
    """A file, or files, that the job must leave in ``outputs/<resource>/``.

    Attributes
    ----------
    pattern
        Glob on the path below the resource's folder.
    required
        Without a match the task ends as XVFB_ERROR.
    to
        ``assessor``, or ``scan`` to attach the resource to the target scan, where others find it as an input.
    """

    resource: str
    pattern: str = "*"
    required: bool = True
    to: str = "assessor"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One chosen source: where it is in the archive, and which resources of it are staged."""

    input: str
    kind: str
    session_id: str = ""
    scan_id: str = ""
    assessor_id: str = ""
    subject_level: bool = False
    resources: tuple[str, ...] = ()
    #: What the bulk listing told of each resource; a change of it makes a result outdated.
    fingerprints: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def description(self) -> str:
        """The source in words, for reasons."""
        if self.kind == "scan":
            return f"scan {self.scan_id} ({self.attributes.get('type', '')})"
        return f"{self.kind} {self.attributes.get('label', '') or self.session_id}"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a task would run on, or the reason why it cannot yet."""

    sources: tuple[Source, ...] = ()
    reason: str = ""

    @property
    def ready(self) -> bool:
        """Whether every prerequisite is there."""
        return not self.reason

    @classmethod
    def waiting(cls, reason: str) -> Selection:
        """Build a selection that waits for what *reason* names."""
        return cls(reason=reason)

    def fingerprints(self) -> dict[str, str]:
        """Return ``{input/RESOURCE: fingerprint}`` over all sources."""
        return {
            f"{source.input}/{label}": f"{source.scan_id or source.assessor_id}:{mark}"
            for source in self.sources
            for label, mark in source.fingerprints.items()
        }


def ours(assessor: model.Assessor) -> Mapping[str, Any] | None:
    """Return the parsed ``inputs`` of an assessor that cci made, None for anybody else's."""
    try:
        value = json.loads(assessor.inputs)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and OURS in value else None


def missing_resources(wanted: Iterable[str], present: _Resources) -> list[str]:
    """Return the labels that are not there, or are there and known to hold no file."""
    return [label for label in wanted if label not in present or present[label].file_count == 0]


def resolve(rules: Sequence[Rule], target: model.Target) -> Selection:
    """Choose a source for every rule, or say which condition does not hold; the first such decides."""
    sources: list[Source] = []
    bound = target.scan
    for rule in rules:
        if isinstance(rule, Scan):
            found = _choose_scan(rule, target, bound)
            bound = None
        elif isinstance(rule, Assessor):
            found = _choose_assessor(rule, target)
        else:
            found = _choose_session_resource(rule, target)
        if isinstance(found, str):
            return Selection.waiting(found)
        sources.append(found)
    return Selection(sources=tuple(sources))


def _choose_scan(rule: Scan, target: model.Target, bound: model.Scan | None) -> Source | str:
    if target.session is None:
        return "only a session or scan processor can ask for scans"
    candidates = [bound] if bound else [scan for scan in target.session.scans if rule.matches(scan)]
    if not candidates:
        return f"the session has no scan of type {_alternatives(rule.type)}"
    usable = [scan for scan in candidates if scan.quality not in rule.exclude_quality]
    if not usable:
        return " and ".join(f"scan {scan.id} ({scan.type}) is marked {scan.quality}" for scan in candidates)
    scan = max(usable, key=rule.rank)
    lacking = _lacking(rule.resources, scan.resources)
    if lacking:
        return f"scan {scan.id} ({scan.type}) {lacking}"
    also = [label for label in rule.optional if not missing_resources([label], scan.resources)]
    return Source(
        input=rule.name,
        kind="scan",
        session_id=target.session.id,
        scan_id=scan.id,
        resources=(*rule.resources, *also),
        # an optional resource that is added later does not make a result outdated
        fingerprints=_fingerprints(rule.resources, scan.resources),
        attributes=scan_attributes(scan),
    )


def scan_attributes(scan: model.Scan) -> dict[str, str]:
    """Return what a spider is told of a scan."""
    return {
        "id": scan.id,
        "type": scan.type,
        "quality": scan.quality,
        "note": scan.note,
        "series_description": scan.series_description,
        "frames": "" if scan.frames is None else str(scan.frames),
    }


def _choose_assessor(rule: Assessor, target: model.Target) -> Source | str:
    owner = target.session or target.subject
    if owner is None:
        return "only a session, scan or subject processor can ask for assessors"
    candidates = [
        assessor
        for assessor in owner.assessors
        if rule.matches(assessor) and _concerns(assessor, target.scan)
    ]
    if not candidates:
        return f"there is no assessor {_alternatives(rule.proctype)} yet"
    refusals = [(assessor, _refusal(rule, assessor)) for assessor in candidates]
    good = [assessor for assessor, refusal in refusals if not refusal]
    if not good:
        return "; ".join(f"assessor {assessor.label} {refusal}" for assessor, refusal in refusals[:3])
    chosen = max(good, key=rule.rank)
    return Source(
        input=rule.name,
        kind="assessor",
        session_id=chosen.session_id,
        assessor_id=chosen.id,
        subject_level=target.session is None,
        resources=tuple(rule.resources),
        fingerprints=_fingerprints(rule.resources, chosen.resources),
        attributes={"label": chosen.label, "proctype": chosen.proctype, "qc_status": chosen.qc_status},
    )


def _concerns(assessor: model.Assessor, scan: model.Scan | None) -> bool:
    """Whether the assessor is not known to be about another scan than the target's."""
    made_from = (ours(assessor) or {}).get("scan")
    return scan is None or not made_from or made_from == scan.id


def _refusal(rule: Assessor, assessor: model.Assessor) -> str:
    """Return why this assessor cannot be an input, or nothing."""
    qc = assessor.qc_status.lower()
    if assessor.procstatus != Status.COMPLETE:
        return f"is {assessor.procstatus or 'without status'}"
    if qc in BAD_QC or qc in {"rerun", "reproc"}:
        return f"has QC status {assessor.qc_status}"
    if rule.needs_qc and qc not in PASSED_QC:
        return f"waits for its quality control (QC status {assessor.qc_status or 'empty'})"
    return _lacking(rule.resources, assessor.resources)


def _choose_session_resource(rule: SessionResource, target: model.Target) -> Source | str:
    if target.session is None:
        return "only a session or scan processor can ask for session resources"
    lacking = _lacking(rule.resources, target.session.resources)
    if lacking:
        return f"the session {lacking}"
    return Source(
        input=rule.name,
        kind="session",
        session_id=target.session.id,
        resources=tuple(rule.resources),
        fingerprints=_fingerprints(rule.resources, target.session.resources),
        attributes={"label": target.session.label},
    )


def _lacking(wanted: Iterable[str], present: _Resources) -> str:
    """Say which resources are not there or hold nothing; '' if every one is as it should be."""
    missing = missing_resources(wanted, present)
    absent = [label for label in missing if label not in present]
    empty = [label for label in missing if label in present]
    parts = []
    if absent:
        parts.append(f"has no resource{'s' if len(absent) > 1 else ''} {_all_of(absent)}")
    if empty:
        some = "empty resources" if len(empty) > 1 else "an empty resource"
        parts.append(f"has {some} {_all_of(empty)}")
    return " and ".join(parts)


def _fingerprints(wanted: Iterable[str], present: _Resources) -> dict[str, str]:
    return {label: present[label].fingerprint for label in wanted}


def _alternatives(patterns: Sequence[str]) -> str:
    return " or ".join(patterns)


def _all_of(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _with_resources(labels: Sequence[str]) -> str:
    if not labels:
        return ""
    return f", with {'resources' if len(labels) > 1 else 'resource'} {_all_of(labels)}"
