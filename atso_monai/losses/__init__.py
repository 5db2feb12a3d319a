"""Losses for MONAI trainers."""

from atso_monai.losses.reduced_class import ReducedClassLoss, reduced_cross_entropy

__all__ = ["ReducedClassLoss", "reduced_cross_entropy"]
