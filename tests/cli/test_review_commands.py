"""report, compare, review and promote as they are typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atso_monai.cli.main import main
from atso_monai.review import audit, queue


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the commands asked for; runs are read as their own paths."""
    made: list[tuple[Any, ...]] = []

    def note(name: str, answer: Any) -> Any:
        def call(*arguments: Any) -> Any:
            made.append((name, *arguments))
            return answer

        return call

    monkeypatch.setattr("atso_monai.review.read_run.read_run", lambda run: run)
    monkeypatch.setattr("atso_monai.review.report.write_report", note("report", "r.html"))
    monkeypatch.setattr("atso_monai.review.compare_runs.arms_of", note("arms", "arms"))
    monkeypatch.setattr("atso_monai.review.compare_runs.compare_all", note("compare", []))
    monkeypatch.setattr("atso_monai.review.compare_runs.write_comparison", note("csv", None))
    monkeypatch.setattr(queue, "review_queue", note("queue", []))
    monkeypatch.setattr(queue, "write_queue", note("write", None))
    monkeypatch.setattr(audit, "audit", lambda run: [])
    monkeypatch.setattr(audit, "write_audit", note("audit", None))
    return made


def test_report(calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "a", "b"]) == 0
    assert main(["report", "a", "--to", "x.html"]) == 0
    assert calls == [
        ("report", [Path("a"), Path("b")], Path("a/report.html")), ("report", [Path("a")], Path("x.html")),
    ]  # fmt: skip
    assert "r.html" in capsys.readouterr().out


def test_compare(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    to = tmp_path / "d.csv"
    words = ["compare", "a", "b", "--on", "test", "--label", "liver", "--strategies", "stso", "atso", "--to", str(to)]
    words += ["--metric", "hd95"]
    assert main(words) == 0
    assert calls == [
        ("arms", [Path("a"), Path("b")], ["stso", "atso"]), ("compare", "arms", ["test"], "liver", "hd95"),
        ("csv", [], to),
    ]  # fmt: skip


def test_review(calls: list[tuple[Any, ...]]) -> None:
    assert main(["review", "a"]) == 0
    assert calls == [("queue", Path("a")), ("write", [], Path("a/review.csv")), ("audit", [], Path("a/audit.csv"))]


def test_files_of_others_are_left_alone(
    calls: list[tuple[Any, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "review.csv").write_text("rank,my notes\n")
    for words in (["review", str(tmp_path)], ["compare", "a", "b", "--to", str(tmp_path / "review.csv")]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2
        assert "Will not write over" in capsys.readouterr().err
    assert (tmp_path / "review.csv").read_text() == "rank,my notes\n"
    assert calls == []


@pytest.mark.parametrize("missing", ["--labels", "--by", "--to"])
def test_promote_asks_for_what_it_needs(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = [w for name in ("--labels", "--by", "--to") if name != missing for w in (name, "x")]
    with pytest.raises(SystemExit):
        main(["promote", "run", *given])
    assert missing in capsys.readouterr().err


def test_a_folder_without_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["report"],
        ["compare"],
        ["review"],
        ["promote", "--labels", "x", "--by", "y", "--to", str(tmp_path / "n")],
    ):
        with pytest.raises(SystemExit) as caught:
            main([words[0], str(tmp_path), *words[1:]])
        assert caught.value.code == 2
        assert "holds no run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
