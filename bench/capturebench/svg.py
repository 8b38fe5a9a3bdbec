"""Line charts as SVG text: a logarithmic x axis, a y axis from zero, a legend."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 52
COLOURS = ("#1b6ca8", "#c8553d", "#4c956c", "#6a4c93", "#8a8a8a")
STEPS = (1, 2, 2.5, 5, 10)


def nice_step(largest, n_ticks=5):
    """A round step that reaches `largest` in about n_ticks."""
    if largest <= 0:
        return 1.0
    raw = largest / n_ticks
    power = 10 ** math.floor(math.log10(raw))
    return next(step * power for step in STEPS if step * power >= raw * 0.999)


def _text(x, y, text, anchor="middle", size=12, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'


def _line(x1, y1, x2, y2, colour="#ccc"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


class _Scale:
    def __init__(self, xs, largest):
        self.low, self.high = math.log(min(xs)), math.log(max(xs))
        self.step = nice_step(largest)
        self.top = max(1, math.ceil(largest / self.step - 1e-9)) * self.step

    def x(self, value):
        span = self.high - self.low or 1.0
        return LEFT + (math.log(value) - self.low) / span * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)


def _axes(scale, xs, x_title, y_title):
    parts = []
    for i in range(round(scale.top / scale.step) + 1):
        value = i * scale.step
        parts.append(_line(LEFT, scale.y(value), WIDTH - RIGHT, scale.y(value)))
        parts.append(_text(LEFT - 8, scale.y(value) + 4, f"{value:g}", "end"))
    for value in xs:
        parts.append(_line(scale.x(value), HEIGHT - BOTTOM, scale.x(value), HEIGHT - BOTTOM + 5, "#444"))
        parts.append(_text(scale.x(value), HEIGHT - BOTTOM + 20, f"{value:,}"))
    parts.append(_line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "#444"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_title))
    turned = f' transform="rotate(-90 16 {HEIGHT / 2:.1f})"'
    parts.append(_text(16, HEIGHT / 2, y_title, extra=turned))
    return parts


def _series(scale, name, points, colour, place):
    path = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in points)
    y = TOP + 16 * place
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="3" fill="{colour}"/>' for x, y in points),
        f'<rect x="{WIDTH - RIGHT + 12}" y="{y}" width="10" height="10" fill="{colour}"/>',
        _text(WIDTH - RIGHT + 28, y + 10, name, "start"),
    ]


def chart(title, x_title, y_title, series):
    """series: {name: [(x, y), ...]}, x > 0, y >= 0, at least one point in all."""
    xs = sorted({x for points in series.values() for x, _ in points})
    scale = _Scale(xs, max(y for points in series.values() for _, y in points))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 22, title, "start", 15),
        *_axes(scale, xs, x_title, y_title),
    ]
    for place, (name, points) in enumerate(series.items()):
        parts += _series(scale, name, sorted(points), COLOURS[place % len(COLOURS)], place)
    return "\n".join([*parts, "</svg>"]) + "\n"
