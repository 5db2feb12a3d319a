"""Labels of new scans as DICOM Segmentation objects beside their NIfTI files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.files import atomic_path, hash_file
from atso_monai.predict import bundle_folder, class_names, predict, scans


def predict_dicom_seg(
    model: str | Path, images: Sequence[str | Path], to: str | Path, *, device: str | None = None
) -> list[Path]:
    """:func:`atso_monai.predict.predict` for DICOM series, with a ``<name>.dcm`` beside each ``<name>.nii.gz``.

    Args:
        model: a run folder, or a bundle folder, whose metadata names the classes.
        images: folders of one DICOM series each, or scans that ``atso prepare`` converted from such.
        to: folder for the labels; files that are there already are never replaced.
        device: e.g. ``cuda:1``; None takes the first GPU if there is one.

    Returns:
        The labels written, in the order of the images.

    Raises:
        ConfigError: when highdicom is not installed, or the bundle does not name its classes.
        PrepareError: when an image is no DICOM series with the identifiers that a segmentation refers to, or a file is
            there already.
    """
    try:
        from atso_monai.review.export.dicom_seg import Origin, write_segmentation
        from atso_monai.review.export.dicom_series import headers
    except ImportError as error:
        raise ConfigError(
            f"--dicom-seg needs {error.name}, which is not installed: pip install 'atso_monai[review]'."
        ) from error
    bundle, folder = bundle_folder(Path(model)), Path(to).absolute()
    classes = {index: name for index, name in class_names(bundle).items() if index}
    if not classes:
        raise ConfigError(f"{bundle}/configs/metadata.json names no classes (channel_def): segments need names.")
    series = _series(scans(images))
    targets = {name: folder / f"{name}.dcm" for name in series}
    if existing := [path for path in targets.values() if path.exists()]:
        raise PrepareError(f"{existing[0]} is there already. Nothing was written. Choose another folder.")
    for source in series.values():
        headers(source)
    origin = Origin("ATSO", _serial(bundle), "Prediction, for research", "PREDICTION")

    def write(item: Mapping[str, str], label: Path) -> None:
        name = item["id"]
        with atomic_path(targets[name]) as temporary:
            write_segmentation(temporary, series[name], label, classes, origin)

    return predict(model, images, folder, device=device, each=write)


def _series(items: Sequence[Mapping[str, str]]) -> dict[str, Path]:
    """The folder of the series of each scan, by its id."""
    from atso_monai.review.export.dicom_series import source_series

    found = {item["id"]: source_series(Path(item["image"])) for item in items}
    if others := [item["image"] for item in items if found[item["id"]] is None]:
        raise PrepareError(
            f"{len(others)} of {len(items)} images are no DICOM series, first {others[0]}. A DICOM segmentation needs "
            "the series it is on: leave out --dicom-seg."
        )
    return {name: source for name, source in found.items() if source is not None}


def _serial(bundle: Path) -> str:
    """What tells one model from another: a hash of its weights."""
    files = sorted(path for path in (bundle / "models").iterdir() if path.is_file())
    return "-".join(hash_file(path)[:16] for path in files)[:64]
