"""The HTML report of a run."""

from atso_monai.review.report.page import write_report

__all__ = ["write_report"]
