from __future__ import annotations

import json
import subprocess
import sys

LOOK = """
import importlib, json, sys
found = {}
for name in ("transforms", "networks", "losses", "inferers", "metrics"):
    package = importlib.import_module(f"atso_monai.{name}")
    for member in package.__all__:
        getattr(package, member)
    heavy = [m for m in sys.modules if m.startswith(("atso_monai.engine", "atso_monai.cohort", "atso_monai.prepare"))]
    found[name] = sorted(heavy)
print(json.dumps(found))
"""


def test_building_blocks_import_without_the_engine() -> None:
    """One fresh interpreter for all: what one of them imported would show with it and all that follow."""
    shown = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(shown.stdout.splitlines()[-1]) == {
        name: [] for name in ("transforms", "networks", "losses", "inferers", "metrics")
    }
