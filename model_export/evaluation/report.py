"""An evaluation as one folder: `scores.json`, and `report.html` with tables and figures, which needs nothing else.

The page asks for no other file or address and runs no script; its colours follow the reader's light or dark setting.
Everything that comes out of a bundle or a corpus is escaped. A measure that the scores lack, or have as a `note`,
becomes a sentence instead of a figure. The JSON holds all that the page shows, the drawn clips too (`points`).
"""

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from model_export.evaluation import figures
from model_export.evaluation.clips import AXES, Embedded

# Of more clips than this, as many are drawn, spread evenly over the manifest.
DRAWN = 1000

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2430; --soft: #5c6675; --line: #d9dee5; --card: #f5f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181e; --ink: #e4e8ee; --soft: #9aa5b3; --line: #2f3742; --card: #1c222a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 0.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
p { margin: 0.4rem 0; max-width: 46rem; }
.soft { color: var(--soft); }
.tiles { display: flex; flex-wrap: wrap; gap: 0.75rem; margin: 1.5rem 0; }
.tile { flex: 1 1 11rem; padding: 0.75rem 1rem; border-radius: 0.5rem; background: var(--card); }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; margin: 0.75rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.9rem 0.25rem 0; border-bottom: 1px solid var(--line); text-align: left; }
th { font-weight: 600; }
td + td, th + th { text-align: right; }
.wide { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; margin: 0.75rem 0; }
svg[aria-label^="Emotions"] { max-width: 34rem; }
summary { cursor: pointer; color: var(--soft); }
"""


def points(clips: Embedded, most: int = DRAWN) -> dict[str, Any]:
    """The clips as the figures draw them: labelled and found (valence, arousal) with the emotion, at most `most`."""
    count = len(clips.rows)
    picked = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    return {
        "label": np.round(clips.labels[picked].astype(float), 3).tolist(),
        "found": np.round(clips.affect[picked].astype(float), 3).tolist(),
        "emotion": [clips.rows[index].emotion for index in picked],
    }


def write(scores: Mapping[str, Any], folder: Path, clips: Embedded | None = None) -> Path:
    """Write `scores.json` and `report.html` into the folder (made when it is missing); returns the page's path.

    `scores` are those of `evaluate`; with the clips that they came from, the figures show them one by one.

    Raises:
        OSError: the folder or a file in it cannot be written.
    """
    shown = dict(scores) | ({"points": points(clips)} if clips is not None else {})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_text(json.dumps(shown, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    path = folder / "report.html"
    path.write_text(page(shown), encoding="utf-8")
    return path


def page(scores: Mapping[str, Any]) -> str:
    """The whole page for the scores of `evaluate`, `points` among them or not."""
    of = scores["bundle"]
    title = f"{of['name']} {of['version']} on {', '.join(scores['corpora'])}"
    about = f"{scores['clips']} clips" + (f" of {scores['speakers']} speakers" if "speakers" in scores else "")
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(about)}, none of them of a speaker that the bundle was trained on. '
        "Intervals are 95 % bootstrap percentiles. Affect is on 1 to 7, 4 is neutral.</p>",
        _tiles(scores),
        _graded(scores["graded_prompts"]),
        _affect(scores),
        *(_optional(scores, name, make) for name, make in _SECTIONS.items()),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _optional(scores: Mapping[str, Any], name: str, make: Any) -> str:
    found = scores.get(name)
    if not found:
        return ""
    title = name.replace("_", " ").capitalize()
    if set(found) == {"note"}:
        return f"<h2>{title}</h2><p>Not measured: {escape(str(found['note']))}.</p>"
    return f"<h2>{title}</h2>{make(found)}"


def _tiles(scores: Mapping[str, Any]) -> str:
    tiles = []
    for measure, what in (("graded_prompts", "graded prompts, tau-b"), ("affect", "affect read-out, tau-b")):
        tiles += [(f"{what}, {axis}", number(scores[measure][axis]["tau"])) for axis in AXES]
    tiles.append(("modality gap, MMD", number(scores["modality_gap"]["mmd"])))
    if "uar" in (scores.get("zero_shot") or {}):
        tiles.append(("zero-shot emotions, UAR", number(scores["zero_shot"]["uar"])))
    inner = "".join(f'<div class="tile"><b>{escape(value)}</b>{escape(name)}</div>' for name, value in tiles)
    return f'<div class="tiles">{inner}</div>'


def _graded(scores: Mapping[str, Any]) -> str:
    rows = []
    for axis in AXES:
        for top, found in ((10, scores[axis]), (1, scores[axis].get("top_1"))):
            if found:
                rows.append([f"{axis}, top {top}", number(found["tau"]), span(found["interval"])])
    return (
        "<h2>Graded prompts</h2><p>Prompts written at graded levels of one attribute retrieve clips: tau-b between "
        "the level asked for and the label of what came.</p>"
        + figures.graded(scores)
        + table(("", "tau-b", "95 %"), rows)
    )


def _affect(scores: Mapping[str, Any]) -> str:
    rows = []
    for axis in AXES:
        found = scores["affect"][axis]
        covered = found.get("coverage") or {}
        rows.append(
            [axis, number(found["tau"]), span(found["interval"])]
            + [number(found.get(name)) for name in ("ccc", "bias", "mae")]
            + [f"{number(covered['share'])} of {number(covered['level'])}" if covered else number(None)]
        )
    drawn = ""
    if scores.get("points"):
        drawn = figures.plane(scores["points"]) + figures.readout(scores["points"])
    head = ("", "tau-b", "95 %", "CCC", "bias", "mean error", "in the interval")
    note = f"<p>{escape(scores['affect_note'])}.</p>" if scores.get("affect_note") else ""
    return f"<h2>Affect read out of the sound</h2>{table(head, rows)}{note}{drawn}"


def _zero_shot(found: Mapping[str, Any]) -> str:
    text = (
        f"UAR {number(found['uar'])} {span(found['interval'])}, by chance {number(found['chance'])}: "
        "each clip is given the emotion of the nearest of these prompts."
    )
    rows = [
        [emotion, prompt, str(count), number(recall)]
        for emotion, prompt, count, recall in zip(
            found["classes"], found["prompts"], found["counts"], found["recall"], strict=True
        )
    ]
    return f"<p>{escape(text)}</p>" + figures.confusion(found) + table(("emotion", "prompt", "clips", "recall"), rows)


def _emotions(found: Mapping[str, Any]) -> str:
    rows = [[text, hit["emotion"], str(hit["hits"]), number(hit["chance"], 1)] for text, hit in found.items()]
    return table(("prompt", "emotion", "hits among the first ten", "by chance"), rows)


def _gap(found: Mapping[str, Any]) -> str:
    names = {
        "mmd": "MMD",
        "mmd_squared": "MMD squared",
        "sliced_wasserstein": "sliced Wasserstein",
        "centroid_distance": "centroid distance",
    }
    vocabulary = found.get("vocabulary") or {}
    rows = [[title, number(found.get(name)), number(vocabulary.get(name))] for name, title in names.items()]
    kernel = f'<p class="soft">Kernel of the MMD: {escape(str(found["kernel"]))}.</p>' if "kernel" in found else ""
    head = ("", "clips and captions beside them", "clips and the bundle's own prompts")
    return (figures.gap(found["drawn"]) if found.get("drawn") else "") + table(head, rows) + kernel


def _retrieval(found: Mapping[str, Any]) -> str:
    rows = []
    for way in ("text_to_audio", "audio_to_text"):
        one = found[way]
        for depth, share in one["recall"].items():
            rows.append(
                [f"{way.replace('_', ' ')}, recall@{depth}", number(share), number(one["recall_by_chance"][depth])]
            )
        rows.append([f"{way.replace('_', ' ')}, mAP", number(one["map"]), number(one["map_by_chance"])])
    return (
        f"<p>A clip and a caption match when their affect lies within {number(found['radius'], 1)} of each other.</p>"
        + table(("", "found", "by chance"), rows)
    )


def _slices(found: Mapping[str, Any]) -> str:
    rows = [
        [f"{by}: {name}", str(part["clips"]), *(number(part.get(axis)) for axis in AXES), part.get("note", "")]
        for by, parts in found.items()
        for name, part in parts.items()
    ]
    listed = table(("part", "clips", *AXES, ""), rows)
    return figures.slices(found) + f"<details><summary>All {len(rows)} parts</summary>{listed}</details>"


def _robustness(found: Mapping[str, Any]) -> str:
    figures_of = ("clips", "failed", *AXES, "cosine", "cosine_low", "overlap")
    clean = ["left alone", str(found["clips"]), "0", *(number(found["clean"][axis]) for axis in AXES), "", "", ""]
    rows = [
        [name, *(str(one[key]) for key in figures_of[:2]), *(number(one.get(key)) for key in figures_of[2:])]
        for name, one in found["conditions"].items()
    ]
    head = ("", "clips", "failed", *AXES, "cosine", "cosine, 5th percentile", "top ten kept")
    return figures.robustness(found) + table(head, [clean, *rows])


def _words(found: Mapping[str, Any]) -> str:
    rows = [[axis, number(found[axis]["tau"]), span(found[axis]["interval"])] for axis in AXES]
    return (
        f"<p>{found['words']} words that training never saw, and the affect of the clips that they retrieve.</p>"
        + table(("", "tau-b", "95 %"), rows)
        + figures.words(found["by_word"])
    )


_SECTIONS = {
    "slices": _slices,
    "robustness": _robustness,
    "modality_gap": _gap,
    "retrieval": _retrieval,
    "zero_shot": _zero_shot,
    "emotions": _emotions,
    "unseen_words": _words,
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """An HTML table of texts, all escaped."""
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{first}</tr>{body}</table></div>'


def number(value: float | None, digits: int = 3) -> str:
    """A figure as text; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def span(interval: Iterable[float | None]) -> str:
    """An interval as text, `0.41 to 0.52`."""
    low, high = interval
    return f"{number(low, 2)} to {number(high, 2)}"
