"""A T1-weighted volume of the phantom's head."""

from __future__ import annotations

import numpy as np

from cci.phantom.acquisition import WHITE_MAGNITUDE, rician
from cci.phantom.anatomy import Head
from cci.phantom.series import Volume

#: Magnitudes relative to the brightest voxel of the brain, whose contrast is the template's.
CONTRAST = {"t1": 1.0, "skull": 0.08, "scalp": 0.85}


def t1(head: Head, *, seed: int = 0, snr: float = 40.0) -> Volume:
    """Scan *head* with T1 contrast; *snr* is the magnitude of bright white matter over the noise."""
    rng = np.random.default_rng([seed, 3])
    field = head.anatomy.field({name: WHITE_MAGNITUDE * value for name, value in CONTRAST.items()})
    everywhere = np.ones(head.shape, dtype=bool)
    signal = field.at(head.points(everywhere)).reshape(head.shape).astype(np.float32)
    return Volume(
        data=rician(rng, signal, WHITE_MAGNITUDE / snr),
        affine=head.affine,
        tr_s=2.3,
        te_s=0.003,
        description="t1_mprage",
    )
