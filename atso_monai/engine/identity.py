"""What makes a run the one it is: a run folder continues only with the same."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from atso_monai.cohort import Cohort
from atso_monai.engine.orders import bundle_config
from atso_monai.engine.scheme import Scheme
from atso_monai.engine.workplace import Workplace
from atso_monai.files import hash_json, text_keys


def identity(scheme: Scheme, cohort: Cohort, place: Workplace) -> dict[str, Any]:
    """All that shapes the results. ``compare`` and ``variants`` may grow from one start to the next and are left out.

    Neither are workers, devices and the checkpoints of trainings in it, which may change from start to start.
    """
    return {
        **{name: value for name, value in asdict(scheme).items() if name not in ("compare", "variants")},
        "seed": place.seed,
        "overlays": place.overlays,
        "overrides": place.overrides,
        "threads": place.threads,
        **({"ranks": place.ranks} if place.ranks > 1 else {}),
        "cohort": {
            "fingerprint": cohort.fingerprint,
            "labels": text_keys(cohort.labels),
            "label_map": text_keys(cohort.label_map or {}),
            **_own_maps(cohort),
            "content": hash_json(sorted(place.contents.values()))[:16],
        },
        "bundle": {"name": place.bundle.name}
        | ({"inference": place.infer_bundle.name} if place.infer_bundle else {})
        | {kind: hash_json(bundle_config(place, kind))[:16] for kind in ("train", "predict")},
    }


def _own_maps(cohort: Cohort) -> dict[str, Any]:
    """The label maps of single cases, in cohorts of several sources."""
    cases = (*cohort.labelled, *cohort.reference, *cohort.test)
    maps = {c.id: text_keys(c.label_map) for c in cases if c.label_map is not None}
    return {"label_maps": hash_json(maps)[:16]} if maps else {}
