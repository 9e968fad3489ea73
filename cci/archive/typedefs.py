"""The data types that the archive knows, as tables: XNAT's own core and the ``proc`` types of VUIIS.

Sources: ``xnat.xsd`` of XNAT 1.8 and ``proc.xsd`` of the plugin genProcData 1.4.2 for names and kinds;
only what clients of imaging pipelines use is listed.
"""

from __future__ import annotations

from cci.archive.types import DataType, Family, Registry, parse_fields

_VALIDATION = (
    "validation/method validation/date:date validation/notes validation/validated_by validation/@status"
)
_PERSON = "{0}/title {0}/firstname {0}/lastname {0}/institution {0}/department {0}/email"
_INVESTIGATOR = _PERSON.format("investigator")
_STEP = "provenance/processStep"
_PROVENANCE = f"""{_STEP}/program {_STEP}/program/@version {_STEP}/program/@arguments
    {_STEP}/timestamp:datetime {_STEP}/cvs {_STEP}/user {_STEP}/machine {_STEP}/platform
    {_STEP}/platform/@version {_STEP}/compiler {_STEP}/compiler/@version
    {_STEP}/library {_STEP}/library/@version"""
_PROC = """procstatus proctype procversion jobid walltimeused memusedmb:int jobstartdate:date memused jobnode
    inputs<10000 dax_processor_version dax_processor_name dax_spider_version dax_spider_name
    dax_code_version dax_docker_version dax_version dax_version_hash"""

_PROJECT = f"""@ID @secondary_ID @active:bool name type description keywords aliases/alias
    {_PERSON.format("PI").removeprefix("/title")} PI/title custom_fields"""
_SUBJECT = f"""@ID @project @group @label @src @initials {_INVESTIGATOR} demographics/dob:date
    demographics/yob:int demographics/age:int demographics/gender demographics/handedness demographics/ses:int
    demographics/education:int demographics/educationDesc demographics/race demographics/race2
    demographics/ethnicity demographics/weight:float demographics/weight/@units demographics/height:float
    demographics/height/@units demographics/gestational_age:float demographics/post_menstrual_age:float
    demographics/birth_weight:float demographics/employment:int metadata/cohort
    custom_fields"""
_EXPERIMENT = f"""@ID @project @visit_id @visit @version:int @original @protocol @label
    date:date time:time duration delay:int delay_ref_expt_id note<2500 {_INVESTIGATOR} {_VALIDATION}
    acquisition_site custom_fields"""
_SESSION = """@session_type @modality @UID @study_id scanner scanner/@manufacturer scanner/@model operator
    prearchivePath dcmAccessionNumber dcmPatientId dcmPatientName dcmPatientBirthDate:date
    dcmPatientWeight:float"""
_SCAN = f"""@ID @type @UID @project image_session_ID note quality condition series_description documentation
    scanner scanner/@manufacturer scanner/@model modality frames:int operator {_VALIDATION} startTime:time
    start_date:date custom_fields"""
_MR_SCAN = """coil fieldStrength marker stabilization parameters/voxelRes/@x:float
    parameters/voxelRes/@y:float parameters/voxelRes/@z:float parameters/voxelRes/@units
    parameters/orientation parameters/fov/@x:int parameters/fov/@y:int parameters/matrix/@x:int
    parameters/matrix/@y:int parameters/partitions:int parameters/tr:float parameters/te:float
    parameters/ti:float parameters/flip:int parameters/sequence parameters/imageType
    parameters/scanSequence parameters/seqVariant parameters/scanOptions parameters/acqType
    parameters/pixelBandwidth:float parameters/subjectPosition parameters/echoTrainLength:int
    parameters/phaseEncodingDirection parameters/readoutSampleSpacing dcmValidation
    dcmValidation/@status:bool"""
_PET_SCAN = """parameters/orientation parameters/originalFileName parameters/facility parameters/numPlanes:int
    parameters/numFrames:int parameters/numGates:int parameters/frameUnits"""
_CT_SCAN = """parameters/voxelRes/@x:float parameters/voxelRes/@y:float parameters/voxelRes/@z:float
    parameters/orientation parameters/rescaleIntercept:float parameters/rescaleSlope:float
    parameters/kvp:float parameters/convolutionKernel parameters/imageType parameters/options"""
_PET_SESSION = """tracer/name tracer/dose:float tracer/dose/@units tracer/startTime:datetime
    tracer/transmissions:int tracer/isotope tracer/isotope/@half-life:float studyType patientID patientName
    start_time:datetime start_time_scan:datetime start_time_injection:datetime"""
_RECONSTRUCTION = f"@ID @type @baseScanType image_session_ID inScans/scanID {_PROVENANCE} computations"
_QC_MANUAL = """rater stereotacticMarker:bool incidentalFindings comments pass payable:bool rescan:bool
    resolvable:bool retrain:bool"""

