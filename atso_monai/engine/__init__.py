"""The ATSO engine: plans, records, executors, and the run that ties them to MONAI bundles."""

from atso_monai.engine.command import run_or_exit
from atso_monai.engine.engine import Engine
from atso_monai.engine.plan import Plan, Step, pending
from atso_monai.engine.run import Run
from atso_monai.engine.scheme import Scheme
from atso_monai.engine.strategies import build_plan
from atso_monai.engine.workflow import AtsoWorkflow

__all__ = ["AtsoWorkflow", "Engine", "Plan", "Run", "Scheme", "Step", "build_plan", "pending", "run_or_exit"]
