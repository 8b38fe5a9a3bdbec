"""Cost against row width, transaction size and number of tables: of leat, of the floor, and of leat's walsender."""

from . import drains, figures, peers, svg, workloads


def run(world, scale, quick, n_rounds):
    """{curve: {line: [(x, CPU microseconds per event), ...]}}"""
    found = {}
    for name, (_, make, points) in workloads.CURVES.items():
        lines = {"leat": [], "floor": [], "walsender of leat": [], "walsender of the floor": []}
        for x in points[workloads.QUICK_POINTS] if quick else points:
            runs = drains.run(world, make(scale, x), [peers.Leat(world), peers.Floor(world)], n_rounds)
            for peer, walsender in (("leat", "walsender of leat"), ("floor", "walsender of the floor")):
                lines[peer].append((x, median_of(runs[peer], "cpu_s_per_million")))
                lines[walsender].append((x, median_of(runs[peer], "walsender_s_per_million")))
        found[name] = lines
    return found


def median_of(runs, key):
    return figures.median([run[key] for run in runs])


def draw(curves, folder):
    """One SVG each; returns their names. A second per million events is a microsecond per event."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, lines in curves.items():
        x_title = workloads.CURVES[name][0]
        path = folder / f"capture-{name}.svg"
        path.write_text(svg.chart(f"CPU per event against {name.replace('-', ' ')}", x_title, "µs of CPU per event", lines))
        written.append(path)
    return written
