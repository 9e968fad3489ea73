"""How fast a 3 mm volume is registered, against mutual information on the same volumes in the same run.

The reference is dipy's rigid registration by mutual information, at its defaults for one resolution level.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable

# one core for both: BLAS threads would measure the machine
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import numpy as np  # noqa: E402
from dipy.align.imaffine import AffineRegistration, MutualInformationMetric  # noqa: E402
from dipy.align.transforms import RigidTransform3D  # noqa: E402

from cci import phantom  # noqa: E402
from cci.spiders.registration import RigidRegistration  # noqa: E402

REPETITIONS = 5
TARGET = 20.0


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> int:
    """Print the result as one JSON object."""
    head = phantom.head()
    series = phantom.bold(head, seed=1, n_volumes=REPETITIONS + 1, motion=1.0)
    volumes = np.moveaxis(series.data.astype(float), -1, 0)
    ours = RigidRegistration(volumes[0], series.affine, mask=head.brain_mask)
    theirs = AffineRegistration(
        metric=MutualInformationMetric(nbins=32), level_iters=[100], sigmas=[0], factors=[1], verbosity=0
    )
    ratios = []
    for moving in volumes[1:]:
        reference_s = seconds(
            lambda: theirs.optimize(
                volumes[0],
                moving,  # noqa: B023 (called at once)
                RigidTransform3D(),
                None,
                static_grid2world=series.affine,
                moving_grid2world=series.affine,
            )
        )
        ratios.append(reference_s / seconds(lambda: ours.fit(moving)))  # noqa: B023 (called at once)
    value = statistics.median(ratios)
    result = {
        "name": "rigid registration of a 3 mm volume",
        "value": round(value, 1),
        "unit": "times faster",
        "reference": "dipy, mutual information, one level, same volumes",
        "target": TARGET,
        "ok": value >= TARGET,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
