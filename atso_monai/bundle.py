"""The only door to ``monai.bundle``: find, read, override (and read back), run one ``ConfigWorkflow``."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from ignite.engine import Engine
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.utils import merge_kv
from monai.utils import set_determinism

from atso_monai.adapter import FOLDER, SCRATCH, SECTION, own_code, own_workers
from atso_monai.adapter.tree import ids_of
from atso_monai.checkpoint import CheckpointFolder, Interval, TrainingCheckpoint, stateful
from atso_monai.errors import AtsoError, ConfigError, nearest
from atso_monai.handlers import FiniteLoss, LossCurve, Progress
from atso_monai.handlers.loss_curve import FILE as LOSSES
from atso_monai.ranks import ranks
from atso_monai.stopping import obey, postponed

CONFIG = "config.yaml"
CONFIG_SUFFIXES = (".yaml", ".yml", ".json")
ENGINES = {"train": "train::trainer", "predict": "evaluator"}
WORKFLOW_TYPES = {"train": "train", "predict": "infer", "score": None}


def embedded_bundles() -> dict[str, Path]:
    """The bundles that come with the package, by name."""
    here = Path(__file__).parent
    folder = next((f for f in (here / "bundles", here.parent / "bundles") if f.is_dir()), None)
    found = sorted(folder.glob("*/configs/metadata.json")) if folder else []
    return {file.parents[1].name: file.parents[1] for file in found}


def find_bundle(name: str | Path) -> Path:
    """Root folder of a bundle, given as a folder or as the name of an embedded one.

    Raises:
        ConfigError: when it is neither.
    """
    folder, embedded = Path(name), embedded_bundles()
    if (folder / "configs").is_dir():
        return folder.resolve()
    if str(name) in embedded:
        return embedded[str(name)].resolve()
    hint = nearest(str(name), embedded)
    raise ConfigError(
        f"There is no bundle {str(name)!r}: no such folder with configs/ in it, and the embedded ones are "
        f"{', '.join(embedded) or 'none'}.{hint}"
    )


def config_files(root: Path, name: str, overlays: Sequence[str] = ()) -> list[Path]:
    """The file ``configs/<name>.yaml`` of a bundle and those of its overlays, in the order in which they are merged.

    An overlay ``o`` is the file ``configs/<name>_<o>.yaml``; one that has nothing to say on ``name`` may be absent.

    Raises:
        ConfigError: when the bundle has no such configuration or overlay.
    """
    files = [_config_file(root, name)]
    for overlay in overlays:
        if (file := root / "configs" / f"{name}_{overlay}.yaml").is_file():
            files.append(file)
        elif not list((root / "configs").glob(f"*_{overlay}.yaml")):
            names = sorted({f.stem.split("_", 1)[1] for f in (root / "configs").glob("*_*.yaml")})
            raise ConfigError(
                f"The bundle {root.name} has no overlay {overlay!r}. It has: {', '.join(names) or 'none'}."
                f"{nearest(overlay, names)}"
            )
    return files


def engine_id(config: Mapping[str, Any], name: str) -> str:
    """The id by which the engine sets a configuration: in the section that was added to it, or its own."""
    return f"{SECTION}::{name}" if SECTION in config else name


def set_ids(config: dict[str, Any], values: Mapping[str, Any], source: str) -> None:
    """:func:`override` for what the engine sets in every bundle, by the names of its own bundles."""
    override(config, {engine_id(config, name): value for name, value in values.items()}, source)


def plain_config(config: dict[str, Any], root: Path) -> dict[str, Any]:
    """A configuration of the bundle ``root`` without macros (``%id``) and relative references (``@#id``).

    Raises:
        ConfigError: when one refers to what is not there.
    """
    parser = ConfigParser(copy.deepcopy(config))
    try:
        with _in_folder(root):
            parser.resolve_macro_and_relative_ids()
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(f"A macro in the configurations of bundle {root} cannot be resolved: {error}") from None
    return {name: value for name, value in parser.get().items() if name != "_meta_"}


def metadata(root: Path) -> Any:
    """What a bundle says of itself; the least that MONAI takes where it says nothing."""
    file = root / "configs" / "metadata.json"
    return ConfigParser.load_config_files(str(file)) if file.is_file() else {"version": "unknown"}


def read_config(root: Path, name: str, overlays: Sequence[str] = (), further: Sequence[str] = ()) -> dict[str, Any]:
    """The merged configuration of a bundle and of its overlays, unresolved.

    Args:
        root: the bundle's folder.
        name: of the configuration, with or without suffix.
        overlays: names of overlays, which may not add ids.
        further: names of files in ``configs/`` that add to and override it, before the overlays.

    Raises:
        ConfigError: when it is missing, no YAML, or an overlay sets what the configuration does not have.
    """
    first, *others = config_files(root, name, overlays)
    base = [str(first), *(str(_config_file(root, more)) for more in further)]
    try:
        known = ConfigParser(ConfigParser.load_config_files(base))
        for file in others:
            _refuse_unknown(file, known)
        config: dict[str, Any] = ConfigParser.load_config_files([*base, *map(str, others)])
    except (yaml.YAMLError, ValueError) as error:
        files = ", ".join(Path(file).name for file in base)
        raise ConfigError(f"A configuration of bundle {root} is not valid YAML or JSON ({files}): {error}") from None
    return config


def lay_over(config: dict[str, Any], file: Path) -> None:
    """Lay a file over a configuration in place, as MONAI's command line does; unlike an overlay it may add ids.

    Raises:
        ConfigError: when it cannot be read, or does not fit.
    """
    parser = ConfigParser(config)
    try:
        for key, value in ConfigParser.load_config_file(str(file)).items():
            merge_kv(parser, key, value)
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} cannot be laid over the configuration of its bundle: {error}") from None


def _refuse_unknown(overlay: Path, known: ConfigParser) -> None:
    for key in ConfigParser.load_config_file(str(overlay)):
        parent = key.rpartition("::")[0]  # an overlay may add to what is there
        if key.lstrip("+") not in known and not (parent and parent in known):
            raise ConfigError(
                f"The overlay {overlay} sets {key!r}, which the configuration under it does not have."
                f"{nearest(key, ids_of(known.get()))}"
            )


def _config_file(root: Path, name: str) -> Path:
    if Path(name).suffix and (file := root / "configs" / name).is_file():
        return file
    for suffix in ("yaml", "yml", "json"):
        if (file := root / "configs" / f"{name}.{suffix}").is_file():
            return file
    there = ", ".join(sorted(file.name for file in (root / "configs").glob("*") if file.suffix in CONFIG_SUFFIXES))
    raise ConfigError(
        f"The bundle {root} has no configs/{name}.yaml or .json. It has: {there or 'none'}. Where one of these is "
        f"meant, name it in a mapping file (--mapping FILE): '{name}: {{config: FILE_NAME}}'."
    )


def override(config: dict[str, Any], values: Mapping[str, Any], source: str) -> None:
    """Set ids of a configuration in place and read each back.

    Args:
        config: an unresolved configuration.
        values: id (levels separated by ``::`` or ``#``) to value.
        source: what the configuration is called in an error.

    Raises:
        ConfigError: for an id that the configuration does not have (MONAI would take it without a word), or a value
            that cannot stand for the number or the switch that is there.
    """
    parser = ConfigParser(config)
    for key, value in values.items():
        if key not in parser:
            raise ConfigError(f"{source} has no id {key!r}.{nearest(key, ids_of(config))}")
        _refuse_other_kind(source, key, parser.get(key), value)
        parser[key] = value
        if parser.get(key) != value:
            raise ConfigError(f"{source} did not take the value {value!r} for the id {key!r}.")


def _refuse_other_kind(source: str, key: str, now: Any, value: Any) -> None:
    """Text never stands for a number or a switch, unless it is an expression (``$...``) or a reference (``@id``)."""
    text = isinstance(value, str) and value[:1] not in ("$", "@")
    if text and isinstance(now, (bool, int, float)):
        wanted = {bool: "true or false", int: "a whole number"}.get(type(now), "a number")
        raise ConfigError(f"{source}: {key} must be {wanted} (it is {now!r}). Received: {value!r}.")


class Attachable(Protocol):
    """A handler of ours: it registers itself on an ignite engine."""

    def attach(self, engine: Engine) -> None:
        """Register on the events that it needs."""


def run_config(
    folder: Path,
    kind: str,
    overrides: Mapping[str, Any],
    watch: Sequence[Attachable] = (),
    checkpoints: CheckpointFolder | None = None,
    interval: Interval | None = None,
    on_error: Callable[[Exception], None] | None = None,
) -> None:
    """Run ``config.yaml`` of a folder as one MONAI bundle workflow, from inside that folder.

    ``finalize`` runs also after an error, which MONAI's own command line leaves out, and what a run leaves behind in
    the process (working folder, ``sys.path``, determinism) is put back.

    Args:
        folder: a folder with ``config.yaml`` and ``metadata.json``.
        kind: ``train``, ``predict`` or ``score``.
        overrides: ids to set for this run only.
        watch: further handlers to attach to the trainer or evaluator.
        checkpoints: where a training keeps checkpoints of itself; None for a training that keeps none.
        interval: how often it does.
        on_error: told of an error before ``finalize`` runs.

    Raises:
        StopSignal: when it was asked to stop; a training has left a checkpoint then, if there was time.
    """
    with _in_folder(folder), own_code(folder / FOLDER), _scratch(folder / SCRATCH):
        workflow = _workflow(kind)
        set_ids(workflow.parser.get(), overrides, str(folder / CONFIG))
        try:
            workflow.initialize()
            _watch(workflow, kind, watch)
            with own_workers(SECTION in workflow.parser.get()):
                if kind == "train" and checkpoints is not None:
                    _run_with_checkpoints(workflow, checkpoints, interval or Interval())
                else:
                    workflow.run()
            if kind == "train":
                _require_steps(workflow)
        except Exception as error:
            if on_error is not None:
                on_error(error)
            raise
        finally:
            workflow.finalize()


def set_up(folder: Path, kind: str) -> tuple[torch.nn.Module, Any]:
    """Make all parts of ``config.yaml`` of a folder, but run nothing; returns the network and the dataset's first item.

    Args:
        folder: a folder with ``config.yaml`` and ``metadata.json`` of a bundle that was rewired for the engine.
        kind: ``train`` or ``predict``.
    """
    with _in_folder(folder), own_code(folder / FOLDER), _scratch(folder / SCRATCH):
        workflow = _workflow(kind)
        try:
            workflow.initialize()
            engine = workflow.parser.get_parsed_content(f"{SECTION}::{ENGINES[kind]}")
            item = engine.data_loader.dataset[0]
            network: torch.nn.Module = workflow.parser.get_parsed_content(f"{SECTION}::network")
        finally:
            workflow.finalize()
        return network, item


def _workflow(kind: str) -> ConfigWorkflow:
    return ConfigWorkflow(
        config_file=CONFIG, meta_file="metadata.json", logging_file=False, workflow_type=WORKFLOW_TYPES[kind]
    )


def _watch(workflow: ConfigWorkflow, kind: str, more: Sequence[Attachable]) -> None:
    """Attach what every run of ours is watched by: its progress, its losses, and that they stay finite.

    Of several ranks the first one writes.
    """
    if kind in ENGINES:
        engine = workflow.parser.get_parsed_content(engine_id(workflow.parser.get(), ENGINES[kind]))
        written: list[Attachable] = [Progress("progress.json")] + ([LossCurve(LOSSES)] if kind == "train" else [])
        checked: list[Attachable] = [FiniteLoss()] if kind == "train" else []
        for handler in (*(written if ranks().rank == 0 else ()), *checked, *more):
            handler.attach(engine)


def _run_with_checkpoints(workflow: ConfigWorkflow, folder: CheckpointFolder, interval: Interval) -> None:
    trainer = workflow.parser.get_parsed_content(engine_id(workflow.parser.get(), ENGINES["train"]))
    handler = TrainingCheckpoint(folder, stateful(workflow.parser.ref_resolver.resolved_content), interval)
    handler.attach(trainer)  # the last one: what it keeps is what all others left
    with postponed():
        workflow.run()
    if not handler.completed:  # some handler took the exception for itself
        obey()
        raise AtsoError("The training ended before its time, without an error of its own.")


def _require_steps(workflow: ConfigWorkflow) -> None:
    """Ignite ends a training whose loader is empty without a word."""
    trainer = workflow.parser.get_parsed_content(engine_id(workflow.parser.get(), ENGINES["train"]))
    if not trainer.state.iteration:
        raise AtsoError("The training took no step: its data loader gave no batch. Look at its data and batch size.")


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[None]:
    """What a run puts into its scratch folder goes with it, and what a killed one left there before."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        set_determinism(None)
