"""The report in a real browser: what it complains of, what it loads, what a click does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from atso_monai.review.read_run import ReadRun
from atso_monai.review.report import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"no headless browser here (looked for {', '.join(NAMES)})"),
]

PROBE = """<script>
window.addEventListener("load", () => {
  const tables = [...document.querySelectorAll("table.sortable")];
  const table = tables.find((t) => /reference cases/.test(t.caption.textContent));
  const column = [...table.tHead.rows[0].cells].findIndex((c) => /Score/.test(c.textContent));
  const head = table.tHead.rows[0].cells[column];
  const read = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[column].dataset.v));
  const click = () => { head.querySelector("button").click(); return [head.getAttribute("aria-sort"), read()]; };
  const found = {
    images: [...document.images].map((i) => i.complete && i.naturalWidth > 0),
    wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    charts: [...document.querySelectorAll("svg.chart")].map((c) => c.getBoundingClientRect().height),
    first: click(), second: click(),
  };
  document.body.setAttribute("data-found", JSON.stringify(found));
});
</script>"""


def browse(page: Path, width: int, profile: Path) -> tuple[dict[str, Any], str]:
    """What the probe found in a window, and all that the browser's console said."""
    assert BROWSER is not None
    words = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={profile}",
        f"--window-size={width},900", "--virtual-time-budget=5000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'data-found="([^"]*)"', done.stdout)
    assert match, done.stderr[-2000:]
    said = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return json.loads(unescape(match[1])), said


@pytest.fixture(scope="module")
def page(run: ReadRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = write_report([run], tmp_path_factory.mktemp("page") / "report #1.html")
    file.write_text(file.read_text(encoding="utf-8").replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    return file


@pytest.mark.parametrize("width", [1280, 500])
def test_in_a_browser(page: Path, width: int, tmp_path: Path) -> None:
    found, said = browse(page, width, tmp_path / "profile")
    assert said == ""
    assert found["images"]
    assert all(found["images"])
    assert found["wider"] == 0  # nothing makes the page itself scroll sideways
    assert len(found["charts"]) == 6
    assert min(found["charts"]) > 40
    (first, falling), (second, rising) = found["first"], found["second"]
    assert (first, second) == ("descending", "ascending")
    assert falling == sorted(falling, reverse=True)
    assert rising == sorted(rising)


def test_the_console_is_really_read(page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text(encoding="utf-8").replace("</body>", "<script>nothing()</script></body>"))
    assert "nothing is not defined" in browse(broken, 800, tmp_path / "profile")[1]
