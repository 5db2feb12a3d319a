"""Export for 3D Slicer: scans, segmentations, scenes, and a script that leads through the cases."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from atso_monai.errors import PrepareError
from atso_monai.files import write_json, write_text
from atso_monai.review.export.case_labels import CaseLabels, ModelLabel, RunLabels
from atso_monai.review.export.image_file import place_image, window
from atso_monai.review.export.labels import read_label, require_grid
from atso_monai.review.export.scene import SceneCase, Shown, write_scene
from atso_monai.review.export.segmentation import (
    DISAGREEMENT,
    FINAL,
    Layer,
    build_segmentation,
    segment_ids,
    write_segmentation,
)
from atso_monai.volume_file import read_volume

SCRIPT = "open_in_slicer.py"
CASES = "cases.json"
SCENE = "scene.mrml"
README = "README.txt"
GUIDE = """Labels of a run on {cohort}, for 3D Slicer

Open all cases, in a terminal:
    Slicer --python-script open_in_slicer.py
or, without the case list, drag scene.mrml (all cases) or one file of scenes/ (one case) into Slicer.

The segments named {classes} are the final label: correct these. The others (model f1, models disagree) only show what
single models said; they need no correction and are left out later.

images/         the scans; do not save over them, they may be links to the originals
segmentations/  the labels as the run left them; they stay as they are
corrected/      is made by Slicer's panel "ATSO cases": what was edited, one file for each case

Make the corrected reference cases labelled ones, for the next run:
    atso promote RUN --labels corrected --by "YOUR NAME" --to NEW_FOLDER
where RUN is the folder of the run that these labels came from. Test cases cannot be promoted: take their files out of
corrected/ first.
"""


class SlicerExport:
    """Writes one case at a time; only names and windows are kept in memory.

    Args:
        run: the labels of a run.
        folder: an existing, empty folder.
        copy_images: copy scans instead of linking them.
    """

    def __init__(self, run: RunLabels, folder: Path, copy_images: bool = False) -> None:
        self._run, self._folder, self._copy = run, folder, copy_images
        self._shown: list[tuple[CaseLabels, SceneCase]] = []
        for name in ("images", "segmentations", "scenes"):
            (folder / name).mkdir()

    def add(self, item: CaseLabels) -> None:
        """Write scan, segmentation and scene of one case.

        Raises:
            PrepareError: when a file cannot be read, or a label does not lie on the grid of its scan.
        """
        models = item.fold_models
        array, affine = read_volume(item.case.image)
        if array.ndim != 3:
            raise PrepareError(f"{item.case.image} is no 3D volume: its shape is {array.shape}.")
        layers = []
        for key, remark, path in [(FINAL, "", item.final), *((m.model, _remark(m), m.path) for m in models)]:
            if path is None:
                raise PrepareError(f"Case {item.case.id!r} has no final label yet.")
            label, grid = read_label(path, self._run.classes)
            require_grid(path, (label.shape, grid), item.case.image, (array.shape, affine))
            layers.append(Layer(key, remark, label))
        name = item.case.id
        image = place_image(item.case.image, array, affine, self._folder / "images", name, self._copy)
        shades = window(array)
        del array
        content = build_segmentation(layers[0].label, layers[1:], self._run.classes, affine)
        file = self._folder / "segmentations" / f"{name}.seg.nrrd"
        write_segmentation(content, file)
        ids = segment_ids(self._run.classes, [m.model for m in models])
        drawn = {i: Shown(key in (FINAL, DISAGREEMENT), key != DISAGREEMENT) for key, own in ids.items() for i in own}
        scene = SceneCase(name, f"images/{image.name}", f"segmentations/{file.name}", shades, drawn)
        self._shown.append((item, scene))
        write_scene([_from_below(scene)], self._folder / "scenes" / f"{name}.mrml")

    def finish(self) -> None:
        """Write the scene of all cases, the case list, the script, and how to use them."""
        write_scene([scene for _, scene in self._shown], self._folder / SCENE)
        write_json(self._folder / CASES, [_entry(item, scene) for item, scene in self._shown])
        text = files(__package__).joinpath("slicer_script.py").read_text(encoding="ascii")
        write_text(self._folder / SCRIPT, text)
        classes = ", ".join(self._run.classes.values())
        write_text(self._folder / README, GUIDE.format(cohort=self._run.cohort.name, classes=classes))


def _remark(label: ModelLabel) -> str:
    return f"model {label.model}, {'not trained' if label.unseen else 'trained'} on this case"


def _from_below(scene: SceneCase) -> SceneCase:
    """The case as seen from a folder beside those of its files."""
    return SceneCase(scene.name, f"../{scene.image}", f"../{scene.segmentation}", scene.window, scene.segments)


def _entry(item: CaseLabels, scene: SceneCase) -> dict[str, object]:
    return {
        "id": scene.name,
        "role": item.role,
        "fold": item.fold,
        "image": scene.image,
        "segmentation": scene.segmentation,
        "window": list(scene.window),
        "filled": [name for name, shown in scene.segments.items() if shown.fill],
        "outlined": [name for name, shown in scene.segments.items() if shown.outline],
    }
