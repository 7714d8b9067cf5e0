"""A picture of where the clips of corpora lie in the affect plane, drawn with matplotlib without a display."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from encoders.affect import HIGH, LOW, NEUTRAL
from encoders.errors import OutputError
from model_export.manifest import Row

# A place with this many emotions' names or more gets none: rated clips would be black with letters.
NAMED = 40


def check_name(path: Path) -> None:
    """OutputError for a picture whose suffix is no format that can be drawn; cheap, so that it can come first."""
    formats = sorted(Figure().canvas.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in formats:
        raise OutputError(f"{path}: no picture is drawn as {path.suffix!r}; there are {', '.join(formats)}")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw one dot for each place of each corpus, its area the number of clips there, and name the places of emotions.

    Raises:
        OutputError: the suffix is no format that can be drawn.
        OSError: the file cannot be written.
    """
    check_name(path)
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.subplots()
    labelled = [row for row in rows if row.labelled]
    for corpus in sorted({row.corpus for row in labelled}):
        places = Counter((round(r.valence, 2), round(r.arousal, 2)) for r in labelled if r.corpus == corpus)
        most = max(places.values())
        axes.scatter(
            [valence for valence, _ in places],
            [arousal for _, arousal in places],
            s=[12 + 200 * count / most if most > 1 else 12 for count in places.values()],
            alpha=0.5,
            linewidths=0,
            label=f"{corpus} ({places.total()})",
        )
    names = {(round(r.valence, 2), round(r.arousal, 2), r.emotion) for r in labelled if r.emotion}
    if len(names) < NAMED:
        for valence, arousal, emotion in names:
            # Names at the right edge stand to the left of their place, inside the frame.
            side, shift = ("right", -5) if valence > HIGH - 1 else ("left", 5)
            axes.annotate(
                emotion, (valence, arousal), xytext=(shift, 5), textcoords="offset points", fontsize=8, ha=side
            )
    for line in (axes.axhline, axes.axvline):
        line(NEUTRAL, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlim=(LOW - 0.2, HIGH + 0.2), ylim=(LOW - 0.2, HIGH + 0.2), xlabel="valence", ylabel="arousal", aspect=1)
    if labelled:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.08), frameon=False, ncols=3)
    figure.savefig(path)
