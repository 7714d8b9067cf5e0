"""`emotionrank evaluate`: a bundle and a labelled corpus to figures."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from encoders import bundle
from encoders.encoder import Encoder
from encoders.sessions import available_cpus
from model_export import manifest
from model_export.commands.shared import extra, writing

evaluate = typer.Typer(add_completion=False, help="Measure a bundle on a labelled corpus.")


@evaluate.command()
def _evaluate(
    manifest_file: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest of `corpus prepare`.")],
    bundle_path: Annotated[
        Path | None, typer.Option("--bundle", envvar="EMOTIONRANK_BUNDLE", help="Default: the released one.")
    ] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Take these, written by `embed audio`.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Keep embeddings in this folder, for the next time.")] = None,
    robustness: Annotated[
        int, typer.Option(min=0, help="Measure noise, rooms, codecs, level and speed on at most so many clips.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of captions, subsamples and resamples.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Write the figures here as JSON too.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write report.html, with figures, and scores.json into this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure how true a bundle's ranking is; clips that a copy of the corpus holds only in part are left out."""
    with extra():
        from model_export import evaluation as evaluating
        from model_export.evaluation import report as reporting

    if report:
        # Before the work, so that it is not done in vain.
        with writing(report):
            report.mkdir(parents=True, exist_ok=True)
    encoder = Encoder.load(bundle_path or bundle.default_path(), threads=1)
    heard = encoder.bundle.info.provenance
    rows, left_out = evaluating.judged(manifest.read(manifest_file), heard)
    if left_out:
        typer.echo(f"{left_out} clips of speakers that this bundle was trained on are left out", err=True)
    if embeddings:
        clips = evaluating.from_file(rows, embeddings, encoder.bundle.fingerprint)
    else:
        clips = evaluating.embed(rows, encoder, cache, available_cpus())
    scores = evaluating.evaluate(clips, encoder, evaluating.Settings(seed=seed, robustness=robustness))
    if output:
        with writing(output):
            output.write_text(json.dumps(scores, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if report:
        with writing(report):
            page = reporting.write(scores, report, clips)
        typer.echo(f"report: {page}", err=True)
    if as_json:
        typer.echo(json.dumps(scores, indent=2, allow_nan=False))
    else:
        _print(scores)


def _print(scores: dict[str, Any]) -> None:
    console = Console(highlight=False)
    of, affect, graded = scores["bundle"], scores["affect"].values(), scores["graded_prompts"].values()
    console.print(f"{of['name']} {of['version']} on {', '.join(scores['corpora'])}: {scores['clips']} clips")
    table = Table("measure", "valence", "arousal")
    table.add_row("affect tau-b", *map(_tau, affect))
    for key, title in (("ccc", "affect CCC"), ("bias", "affect bias"), ("mae", "affect mean error")):
        table.add_row(title, *(_number(axis[key]) for axis in affect))
    if all(axis["coverage"] for axis in affect):
        cells = (f"{_number(c['share'])} of {c['level']:g}" for c in (axis["coverage"] for axis in affect))
        table.add_row("labels within the intervals", *cells)
    table.add_row("graded prompts, top 10, tau-b", *map(_tau, graded))
    table.add_row("graded prompts, top 1, tau-b", *(_tau(axis["top_1"]) for axis in graded))
    unseen = scores["unseen_words"]
    if "words" in unseen:
        table.add_row(
            f"{unseen['words']} unseen words, top 10, tau-b", _tau(unseen["valence"]), _tau(unseen["arousal"])
        )
    console.print(table)
    if scores["affect_note"]:
        console.print(scores["affect_note"], markup=False)
    for text, found in scores["emotions"].items():
        console.print(f"  {text!r}: {found['hits']} of the first 10 are {found['emotion']} (chance {found['chance']})")
    emotions, gap, ways = scores["zero_shot"], scores["modality_gap"], scores["retrieval"]
    if "uar" in emotions:
        console.print(f"emotions, zero-shot: UAR {_number(emotions['uar'])} (chance {_number(emotions['chance'])})")
    for way in ("text_to_audio", "audio_to_text"):
        figures = f"mAP {_number(ways[way]['map'])} (chance {_number(ways[way]['map_by_chance'])})"
        console.print(f"{way.replace('_', ' ')}, within {ways['radius']:g}: {figures}")
    console.print(f"modality gap: MMD {_number(gap['mmd'])}, centroid distance {_number(gap['centroid_distance'])}")
    if scores["robustness"]:
        _print_robustness(scores["robustness"], console)


def _print_robustness(scores: dict[str, Any], console: Console) -> None:
    table = Table("condition", "valence tau-b", "arousal tau-b", "cosine", "top 10 kept", "failed")
    for name, found in scores["conditions"].items():
        cells = (_number(found[key]) for key in ("valence", "arousal", "cosine", "overlap"))
        table.add_row(name, *cells, str(found["failed"]))
    console.print(table)


def _tau(scores: dict[str, Any]) -> str:
    low, high = scores["interval"]
    return f"{_number(scores['tau'])} [{_number(low)}, {_number(high)}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
