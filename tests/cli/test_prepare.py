"""``atso prepare`` on stand-ins of both data sets."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from atso_monai.cli.main import main
from atso_monai.phantom import write_msd_task, write_tcia


def test_nih(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tcia(tmp_path / "d", numbers=[1, 25, 26], seed=0, shape=(24, 24, 12), defects={25: "withdrawn"})
    assert main(["prepare", "nih", str(tmp_path / "d"), "--to", str(tmp_path / "p"), "--exclude", "PANCREAS_0026"]) == 0
    shown = capsys.readouterr().out
    assert "left out: PANCREAS_0025" in shown and "1 cases in" in shown
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == ["images", "labels", "overlays", "records"]
    assert not (tmp_path / "d" / "prepared").exists()


def test_nothing_left_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tcia(tmp_path / "d", numbers=[1], seed=0, shape=(24, 24, 12))
    with pytest.raises(SystemExit):
        main(["prepare", "nih", str(tmp_path / "d"), "--exclude", "PANCREAS_0001"])
    assert "all were left out" in capsys.readouterr().err


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    task = write_msd_task(
        tmp_path / "made" / "Task07_Pancreas", cases=2, unlabelled=1, seed=0, plane=24, slice_distances=[7.5, 5]
    )
    with tarfile.open(tmp_path / "Task07_Pancreas.tar", "w") as tar:
        tar.add(task, "Task07_Pancreas")
    return tmp_path / "Task07_Pancreas.tar"


def test_msd(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source in (archive, archive, archive.with_suffix("")):
        assert main(["prepare", "msd", str(source)]) == 0
        assert "Pancreas: 3 cases, 2 of them with a label; slices 5.00 to 7.50 mm apart" in capsys.readouterr().out
    assert not list(archive.with_suffix("").rglob("._*")) and not list(archive.parent.glob(".tmp-*"))


def test_msd_that_is_cut_off_or_incomplete(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = archive.with_name("short.tar")
    short.write_bytes(archive.read_bytes()[:5000])
    with pytest.raises(SystemExit):
        main(["prepare", "msd", str(short)])
    assert f"Cannot unpack {short}" in capsys.readouterr().err and not short.with_suffix("").exists()
    task = archive.parent / "made" / "Task07_Pancreas"
    (task / "labelsTr" / "pancreas_002.nii.gz").unlink()
    with pytest.raises(SystemExit):
        main(["prepare", "msd", str(task)])
    assert "pancreas_002.nii.gz is missing" in capsys.readouterr().err
