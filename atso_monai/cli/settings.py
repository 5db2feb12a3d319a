"""From ``--id value`` arguments to a workflow: the ids are those of the bundle's ``atso.yaml``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from atso_monai.errors import ConfigError, nearest

if TYPE_CHECKING:
    from atso_monai.engine import AtsoWorkflow

SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
"""Numbers such as 1e-3, which YAML 1.1 takes for text."""
PATHS = ("dataset_dir", "output_dir", "cache_dir", "bundle_root")
DEFAULT = "phantom_pancreas"
OPTIONS = ("bundle", "train-bundle", "infer-bundle", "mapping", "overlay", "cohort", "images", "labels")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that sets up a run."""
    parser.add_argument("--bundle", default=DEFAULT, help="an embedded bundle by name, or any bundle's folder")
    parser.add_argument("--train-bundle", metavar="DIR", help="any MONAI bundle, to train in the place of --bundle")
    parser.add_argument("--infer-bundle", metavar="DIR", help="any MONAI bundle with the same network, to predict")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="parts of such a bundle that are not found")
    parser.add_argument("--overlay", action="append", default=[], help="overlay of the bundle, e.g. regime_a")
    parser.add_argument(
        "--cohort", metavar="FILE", help="a cohort file, e.g. of `atso promote`; or a cohort's settings"
    )
    parser.add_argument("--images", type=Path, help="your own folder of images, in place of the bundle's data set")
    parser.add_argument("--labels", type=Path, help="the folder of labels that belongs to it")


def workflow(arguments: argparse.Namespace, rest: Sequence[str]) -> AtsoWorkflow:
    """The workflow that a command line describes.

    Raises:
        ConfigError: for an unknown bundle, overlay or id, or a value that is missing.
    """
    from atso_monai.bundle import config_files
    from atso_monai.cli.own_folder import cohort_settings
    from atso_monai.engine import AtsoWorkflow

    root, bundles = _bundles(arguments)
    values: dict[str, Any] = {**bundles, **pairs(rest)}
    overlays = list(arguments.overlay)
    if arguments.cohort is not None and arguments.cohort.startswith("{"):
        values["cohort"] = _value("cohort", arguments.cohort)
    elif arguments.cohort is not None:
        values |= _cohort_file(arguments, root, values)
    elif arguments.images is not None:
        own = None if bundles["bundle_root"] != root else root
        extra, found = cohort_settings(own, arguments.images, arguments.labels, values)
        values |= extra
        overlays += found
    elif arguments.labels is not None:
        raise ConfigError("--labels needs --images beside it.")
    files = config_files(root, "atso", overlays)
    _refuse_misspelt_options(values, files)
    if overlays:
        values.setdefault("overlays", overlays)
    return AtsoWorkflow([str(file) for file in files], **values)


def _refuse_misspelt_options(values: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Options are no ids of ``atso.yaml``, so the engine could not name them as what was meant."""
    from monai.bundle import ConfigParser

    known = ConfigParser.load_config_files([str(file) for file in files])
    options = [word.replace("-", "_") for word in OPTIONS]
    for name in values:
        if name.split("::")[0] not in known and (hint := nearest(name, [*options, *known])):
            raise ConfigError(f"There is no option --{name}.{hint}")


def _cohort_file(arguments: argparse.Namespace, root: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that put a cohort file in the place of the bundle's cohort; what the file says cannot be set besides."""
    from atso_monai.bundle import read_config

    fixed = set(re.findall(r"@(\w+)", str(read_config(root, "atso")["cohort"]))) - {"output_dir"}
    given = sorted(fixed & values.keys()) + [n for n in ("images", "labels") if getattr(arguments, n) is not None]
    if given:
        raise ConfigError(f"--{given[0]} and --cohort exclude each other: the cohort file says who is who. Drop one.")
    path = Path(arguments.cohort).absolute()
    if not path.is_file():
        raise ConfigError(
            f"There is no cohort file {arguments.cohort}. `atso promote` writes one, and every run has one."
        )
    return {"cohort": {"_target_": "atso_monai.cohort.Cohort.load", "_mode_": "callable", "path": path}}


def _bundles(arguments: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """The bundle whose ``atso.yaml`` describes the run, and the ids that say which bundles train and predict."""
    from atso_monai.bundle import find_bundle

    root = find_bundle(arguments.bundle)
    trains = find_bundle(arguments.train_bundle) if arguments.train_bundle else root
    described = any((root / "configs" / f"atso{suffix}").is_file() for suffix in (".yaml", ".yml", ".json"))
    values: dict[str, Any] = {"bundle_root": trains}
    if arguments.infer_bundle:
        if not arguments.train_bundle and described:
            raise ConfigError("--infer-bundle needs --train-bundle beside it (which may be the same folder).")
        values["infer_bundle"] = find_bundle(arguments.infer_bundle)
    if arguments.mapping is not None:
        values["mapping"] = arguments.mapping
    return (root if described else find_bundle(DEFAULT)), values


def pairs(words: Sequence[str]) -> dict[str, Any]:
    """``["--generations", "3", "--compare=[stso]"]`` as ids and values; values are YAML, paths stay as they are.

    Raises:
        ConfigError: for a word that belongs to no id, or an id without a value.
    """
    found: dict[str, Any] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("--"):
            raise ConfigError(f"Received {word!r}, which belongs to no option. Options are given as --id value.")
        name, equals, text = word[2:].partition("=")
        name = name.replace("-", "_")
        if not equals:
            if not queue or queue[0].startswith("--"):
                raise ConfigError(f"--{name} needs a value.")
            text = queue.pop(0)
        found[name] = Path(text) if name in PATHS else _value(name, text)
    return found


def _value(name: str, text: str) -> Any:
    try:
        value = float(text) if SCIENTIFIC.fullmatch(text) else yaml.safe_load(text)
        return Path(text) if name == "mlflow" and isinstance(value, str) and "://" not in text else value
    except yaml.YAMLError:
        raise ConfigError(f"--{name}: {text!r} is not a value in YAML, such as 3, atso, or [stso, oracle].") from None