#: name · proper name · parent · family · singular · plural · own fields; abstract types have no proper name.
_TABLE: tuple[tuple[str, str, str, Family, str, str, str], ...] = (
    ("xnat:projectData", "xnat:Project", "", Family.PROJECT, "Project", "Projects", _PROJECT),
    ("xnat:subjectData", "xnat:Subject", "", Family.SUBJECT, "Subject", "Subjects", _SUBJECT),
    ("xnat:experimentData", "", "", Family.EXPERIMENT, "Experiment", "Experiments", _EXPERIMENT),
    (
        "xnat:subjectAssessorData", "", "xnat:experimentData", Family.EXPERIMENT,
        "Subject Assessment", "Subject Assessments", "subject_ID age:float",
    ),
    (
        "xnat:imageSessionData", "", "xnat:subjectAssessorData", Family.EXPERIMENT,
        "Imaging Session", "Imaging Sessions", _SESSION,
    ),
    (
        "xnat:mrSessionData", "xnat:MRSession", "xnat:imageSessionData", Family.EXPERIMENT,
        "MR Session", "MR Sessions", "coil fieldStrength marker stabilization",
    ),
    (
        "xnat:petSessionData", "xnat:PETSession", "xnat:imageSessionData", Family.EXPERIMENT,
        "PET Session", "PET Sessions", _PET_SESSION,
    ),
    (
        "xnat:ctSessionData", "xnat:CTSession", "xnat:imageSessionData", Family.EXPERIMENT,
        "CT Session", "CT Sessions", "",
    ),
    (
        "xnat:otherDicomSessionData", "xnat:OtherDicomSession", "xnat:imageSessionData", Family.EXPERIMENT,
        "Other DICOM Session", "Other DICOM Sessions", "",
    ),
    ("xnat:imageScanData", "", "", Family.SCAN, "Image Scan", "Image Scans", _SCAN),
    ("xnat:mrScanData", "xnat:MRScan", "xnat:imageScanData", Family.SCAN, "MR Scan", "MR Scans", _MR_SCAN),
    (
        "xnat:petScanData", "xnat:PETScan", "xnat:imageScanData", Family.SCAN,
        "PET Scan", "PET Scans", _PET_SCAN,
    ),
    ("xnat:ctScanData", "xnat:CTScan", "xnat:imageScanData", Family.SCAN, "CT Scan", "CT Scans", _CT_SCAN),
    (
        "xnat:otherDicomScanData", "xnat:OtherDicomScan", "xnat:imageScanData", Family.SCAN,
        "Other DICOM Scan", "Other DICOM Scans", "",
    ),
    (
        "xnat:reconstructedImageData", "xnat:ReconstructedImage", "", Family.RECONSTRUCTION,
        "Reconstructed Image", "Reconstructed Images", _RECONSTRUCTION,
    ),
    (
        "xnat:derivedData", "", "xnat:experimentData", Family.EXPERIMENT,
        "Derived Data", "Derived Data", _PROVENANCE,
    ),
    (
        "xnat:imageAssessorData", "", "xnat:derivedData", Family.EXPERIMENT,
        "Image Assessment", "Image Assessments", "imageSession_ID",
    ),
    (
        "xnat:mrAssessorData", "", "xnat:imageAssessorData", Family.EXPERIMENT,
        "MR Assessment", "MR Assessments", "",
    ),
    (
        "xnat:qcManualAssessorData", "xnat:QCManualAssessment", "xnat:imageAssessorData", Family.EXPERIMENT,
        "Manual QC", "Manual QCs", _QC_MANUAL,
    ),
    (
        "xnat:qcAssessmentData", "xnat:QCAssessment", "xnat:imageAssessorData", Family.EXPERIMENT,
        "Auto QC", "Auto QCs", "@type",
    ),
    (
        "proc:genProcData", "proc:Processing", "xnat:imageAssessorData", Family.EXPERIMENT,
        "Processing", "Processings", _PROC,
    ),
    (
        "proc:subjGenProcData", "proc:SubjectProcessing", "xnat:subjectAssessorData", Family.EXPERIMENT,
        "Subject Processing", "Subject Processings", f"@type {_PROC}",
    ),
    (
        "xnat:abstractResource", "", "", Family.RESOURCE, "Resource", "Resources",
        "@label @file_count:int @file_size:int note tags/tag xnat_abstractresource_id:int",
    ),
    (
        "xnat:resource", "", "xnat:abstractResource", Family.RESOURCE, "Resource", "Resources",
        "@URI @format @description @content @cachePath",
    ),
    (
        "xnat:resourceCatalog", "xnat:ResourceCatalog", "xnat:resource", Family.RESOURCE,
        "Resource Catalog", "Resource Catalogs", "",
    ),
)  # fmt: skip

_ABSTRACT = frozenset(
    {
        "xnat:experimentData",
        "xnat:subjectAssessorData",
        "xnat:imageSessionData",
        "xnat:imageScanData",
        "xnat:derivedData",
        "xnat:imageAssessorData",
        "xnat:abstractResource",
        "xnat:resource",
    }
)


def _data_type(row: tuple[str, str, str, Family, str, str, str]) -> DataType:
    name, proper, parent, family, singular, plural, fields = row
    return DataType(
        name=name,
        proper=proper or name,
        parent=parent,
        family=family,
        own_fields=parse_fields(fields),
        singular=singular,
        plural=plural,
        abstract=name in _ABSTRACT,
    )


#: The one registry: the types are fixed for a version of the archive.
REGISTRY = Registry(tuple(_data_type(row) for row in _TABLE))

#: Namespace of each prefix, as XNAT declares them on every document.
NAMESPACES = {
    "xnat": "http://nrg.wustl.edu/xnat",
    "proc": "http://nrg.wustl.edu/proc",
    "prov": "http://www.nbirn.net/prov",
    "cat": "http://nrg.wustl.edu/catalog",
    "xdat": "http://nrg.wustl.edu/security",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
