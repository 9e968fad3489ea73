"""How a task's rule is told in words."""

from __future__ import annotations

import pytest
from support.trivial_processors import AfterProcessor, CopyProcessor, EverySubjectProcessor, PassedProcessor

from cci.daemon.why import rule_of
from cci.inputs import Scan, SessionResource
from cci.processor import Processor


@pytest.mark.parametrize(
    ("processor", "words"),
    [
        (CopyProcessor(), "every scan of type T1*, not marked unusable, with resource DATA"),
        (
            CopyProcessor(inputs=(Scan("image", type=["T1*"], resources=[]), Scan("map", ["B0"], ["NIFTI"]))),
            (
                "every scan of type T1*, not marked unusable; "
                "and the best scan of type B0, not marked unusable, with resource NIFTI"
            ),
        ),
        (AfterProcessor(), "the newest assessor Copy_v1 that is COMPLETE, with resource TEXT"),
        (
            PassedProcessor(),
            "the newest assessor Copy_v1 that is COMPLETE, passed by its quality control, with resource TEXT",
        ),
        (
            AfterProcessor(inputs=(SessionResource("physio", ["PHYSIO"]), Scan("t1", ["T1"], []))),
            "the session, with resource PHYSIO; and the best scan of type T1, not marked unusable",
        ),
        (EverySubjectProcessor(), "the processor decides by itself (its method can_run)"),
    ],
)
def test_rule_in_words(processor: Processor, words: str) -> None:
    """A scan processor runs on every scan of its first rule; other rules choose one source."""
    assert words == rule_of(processor)
