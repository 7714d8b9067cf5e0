"""What the library's commands print: tables for people, JSON for programs, failures on stderr."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from encoders.affect import Affect, AffectRange, in_words
from encoders.windows import SEGMENTATION
from index.build import BuildReport
from index.copy import CopyReport
from index.describe import Description
from index.records import Backup, Clip, Compaction, Drift, Hit, IndexInfo, LibraryInfo
from index.sources import Failure
from index.wording import compared

_TERMS_SHOWN: Final = 5
_WIDE: Final = 240


def print_json(value: object) -> None:
    """Print one JSON document; in ASCII, so that no name of a file and no terminal can spoil it."""
    print(json.dumps(value, indent=2))


def list_failures(failed: Sequence[Failure]) -> None:
    """Name what failed on stderr, a line each."""
    for item in failed:
        named = item.message if item.name in item.message else f"{item.name}: {item.message}"
        print(f"failed: {named}", file=sys.stderr)


def build_json(report: BuildReport) -> dict[str, Any]:
    """Return a build's report as JSON values."""
    return {
        "added": report.added,
        "updated": report.updated,
        "skipped": report.skipped,
        "replaced": report.replaced,
        "failed": [{"name": item.name, "message": item.message} for item in report.failed],
        "seconds": round(report.seconds, 3),
        "interrupted": report.interrupted,
    }


def print_build(report: BuildReport) -> None:
    """Print a build's report in a line."""
    replaced = f"{report.replaced} removed (their files hold another recording now), " if report.replaced else ""
    print(
        f"{report.added} added, {report.updated} updated, {report.skipped} there already, {replaced}"
        f"{len(report.failed)} failed, in {report.seconds:.1f} s"
    )


def list_hints(hints: Sequence[str]) -> None:
    """Print hints on a filter on stderr, a line each."""
    for hint in hints:
        print(f"hint: {hint}", file=sys.stderr)


def hits_json(hits: Sequence[Hit], k: int, offset: int, hints: Sequence[str]) -> dict[str, Any]:
    """Return a page of hits, and hints on its filter, as JSON values."""
    rows = [
        {
            "rank": rank,
            "score": hit.score,
            "clip": _clip_json(hit.clip),
            "start": hit.start,
            "end": hit.end,
            "affect": hit.affect._asdict(),
        }
        for rank, hit in enumerate(hits, start=offset + 1)
    ]
    return {"hits": rows, "k": k, "offset": offset, "hints": list(hints)}


def print_hits(hits: Sequence[Hit], offset: int) -> None:
    """Print a page of hits as a table."""
    if not hits:
        print("no hits", file=sys.stderr)
        return
    table = Table("", "score", "clip", "from", "to", "valence", "arousal", "id")
    for rank, hit in enumerate(hits, start=offset + 1):
        table.add_row(
            str(rank),
            f"{hit.score:.3f}",
            Text(hit.clip.name),
            f"{hit.start:.1f}",
            f"{hit.end:.1f}",
            f"{hit.affect.valence:.1f}",
            f"{hit.affect.arousal:.1f}",
            Text(hit.clip.id, no_wrap=True),
        )
    console().print(table)


def info_json(info: LibraryInfo) -> dict[str, Any]:
    """Return what a library is as JSON values."""
    return {
        "library": info.address,
        "kind": info.kind,
        "bundle": {"name": info.bundle_name, "version": info.bundle_version, "fingerprint": info.fingerprint},
        "dim": info.dim,
        "created_at": info.created_at.isoformat(),
        **info.counts._asdict(),
        "segmentation": list(info.segmentation),
        "bytes": info.bytes,
        "valence": info.valence,
        "arousal": info.arousal,
        "index": {**asdict(info.index), "made_at": info.index.made_at and info.index.made_at.isoformat()},
    }


def print_info(info: LibraryInfo) -> None:
    """Print what a library is."""
    table = Table(show_header=False, box=None)
    for name, value in _info_rows(info):
        table.add_row(name, value)
    console().print(table)


def drift_json(found: Sequence[Drift], *, ok: bool) -> dict[str, Any]:
    """Return what `verify` found as JSON values."""
    return {"ok": ok, "drift": [{"kind": item.kind, "message": item.message} for item in found]}


def print_drift(found: Sequence[Drift]) -> None:
    """Print what `verify` found, a line each."""
    for item in found:
        print(f"{item.kind}: {item.message}")
    if not found:
        print("no drift: the catalog, the embeddings and the vectors agree, and every audio file is there")


