"""The elements that charts are drawn with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

Point = tuple[float, float]


def line(a: Point, b: Point, kind: str) -> str:
    """A straight line of a CSS class."""
    return f'<line class="{kind}" x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"/>'


def polyline(points: Sequence[Point], colour: str, width: float, dashed: bool = False, opacity: float = 1) -> str:
    """A line through points; nothing for fewer than two."""
    if len(points) < 2:
        return ""
    at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round" '
        f'stroke-opacity="{opacity}"{dash}/>'
    )


def text(at: Point, words: str, anchor: str = "middle", kind: str = "tick", extra: str = "") -> str:
    """Words at a point; ``anchor`` is start, middle or end."""
    return f'<text class="{kind}" x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}"{extra}>{escape(words)}</text>'


def marker(shape: str, at: Point, size: float, colour: str, title: str = "", opacity: float = 1) -> str:
    """A marker whose ``title`` a browser shows on hovering."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    body = MARKERS[shape](at[0], at[1], size)
    return f'<path d="{body}" fill="{colour}" fill-opacity="{opacity}" stroke="#fff" stroke-width="1">{inside}</path>'


def _circle(x: float, y: float, r: float) -> str:
    return f"M{x - r:.1f},{y:.1f}a{r},{r} 0 1,0 {2 * r},0a{r},{r} 0 1,0 {-2 * r},0z"


def _path(corners: Sequence[Point]) -> Callable[[float, float, float], str]:
    def draw(x: float, y: float, r: float) -> str:
        return "M" + "L".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in corners) + "z"

    return draw


MARKERS: dict[str, Callable[[float, float, float], str]] = {
    "circle": _circle,
    "square": _path([(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
    "triangle": _path([(0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
    "diamond": _path([(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)]),
    "down": _path([(0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
    "bar": _path([(-1.3, -0.55), (1.3, -0.55), (1.3, 0.55), (-1.3, 0.55)]),
}
"""Shapes by name, so that series are told apart without colour."""


def legend(entries: Sequence[tuple[str, str, str]]) -> Markup:
    """A list of (name, colour, marker) as HTML, to stand above a chart."""
    items = "".join(
        f'<li><svg viewBox="-8 -8 16 16" aria-hidden="true">{marker(shape, (0, 0), 5, colour)}</svg>{escape(name)}</li>'
        for name, colour, shape in entries
    )
    return Markup(f'<ul class="legend">{items}</ul>')
