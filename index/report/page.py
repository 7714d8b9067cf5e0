"""A report as HTML: one file that asks for nothing outside itself, from a disk or a server.

Its policy names the one style sheet and the one script by their hashes and lets nothing else in, so that even markup
that slipped through could neither run nor load anything. Without scripts the browser's own players are there.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

import numpy as np

from encoders.affect import Affect, in_words
from index.records import Clip, JsonScalar
from index.report import charts, plane
from index.report.gather import Report
from index.report.groups import Breakdown, Spread
from index.report.matches import Match
from index.report.moments import Moment
from index.report.plane import Mark
from index.report.sound import key

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_DETAILS: Final = 2  # fields of metadata beside a moment
_DETAIL_CHARS: Final = 30
_APART: Final = 1.5  # points of the scale


def render(report: Report) -> str:
    """Return the page."""
    style, script, logo = map(_part, ("page.css", "page.js", "logo.svg"))
    sections = (_overview(report), _own(report), _extremes(report), _prompts(report), _breakdowns(report))
    return Template(_part("page.html")).substitute(
        title=_text(report.title),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        icon="data:image/svg+xml;base64," + base64.b64encode(logo.encode()).decode(),
        logo=logo,
        lead=_lead(report),
        facts=_facts(report),
        main="\n".join(section for section in sections if section),
        made=_day(report),
        bundle=_text(report.bundle),
        fingerprint=_text(report.fingerprint),
    )


def _part(name: str) -> str:
    return files("index.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(value: JsonScalar, most: int = 120) -> str:
    """Return a stranger's text as the page's: escaped, without control characters, of a bearable length."""
    text = {None: "", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    text = _CONTROLS.sub("\ufffd", text)
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def _lead(report: Report) -> str:
    mean = Affect(*report.places.affect.mean(axis=0, dtype=np.float64).tolist())
    part = "These clips sound" if report.filtered else "This library sounds"
    return f"{part}, on the whole, {escape(_words(mean))}."


def _facts(report: Report) -> str:
    counts = report.counts
    sound = f"{counts.seconds / 3600:,.1f} h" if counts.seconds >= 3600 else f"{counts.seconds / 60:,.1f} min"
    valence, arousal = report.places.affect.mean(axis=0, dtype=np.float64).tolist()
    facts = (
        ("Clips", f"{counts.clips:,}"),
        ("Segments", f"{counts.segments:,}"),
        ("Sound", sound),
        ("Valence, mean", f"{valence:.1f}"),
        ("Arousal, mean", f"{arousal:.1f}"),
        ("Made", _day(report)),
    )
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)


def _day(report: Report) -> str:
    return f"{report.made.day} {report.made:%B %Y}"


def _words(affect: Affect) -> str:
    return in_words(affect).replace("subdued", "calm")


def _overview(report: Report) -> str:
    places = report.places
    marks = [Mark(str(number), some[0].affect) for number, (_, some) in enumerate(report.extremes, 1) if some]
    seen = "Each point is one segment" if len(places) <= plane.POINTS else "The larger a dot, the more segments"
    figures = [
        f"<figure><h3>{axis}</h3>{charts.histogram(places.affect[:, number], number, f'{axis} of the segments', ends)}"
        f"<figcaption>{_quartiles(report, number)}</figcaption></figure>"
        for number, (axis, ends) in enumerate(
            (("Valence", ("negative", "positive")), ("Arousal", ("calm", "activated")))
        )
    ]
    return (
        '<section aria-labelledby="map"><h2 id="map">The map</h2><div class="overview"><figure>'
        f"{plane.draw(places, report.landmarks, marks)}"
        f"<figcaption>{seen}; the words are where the bundle's vocabulary has them; the numbers are the "
        f"furthest moments below.</figcaption></figure><div>{''.join(figures)}<figure><h3>Quarters of the plane</h3>"
        f"{charts.quarters(places.affect)}</figure></div></div></section>"
    )


def _quartiles(report: Report, axis: int) -> str:
    low, middle, high = np.percentile(report.places.affect[:, axis], (25, 50, 75)).tolist()
    return f"Half of the segments lie between {low:.1f} and {high:.1f}; the median is {middle:.1f}."


def _extremes(report: Report) -> str:
    cells = []
    for number, (direction, some) in enumerate(report.extremes, 1):
        cells.append(
            f'<div class="direction"><h3><span class="badge">{number}</span>{direction.title}</h3>'
            f"{_moments(report, some)}</div>"
        )
        if number == len(report.extremes) // 2:
            cells.append(f'<div class="centre"><p>{_loose(report)}</p></div>')
    return (
        '<section aria-labelledby="furthest"><h2 id="furthest">The furthest moments</h2>'
        '<p class="soft">In each direction of the plane, from distinct clips, the furthest first.</p>'
        f'<div class="compass">{"".join(cells)}</div></section>'
    )


def _loose(report: Report) -> str:
    near = np.abs(report.places.affect - 4).max(axis=1) < 0.5
    share = 100 * float(near.mean())
    return f"{share:.0f} % of the segments lie about here, near neutral."


def _own(report: Report) -> str:
    if not report.own:
        return ""
    return (
        '<section aria-labelledby="asked"><h2 id="asked">What you asked for</h2>'
        '<p class="soft">The best moments for each prompt, with their cosines: nearer to 1 is a better match.</p>'
        f'<div class="prompts">{_cards(report, report.own)}</div></section>'
    )


def _prompts(report: Report) -> str:
    found = report.matches
    if found.none:
        lines = "".join(
            f'<li><bdi>{_text(match.prompt)}</bdi> <span class="soft">— the nearest moment lies {match.apart:.1f} '
            f"points away ({escape(_words(match.moments[0].affect))})</span></li>"
            for match in found.none
        )
        rest = f'<h3>Nothing here matches</h3><ul class="none">{lines}</ul>'
    else:
        rest = '<p class="soft">Every prompt of the vocabulary has a moment within a point of its place.</p>'
    return (
        '<section aria-labelledby="prompts"><h2 id="prompts">Prompts that match best</h2>'
        '<p class="soft">Of the bundle\'s vocabulary, each of another emotion, with the best moment and its cosine.</p>'
        f'<div class="prompts">{_cards(report, found.best)}</div>{rest}</section>'
    )


def _cards(report: Report, matches: Iterable[Match]) -> str:
    return "".join(
        f'<div class="prompt"><h3><bdi>{_text(match.prompt, 300)}</bdi></h3>{_moments(report, match.moments)}</div>'
        for match in matches
    )


def _moments(report: Report, moments: Sequence[Moment]) -> str:
    return f'<ol class="moments">{"".join(_moment(report, moment) for moment in moments)}</ol>'


def _moment(report: Report, moment: Moment) -> str:
    name, when = _text(moment.clip.name), f"{_clock(moment.start)}–{_clock(moment.end)}"
    valence, arousal = moment.affect
    score = (
        ""
        if moment.score is None
        else f'<span class="score"><span class="unseen">, cosine </span>{moment.score:.3f}</span>'
    )
    player, missing = "", ""
    if report.sounds is not None:
        sound = report.sounds[key(moment)]
        if sound.mp3 is None:
            missing = f'<span class="detail missing">{sound.problem}</span>'
        else:
            data = base64.b64encode(sound.mp3).decode()
            player = (
                f'<div class="player"><audio controls preload="none" aria-label="Play {name}, '
                f'{when.replace("–", " to ")}" src="data:audio/mpeg;base64,{data}"></audio></div>'
            )
    details = _details(report, moment.clip)
    return (
        f'<li class="moment{"" if player else " silent"}">{player}<div><span class="head">'
        f'<bdi class="name" title="{name}">{name}</bdi>{score}</span>'
        f'<span class="detail words">{escape(_words(moment.affect))}</span>'
        f'<span class="detail">{when} · valence {valence:.1f}, arousal {arousal:.1f}</span>'
        + (f'<span class="detail">{details}</span>' if details else "")
        + f"{missing}</div></li>"
    )


def _details(report: Report, clip: Clip) -> str:
    """Return a few short fields of a clip's metadata, those first that tell clips apart."""
    telling = [breakdown.field for breakdown in report.breakdowns]
    names = [*telling, *(name for name in clip.metadata if name not in telling)]
    short = [
        (name, clip.metadata[name])
        for name in names
        if clip.metadata.get(name) not in (None, "") and len(name) + len(str(clip.metadata[name])) <= _DETAIL_CHARS
    ]
    return " · ".join(f"<bdi>{_text(name)}: {_text(value)}</bdi>" for name, value in short[:_DETAILS])


