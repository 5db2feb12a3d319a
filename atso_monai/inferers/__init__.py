"""Inferers for MONAI evaluators."""

from atso_monai.inferers.view import ViewInferer

__all__ = ["ViewInferer"]
