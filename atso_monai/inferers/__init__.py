"""Inferers for MONAI evaluators."""

from atso_monai.inferers.coarse_to_fine import CoarseToFineInferer, Rounds
from atso_monai.inferers.view import ViewInferer

__all__ = ["CoarseToFineInferer", "Rounds", "ViewInferer"]