def compaction_json(made: Compaction) -> dict[str, Any]:
    """Return what a compaction made as JSON values."""
    return {**asdict(made), "seconds": round(made.seconds, 3)}


def print_compaction(made: Compaction) -> None:
    """Print what a compaction made."""
    size = "" if made.bytes is None else f"{made.bytes / 1e6:,.1f} MB, "
    print(
        f"{made.segments:,} segments of {made.clips:,} clips, {made.changes:,} changes folded in, "
        f"{size}in {made.seconds:.1f} s"
    )
    print(_index_line(made))
    if made.reason:
        print(made.reason)


def copy_json(report: CopyReport) -> dict[str, Any]:
    """Return what a copy did as JSON values."""
    return {
        "added": report.added,
        "updated": report.updated,
        "same": report.same,
        "segments": report.segments,
        "audio_outside": report.outside,
        "failed": [{"name": failure.name, "message": failure.message} for failure in report.failed],
        "seconds": round(report.seconds, 3),
    }


def print_copy(report: CopyReport) -> None:
    """Print what a copy did."""
    print(
        f"{report.added:,} clips added, {report.updated:,} updated, {report.same:,} were there already, "
        f"{len(report.failed):,} failed; {report.segments:,} segments in {report.seconds:.1f} s"
    )
    if report.outside:
        print(
            f"the audio of {report.outside:,} uploaded clips stays in the source's folder: keep that", file=sys.stderr
        )


def backup_json(made: Backup) -> dict[str, Any]:
    """Return what a backup made as JSON values."""
    return {**asdict(made), "seconds": round(made.seconds, 3)}


def print_backup(made: Backup) -> None:
    """Print what a backup made; what was missing in the library itself, on stderr."""
    print(f"{made.target}: {made.bytes / 1e6:,.1f} MB, in {made.seconds:.1f} s")
    for file in made.missing:
        print(f"missing in the library too: {file}", file=sys.stderr)


def description_json(found: Description) -> dict[str, Any]:
    """Return a description as JSON values."""
    return {
        "duration": found.duration,
        "affect": found.affect._asdict(),
        "affect_interval": _range_json(found.affect_range),
        "summary": found.summary,
        "confidence": found.confidence,
        "doubts": [{"code": doubt.code, "detail": doubt.words} for doubt in found.doubts],
        "voiced": found.voiced,
        "terms": [{"term": term, "share": share} for term, share in found.terms],
        "terms_calibrated_on": list(found.calibration.terms) if found.calibration else None,
        "prompts": [{"text": p.text, "term": p.term, "score": score} for p, score in found.prompts],
        "candidates": [{"text": text, "score": score} for text, score in found.candidates],
        "timeline": [
            {
                "start": moment.start,
                "end": moment.end,
                "affect": moment.affect._asdict(),
                "smoothed": moment.smoothed._asdict(),
                "term": moment.term,
            }
            for moment in found.timeline
        ],
        "changes": [
            {
                "at": change.at,
                "before": change.before._asdict(),
                "after": change.after._asdict(),
                "words": compared(change.before, change.after),
            }
            for change in found.changes
        ],
    }


def print_description(file: Path, found: Description) -> None:
    """Print a description in words and tables."""
    terminal = console()
    terminal.print(Text(f"{_shown(file)}  ({found.duration:.1f} s)", style="bold"))
    terminal.print(Text(found.summary))
    if found.affect_range:
        terminal.print(_range_table(found.affect, found.affect_range))
    share_of = "share" if found.calibration else "share (not calibrated)"
    table = Table("term", share_of, "nearest prompts", "score", box=None, padding=(0, 2))
    for place in range(max(_TERMS_SHOWN, len(found.prompts))):
        term, share = found.terms[place] if place < len(found.terms) else ("", None)
        prompt, score = found.prompts[place] if place < len(found.prompts) else (None, None)
        table.add_row(
            Text(term),
            "" if share is None else f"{share:.0%}",
            Text(prompt.text if prompt else ""),
            "" if score is None else f"{score:.3f}",
        )
    terminal.print(table)
    if found.candidates:
        own = Table("your prompts", "score", box=None, padding=(0, 2))
        for text, score in found.candidates:
            own.add_row(Text(text), f"{score:.3f}")
        terminal.print(own)
    if len(found.timeline) > 1:
        terminal.print(_times(found))
    terminal.print()