def _breakdowns(report: Report) -> str:
    if not report.breakdowns:
        return ""
    return (
        '<section aria-labelledby="fields"><h2 id="fields">By metadata</h2>'
        '<p class="soft">Mean affect of the clips of each value, and one standard deviation to either side. Fields '
        'that affect differs by most come first.</p><div class="fields">'
        + "".join(_breakdown(breakdown) for breakdown in report.breakdowns)
        + "</div></section>"
    )


def _breakdown(breakdown: Breakdown) -> str:
    rows = "".join(
        f'<tr><th scope="row"><bdi>{_value(group.value)}</bdi></th><td class="number">{group.clips:,}</td>'
        f"<td>{_spread(group.valence, 0)}</td><td>{_spread(group.arousal, 1)}</td></tr>"
        for group in breakdown.groups
    )
    more = breakdown.distinct - len(breakdown.groups)
    rest = f"; the {len(breakdown.groups)} largest of {breakdown.distinct:,} values" if more else ""
    largest = max(group.clips for group in breakdown.groups)
    dots = [
        (str(group.value)[:20], Affect(group.valence.mean, group.arousal.mean), group.clips / largest)
        for group in breakdown.groups
    ]
    # Means that lie in one heap are no picture.
    apart = float(np.ptp([at for _, at, _ in dots], axis=0).max()) >= _APART
    return (
        f'<div class="breakdown{" drawn" if apart else ""}">'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(breakdown.field)}">'
        f"<table><caption><bdi>{_text(breakdown.field)}</bdi> <span>{breakdown.clips:,} clips{rest}</span></caption>"
        '<thead><tr><th scope="col">Value</th><th scope="col" class="number">Clips</th><th scope="col">Valence</th>'
        f'<th scope="col">Arousal</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"{plane.small(dots) if apart else ''}</div>"
    )


def _value(value: JsonScalar) -> str:
    return "(empty)" if value == "" else _text(value, 60)


def _spread(spread: Spread, axis: int) -> str:
    return f'<span class="affect"><span>{spread.mean:.1f}</span>{charts.strip(spread, axis)}</span>'


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
