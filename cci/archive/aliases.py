"""XNAT's short column names and default columns, for each kind of listing. Tables only.

Source: the column maps of XNAT 1.8.11's list resources (mono-repository NrgXnat/xnat, ``restlet/resources``).
"""

from __future__ import annotations

from dataclasses import dataclass

_PERSON = {"pi_firstname": "{0}/firstname", "pi_lastname": "{0}/lastname"}
_META = {
    "insert_date": "meta/insert_date",
    "insert_user": "meta/insert_user",
    "last_modified": "meta/last_modified",
}
_VALIDATION = {f"validation_{leaf}": f"validation/{leaf}" for leaf in ("method", "status", "date", "notes")}


def _own(element: str, *names: str, **paths: str) -> dict[str, str]:
    return {
        **{name: f"{element}/{name}" for name in names},
        **{name: f"{element}/{path}" for name, path in paths.items()},
    }


_PROJECTS = _own(
    "xnat:projectData",
    *("ID", "secondary_ID", "name", "description", "keywords"),
    alias="aliases/alias",
    note="fields/field[name=note]/field",
    **{name: path.format("PI") for name, path in _PERSON.items()},
)
_DEMOGRAPHICS = (
    "dob yob age gender handedness ses education educationDesc race ethnicity weight height "
    "gestational_age post_menstrual_age birth_weight"
)
_SUBJECTS = _own(
    "xnat:subjectData",
    *("project", "label", "ID", "group", "src"),
    **{name: f"demographics/{name}" for name in _DEMOGRAPHICS.split()},
    **{name: path.format("investigator") for name, path in _PERSON.items()},
    **_META,
)
_COMMON = _own(
    "xnat:experimentData",
    *("ID", "visit_id", "visit", "protocol", "date", "time", "note", "project", "label"),
    **{name: path.format("investigator") for name, path in _PERSON.items()},
    **_VALIDATION,
    **_META,
    xsiType="meta/element_name",
)
_SESSION_REF = _own(
    "xnat:imageSessionData", session_ID="ID", session_label="label", session_project="project"
)
_TRACER = "name startTime dose isotope transmissions"
_SESSION_FIELDS = "scanner operator dcmAccessionNumber dcmPatientId dcmPatientName session_type modality UID"
_EXPERIMENTS = {
    **_COMMON,
    **_SESSION_REF,
    **_own("xnat:imageSessionData", *_SESSION_FIELDS.split(), studyInstanceUID="UID"),
    **_own("xnat:mrSessionData", "coil", "fieldStrength", "marker", "stabilization"),
    **_own(
        "xnat:petSessionData",
        *("studyType", "patientID", "patientName"),
        scan_start_time="start_time_scan",
        injection_start_time="start_time_injection",
        **{f"tracer_{name}": f"tracer/{name}" for name in _TRACER.split()},
    ),
    "subject_ID": "xnat:subjectAssessorData/subject_ID",
    **_own("xnat:subjectData", subject_label="label", subject_project="project"),
}
_SCAN_FIELDS = (
    "ID type UID note quality condition series_description documentation scanner modality frames operator"
)
_PET_SCAN = "orientation originalFileName facility numPlanes numFrames numGates"
_SCANS = {
    **_own(
        "xnat:imageScanData",
        *_SCAN_FIELDS.split(),
        xnat_imagescandata_id="xnat_imagescandata_id",
        scanTime="startTime",
        xsiType="meta/element_name",
        **_VALIDATION,
        **_META,
    ),
    **_own("xnat:mrScanData", "coil", "fieldStrength", "marker", "stabilization"),
    **{name: f"xnat:petScanData/parameters/{name}" for name in _PET_SCAN.split()},
}
_ASSESSORS = {**_COMMON, **_SESSION_REF}
_RECONSTRUCTIONS = _own(
    "xnat:reconstructedImageData",
    *("ID", "type", "baseScanType", "xnat_reconstructedimagedata_id"),
    xsiType="meta/element_name",
)


@dataclass(frozen=True, kw_only=True)
class ListKind:
    """What one listing is by default.

    Attributes
    ----------
    aliases
        Short name → ``element/path``.
    defaults
        Columns when none are asked for.
    always
        Columns that are there whether asked for or not.
    """

    name: str
    root: str
    key: str
    aliases: dict[str, str]
    defaults: tuple[str, ...]
    always: tuple[str, ...] = ()


PROJECTS = ListKind(
    name="projects",
    root="xnat:projectData",
    key="ID",
    aliases=_PROJECTS,
    defaults=("ID", "secondary_ID", "name", "description", "pi_firstname", "pi_lastname"),
)
SUBJECTS = ListKind(
    name="subjects",
    root="xnat:subjectData",
    key="ID",
    aliases=_SUBJECTS,
    defaults=("ID", "project", "label", "insert_date", "insert_user"),
)
SITE_EXPERIMENTS = ListKind(
    name="experiments",
    root="xnat:experimentData",
    key="ID",
    aliases=_EXPERIMENTS,
    defaults=("ID", "project", "date", "xsiType", "label", "insert_date"),
    always=("xsiType",),
)
EXPERIMENTS = ListKind(
    name="experiments",
    root="xnat:subjectAssessorData",
    key="ID",
    aliases=_EXPERIMENTS,
    defaults=("ID", "project", "date", "xsiType", "label", "insert_date"),
    always=("xsiType",),
)
SCANS = ListKind(
    name="scans",
    root="xnat:imageScanData",
    key="xnat_imagescandata_id",
    aliases=_SCANS,
    defaults=("xnat_imagescandata_id", "ID", "type", "quality", "xsiType", "note", "series_description"),
)
ASSESSORS = ListKind(
    name="assessors",
    root="xnat:imageAssessorData",
    key="ID",
    aliases=_ASSESSORS,
    defaults=("ID", "project", "label", "date", "xsiType", "insert_date", "session_ID", "session_label"),
    always=("xsiType",),
)
RECONSTRUCTIONS = ListKind(
    name="reconstructions",
    root="xnat:reconstructedImageData",
    key="xnat_reconstructedimagedata_id",
    aliases=_RECONSTRUCTIONS,
    defaults=("xnat_reconstructedimagedata_id", "ID", "type", "baseScanType"),
)
#: Names that parameters of an item may have instead of a path, by the collection it is in.
PARAMETER_ALIASES = {
    "projects": _PROJECTS,
    "subjects": _SUBJECTS,
    "experiments": _EXPERIMENTS,
    "scans": _SCANS,
    "assessors": _ASSESSORS,
    "reconstructions": _RECONSTRUCTIONS,
}
