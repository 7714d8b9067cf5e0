"""The figures of an evaluation's report, each as inline SVG.

Drawn with matplotlib without a display. Lines and letters take the colour of the text around them (`currentColor`), on
no background, and data colours are of middling lightness, so that a figure reads on a light page and on a dark one.
Names out of a corpus are text, never formulas. The same scores give the same bytes.
"""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from encoders.affect import HIGH, LOW, NEUTRAL
from model_export.evaluation.clips import AXES

BLUE, ORANGE = "#4c8dff", "#e8763a"
COLOURS = {"valence": BLUE, "arousal": ORANGE}
PALETTE = (BLUE, ORANGE, "#2fa56d", "#c45bc4", "#d4a017", "#e05263", "#17a2b8", "#8c7ae6", "#7f8c8d", "#a0784c")
# A group of more names than this is drawn as one strip of points.
NAMED = 24

# Stands for `currentColor`, which matplotlib does not know.
_INK = "#0a0b0c"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


def graded(scores: Mapping[str, Any]) -> str:
    """Level asked for against the mean label of what came, one line an axis (`graded_prompts` of the scores)."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        for axes, name in zip(_row(figure, 2), AXES, strict=True):
            _scale(axes, f"{name} asked for", f"{name} of what came")
            _diagonal(axes)
            for top, line in ((10, "-"), (1, ":")):
                found = scores[name] if top == 10 else scores[name].get("top_1")
                if found:
                    points = sorted((float(level), value) for level, value in found["label_by_level"].items())
                    label = f"top {top}, tau {_figure(found['tau'])}"
                    axes.plot(
                        *zip(*points, strict=True), line, marker="o", markersize=4, color=COLOURS[name], label=label
                    )
            axes.legend(loc="upper left")
        return _svg(figure, "graded", "Level asked for by a prompt against the label of the clips that it retrieves")


def plane(points: Mapping[str, Any]) -> str:
    """The clips in the plane of valence and arousal: as labelled, and as read out of the sound."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        emotions = sorted(set(points["emotion"]), key=lambda name: (-points["emotion"].count(name), name))
        for axes, kind in zip(_row(figure, 2), ("label", "found"), strict=True):
            _scale(axes, "valence", "arousal")
            axes.set_title("as labelled" if kind == "label" else "as read out of the sound", fontsize=10)
            axes.axhline(NEUTRAL, color=_INK, alpha=0.25, linewidth=0.8)
            axes.axvline(NEUTRAL, color=_INK, alpha=0.25, linewidth=0.8)
            for place, emotion in enumerate(emotions):
                kept = [point for point, name in zip(points[kind], points["emotion"], strict=True) if name == emotion]
                if kept:
                    valence, arousal = zip(*kept, strict=True)
                    colour, marker = PALETTE[place % len(PALETTE)], MarkerStyle("os^Dv"[place // len(PALETTE) % 5])
                    axes.scatter(
                        valence,
                        arousal,
                        s=12,
                        color=colour,
                        marker=marker,
                        alpha=0.75,
                        linewidths=0,
                        label=emotion or "no emotion named",
                    )
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)), markerscale=1.6)
        return _svg(figure, "plane", "Clips in the plane of valence and arousal, as labelled and as read out")


def readout(points: Mapping[str, Any]) -> str:
    """Label against read-out, clip by clip, for each axis."""
    pairs = {name: [[p[place] for p in points[kind]] for kind in ("label", "found")] for place, name in enumerate(AXES)}
    return _against(pairs, ("as labelled", "as read out"), "readout", "Labelled against read-out affect, clip by clip")


def slices(scores: Mapping[str, Any]) -> str:
    """The read-out's tau for parts of the clips (`slices` of the scores), group under group; "" where none is known."""
    rows = [row for by, parts in scores.items() for row in _parts(by, parts)]
    return _dots(rows, "slices", "Tau of the read-out for parts of the clips", {})


def robustness(scores: Mapping[str, Any]) -> str:
    """The read-out's tau under each condition, with that of the clips left alone as a line (`robustness`)."""
    rows = [
        (name, {axis: [found[axis]] for axis in AXES if found.get(axis) is not None})
        for name, found in scores["conditions"].items()
    ]
    return _dots(rows, "robustness", "Tau of the read-out under each condition", scores["clean"])


def _parts(by: str, parts: Mapping[str, Any]) -> list[tuple[str, dict[str, list[float]]]]:
    """A line a part, or one line for all where they are too many to name."""
    judged = {name: part for name, part in parts.items() if any(part.get(axis) is not None for axis in AXES)}
    if len(judged) > NAMED:
        return [
            (
                f"{by}: {len(judged)} parts",
                {axis: [p[axis] for p in judged.values() if p[axis] is not None] for axis in AXES},
            )
        ]
    return [
        (f"{by}: {name} ({part['clips']})", {axis: [part[axis]] for axis in AXES if part[axis] is not None})
        for name, part in judged.items()
    ]