def console() -> Console:
    """Return a console on stdout; where that is no terminal, nothing is cut to a terminal's width."""
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def _clip_json(clip: Clip) -> dict[str, Any]:
    return {
        "id": clip.id,
        "name": clip.name,
        "path": clip.path,
        "sha256": clip.sha256,
        "duration": clip.duration,
        "added_at": clip.added_at.isoformat(),
        "metadata": clip.metadata,
        "affect": clip.affect._asdict(),
        "segments": clip.segments,
    }


def _info_rows(info: LibraryInfo) -> Iterator[tuple[str, str]]:
    yield "library", f"{info.address} ({info.kind}, made {info.created_at:%Y-%m-%d})"
    yield "bundle", f"{info.bundle_name} {info.bundle_version}, fingerprint {info.fingerprint[:12]}"
    yield "clips", f"{info.counts.clips:,}"
    yield "segments", f"{info.counts.segments:,} of {info.dim} values"
    if info.segmentation:
        older = [way for way in info.segmentation if way != SEGMENTATION]
        advice = f" (now {SEGMENTATION}; only a library that is built anew is cut so throughout)" if older else ""
        yield "cut as", ", ".join(info.segmentation) + advice
    yield "sound", f"{info.counts.seconds / 3600:.2f} hours"
    yield "on disk", "not known" if info.bytes is None else f"{info.bytes / 1e6:,.1f} MB"
    yield "valence 1..7", _bars(info.valence)
    yield "arousal 1..7", _bars(info.arousal)
    index = info.index
    yield "index", _index_line(index)
    if index.reason:
        yield "why", index.reason
    if info.kind == "local":
        parts = [f"{part} {size / 1e6:,.1f} MB" for part, size in index.memory.items() if size]
        yield "memory", ", ".join(parts) or "none"
    if index.made_at is not None:
        yield "snapshot", f"{index.made_at:%Y-%m-%d %H:%M} UTC; since then {index.changes:,} changes"
    if index.tail:
        yield "not in it yet", f"{index.tail:,} segments"
    if index.problem:
        yield "snapshot", f"not used: {index.problem}"


def _index_line(index: IndexInfo | Compaction) -> str:
    parts = [index.kind, *(f"{name} {value:g}" for name, value in index.parameters.items())]
    if index.recall is not None:
        parts.append(f"recall@10 {index.recall:.3f}")
    if index.latency_ms is not None:
        parts.append(f"{index.latency_ms:.2f} ms a query")
    return ", ".join(parts)


def _bars(counts: Sequence[int]) -> str:
    blocks = " ▁▂▃▄▅▆▇█"
    most = max(counts) or 1
    # Rounded up, so that no bin that has clips looks empty.
    return "|" + "".join(blocks[-(-8 * count // most)] for count in counts) + f"|  {' '.join(map(str, counts))}"


def _range_json(found: AffectRange | None) -> dict[str, Any] | None:
    if found is None:
        return None
    sides = {axis: [getattr(found.low, axis), getattr(found.high, axis)] for axis in Affect._fields}
    return {"level": found.level, **sides}


def _range_table(affect: Affect, found: AffectRange) -> Table:
    table = Table("affect", "1..7", f"{found.level:.0%} interval", box=None, padding=(0, 2))
    for axis, value, low, high in zip(Affect._fields, affect, found.low, found.high, strict=True):
        table.add_row(axis, f"{value:.1f}", f"{low:.1f} to {high:.1f}")
    return table


def _affect_cells(affect: Affect) -> tuple[str, str, str]:
    return f"{affect.valence:.1f}", f"{affect.arousal:.1f}", in_words(affect)


def _times(found: Description) -> Table:
    """Return the timeline, smoothed; a line above each change says what is different from there on."""
    table = Table("from", "to", "valence", "arousal", "smoothed", "term", box=None, padding=(0, 2))
    changes = list(found.changes)
    for moment in found.timeline:
        if changes and (moment.start + moment.end) / 2 >= changes[0].at:
            change = changes.pop(0)
            words = compared(change.before, change.after) or "a little different"
            table.add_row(f"{change.at:.1f}", "", "", "", Text(f"{words} from here on"))
        table.add_row(f"{moment.start:.1f}", f"{moment.end:.1f}", *_affect_cells(moment.smoothed), Text(moment.term))
    return table


def _shown(file: Path) -> str:
    """Return a file's name as any terminal can show it, also one whose bytes are no Unicode."""
    return str(file).encode(errors="replace").decode()
