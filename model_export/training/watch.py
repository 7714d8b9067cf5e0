"""What a person sees of a run: the progress bar, TensorBoard's scalars, `log.jsonl` and the plot at the end.

A line of `log.jsonl` has the step and the loss since the line before; lines of a validation also have tau-b of valence
and arousal on the moving average of the weights.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from model_export.errors import TrainingError

LOG = "log.jsonl"
PLOT = "training.svg"
BOARD = "tensorboard"


def progress(visible: bool = True) -> Progress:
    """A progress bar on stderr."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not visible)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file of the run that cannot be written."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be written ({error.strerror or error}); free some space and go on with --resume"
        ) from error


class Watch:
    """Where the figures of a run go, from step `first` on."""

    def __init__(self, run: Path, steps: int, first: int, bar: Progress) -> None:
        self.run, self.bar = run, bar
        with writing(run / LOG):
            # Lines after the checkpoint that the run goes on from will be written again.
            kept = [json.dumps(line) + "\n" for line in read_log(run) if line["step"] < first]
            (run / LOG).write_text("".join(kept), encoding="utf-8")
            self.log: IO[str] = (run / LOG).open("a", encoding="utf-8")
            self.board = SummaryWriter(str(run / BOARD), purge_step=first)
        self.task = bar.add_task("training", total=steps, completed=first - 1)

    def step(self, step: int, figures: Mapping[str, float] | None = None) -> None:
        """Advance the bar; write what there is to write."""
        self.bar.update(self.task, completed=step)
        if not figures:
            return
        with writing(self.run / LOG):
            self.log.write(json.dumps({"step": step, **{k: round(v, 5) for k, v in figures.items()}}) + "\n")
            self.log.flush()
            for name, value in figures.items():
                self.board.add_scalar(name, value, step)
            self.board.flush()
        if "valence" in figures:
            shown = f"tau V {figures['valence']:.2f} A {figures['arousal']:.2f} loss {figures['loss']:.2f}"
            self.bar.update(self.task, description=shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        with writing(self.run / LOG):
            self.log.close()
            self.board.close()


def read_log(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, none where there is none; a last line that was cut off is left out."""
    path = run / LOG
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines


def plot(run: Path) -> Path:
    """Draw the loss and the validation's tau over the steps into the run's folder."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    lines = read_log(run)
    judged = [line for line in lines if "valence" in line]
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasSVG(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot([line["step"] for line in lines], [line["loss"] for line in lines], color="tab:gray")
    above.set_ylabel("loss")
    for name in ("valence", "arousal"):
        below.plot([line["step"] for line in judged], [line[name] for line in judged], marker=".", label=name)
    below.set_ylabel("validation tau-b")
    below.set_xlabel("step")
    below.legend()
    with writing(run / PLOT), mpl.rc_context({"svg.hashsalt": "emotionrank"}):
        figure.savefig(run / PLOT, metadata={"Date": None})
    return run / PLOT
