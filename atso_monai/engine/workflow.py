"""The ATSO engine as a MONAI workflow."""

from __future__ import annotations

import contextlib
import copy
import sys
from collections import UserDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

from atso_monai.adapter.tree import parts
from atso_monai.bundle import override
from atso_monai.engine.command import clean_exit, exits_cleanly, under_monai
from atso_monai.engine.engine import Engine
from atso_monai.engine.overrides import ID, read_overrides
from atso_monai.engine.run import Run, print_run


class AtsoWorkflow(ConfigWorkflow):
    """A run described by a bundle's ``atso.yaml``, for ``python -m monai.bundle run_workflow`` and for Python.

    Args:
        config_file: ``atso.yaml``, or several files to be merged in order.
        overrides: ids to set; paths may be :class:`pathlib.Path`, which no configuration syntax can touch.

    Raises:
        ConfigError: for an id that the configuration does not have.
    """

    def __init__(self, config_file: str | Sequence[str], **overrides: Any) -> None:
        for name in ("meta_file", "logging_file", "workflow_type"):
            overrides.pop(name, None)
        files = [config_file] if isinstance(config_file, (str, Path)) else list(config_file)
        with clean_exit() if under_monai(sys.argv) else contextlib.nullcontext():
            config = ConfigParser.load_config_files([str(file) for file in files])
            own = {name: overrides.pop(name) for name in list(overrides) if parts(name)[0] == ID}
            override(config, overrides | copy.deepcopy(own), " and ".join(str(file) for file in files))
            if ID in config:
                overrides[ID] = _handed_on(config[ID])
        super().__init__([str(file) for file in files], logging_file=False, workflow_type=None, **overrides)

    @property
    def engine(self) -> Engine:
        """The engine that the configuration describes."""
        engine: Engine = self.parser.get_parsed_content("engine")
        return engine

    @exits_cleanly
    def run(self) -> Run:
        """Run the engine; see :meth:`atso_monai.engine.Engine.run`.

        Raises:
            AtsoError: from Python; on MONAI's command line the message alone is shown.
        """
        run = self.engine.run()
        if under_monai(sys.argv):
            print_run(run)
        return run


def _handed_on(given: Any) -> Any:
    """What is set in the bundles' configurations, as it is: components, expressions and references in it belong there,
    and a plain dict would be made, evaluated and looked up here. A reference to all of it stands in ``atso.yaml``.
    """
    if isinstance(given, str) and given.startswith(("@", "$", "%")):
        return given
    return UserDict(read_overrides(given))