def _dots(
    rows: Sequence[tuple[str, Mapping[str, Sequence[float]]]], name: str, title: str, lines: Mapping[str, float | None]
) -> str:
    """Named lines with a dot for each tau; `lines` are drawn through all of them."""
    if not rows:
        return ""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 0.9 + 0.26 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, (_, found) in enumerate(rows):
            for axis in AXES:
                values = found.get(axis, ())
                axes.plot(values, [place] * len(values), "o", color=COLOURS[axis], markersize=6, alpha=0.8)
        for axis, value in lines.items():
            if value is not None:
                axes.axvline(value, color=COLOURS[axis], linestyle="--", linewidth=1, alpha=0.7)
        axes.set_yticks(range(len(rows)), [row for row, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("tau-b")
        axes.grid(axis="both", color=_INK, alpha=0.12)
        axes.axvline(0, color=_INK, linewidth=0.8, alpha=0.5)
        handles = [axes.plot([], [], "o", color=COLOURS[axis], label=axis)[0] for axis in AXES]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
        return _svg(figure, name, title)


def confusion(scores: Mapping[str, Any]) -> str:
    """How often a clip of one emotion (lines) was nearest to another's prompt (columns), of `zero_shot`."""
    classes, counts = scores["classes"], scores["confusion"]
    with mpl.rc_context(_STYLE):
        side = 1.8 + 0.5 * len(classes)
        figure = Figure(figsize=(side + 1, side), layout="constrained")
        axes = figure.subplots()
        for line, row in enumerate(counts):
            total = max(sum(row), 1)
            for column, count in enumerate(row):
                axes.add_patch(_square(column, line, count / total))
                axes.text(column, line, f"{100 * count / total:.0f}", ha="center", va="center")
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlim(-0.5, len(classes) - 0.5)
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.set_xlabel("nearest prompt")
        axes.set_ylabel("clip (%)")
        return _svg(figure, "confusion", "Emotions of the clips against the nearest prompts, in per cent")


def _square(column: int, line: int, share: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, line - 0.5), 1, 1, color=BLUE, alpha=0.75 * share, linewidth=0)


def gap(drawn: Mapping[str, Any]) -> str:
    """Clips and the captions beside them where the space varies most, and along the line between their means."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 3.8), layout="constrained")
        spread, line = _row(figure, 2)
        sides = (("audio", "clips", BLUE), ("text", "captions", ORANGE))
        reach = min(map(min, drawn["along"])), max(map(max, drawn["along"]))
        for clip, caption in zip(drawn["audio"], drawn["text"], strict=True):
            spread.plot(*zip(clip, caption, strict=True), color=_INK, alpha=0.1, linewidth=0.7)
        for (side, label, colour), along in zip(sides, drawn["along"], strict=True):
            across, up = zip(*drawn[side], strict=True)
            spread.scatter(across, up, s=10, color=colour, alpha=0.75, linewidths=0, label=label)
            line.hist(along, bins=30, range=reach, color=colour, alpha=0.65)
        spread.set_xlabel(f"two principal axes ({100 * drawn['share']:.0f} % of the variance)")
        spread.set_aspect("equal", adjustable="datalim")
        line.set_xlabel("from the clips' mean (0) to the captions' (1)")
        line.set_ylabel("clips, captions")
        handles, labels = spread.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, markerscale=1.6)
        return _svg(figure, "gap", "Clips and captions in the shared space, each clip joined to its caption")


def words(by_word: Mapping[str, Any]) -> str:
    """Words kept out of training: where the vocabulary has them against where what they retrieve lies."""
    of = by_word.values()
    pairs = {name: [[w[key][place] for w in of] for key in ("place", "found")] for place, name in enumerate(AXES)}
    title = "Words kept out of training against the clips that they retrieve"
    return _against(pairs, ("of the word", "of what came"), "words", title)


def _against(pairs: Mapping[str, Sequence[Sequence[float]]], scales: tuple[str, str], name: str, title: str) -> str:
    """For each axis a scatter of its pair (across, up) on the plane's scale, with the diagonal where they agree."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 3.8), layout="constrained")
        for axes, (axis, (across, up)) in zip(_row(figure, 2), pairs.items(), strict=True):
            _scale(axes, *(f"{axis} {scale}" for scale in scales))
            _diagonal(axes)
            axes.scatter(across, up, s=14, color=COLOURS[axis], alpha=0.6, linewidths=0)
        return _svg(figure, name, title)


def _row(figure: Figure, count: int) -> list[Axes]:
    return list(figure.subplots(1, count, squeeze=False)[0])


def _scale(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(LOW - 0.2, HIGH + 0.2)
    axes.set_ylim(LOW - 0.2, HIGH + 0.2)
    axes.set_xticks(range(int(LOW), int(HIGH) + 1))
    axes.set_yticks(range(int(LOW), int(HIGH) + 1))
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color=_INK, alpha=0.12)


def _diagonal(axes: Axes) -> None:
    axes.plot([LOW, HIGH], [LOW, HIGH], color=_INK, alpha=0.35, linewidth=1, linestyle="--")


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _svg(figure: Figure, name: str, title: str) -> str:
    """The drawing alone, without XML's header; its ids begin with `name`, so that figures of one page do not meet."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # The page's own font draws the letters; that matplotlib's lacks one of them only costs it their exact width.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    drawing = file.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(_INK, "currentColor")
    drawing = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", drawing)
    drawing = re.sub(r'font-family: [^;"]*', "font-family: inherit", drawing)
    drawing = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"| height="[\d.]+pt"| width="[\d.]+pt"', "", drawing, count=2)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1).strip()
