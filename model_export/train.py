"""The training loop: frozen text encoder, the audio encoder's upper blocks and both projections trained together.

A run is a folder: `config.json`, `log.jsonl` (a line at each validation) and `checkpoint.pt` (moving average of the
weights, the config and the corpora). Validation is on speakers that the training never hears.
"""

import json
import math
import pickle
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from torch import Tensor

from encoders.audio import SAMPLE_RATE
from model_export import augment, captions, data, losses, manifest, splits, towers
from model_export.backbones import minilm_folder
from model_export.errors import TrainingError
from model_export.evaluation import tau


@dataclass(frozen=True, slots=True)
class Config:
    """Every choice of a run."""

    manifests: tuple[str, ...]
    steps: int = 600
    batch: int = 48
    extra_captions: int = 96
    crop_seconds: tuple[float, float] = (1.2, 2.4)
    temperature: float = 0.2
    alignment_weight: float = 0.5
    affect_weight: float = 1.0
    encoder_rate: float = 1.5e-4
    head_rate: float = 1.5e-3
    weight_decay: float = 0.02
    warm_up: float = 0.08
    average: float = 0.99
    dropout: float = 0.2
    train_audio: str = "last-3"
    validation_share: float = 0.12
    validate_every: int = 150
    threads: int = 2
    seed: int = 0


def sentence_vectors(encoder: torch.nn.Module, texts: list[str], batch: int = 256) -> Tensor:
    """The frozen encoder's vectors of texts: [n, width]."""
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors: list[Tensor] = [torch.empty(0)] * len(texts)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            encoded = tokenizer.encode_batch([texts[i] for i in part])
            ids = torch.tensor([e.ids for e in encoded])
            attention = torch.tensor([e.attention_mask for e in encoded])
            for index, vector in zip(part, encoder(ids, attention), strict=True):
                vectors[index] = vector
    return torch.stack(vectors).clone()


def embed_clips(model: towers.Towers, clips: data.Clips, batch: int = 32) -> tuple[Tensor, Tensor]:
    """Embedding [n, dim] and affect [n, 2] of the first window of every clip."""
    limit = round(towers.WIN_DUR * SAMPLE_RATE)
    order = sorted(range(len(clips.samples)), key=lambda i: len(clips.samples[i]))
    embeddings: list[Tensor] = [torch.empty(0)] * len(order)
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            samples, lengths = augment.batch([clips.samples[i][:limit].astype(np.float32) for i in part])
            for index, embedding in zip(part, model.audio(samples, lengths), strict=True):
                embeddings[index] = embedding
        stacked = torch.stack(embeddings)
        return stacked, model.affect(stacked)


def corpus_tau(clips: data.Clips, affect: npt.NDArray[np.float32]) -> dict[str, float]:
    """Kendall's tau-b of valence and arousal against the labels, mean over the corpora."""
    taus: dict[str, list[float]] = {"valence": [], "arousal": []}
    corpora = np.array([row.corpus for row in clips.rows])
    for corpus in np.unique(corpora):
        here = corpora == corpus
        for axis, name in enumerate(("valence", "arousal")):
            taus[name].append(tau(affect[here, axis], clips.affect[here, axis]))
    return {name: float(np.mean(values)) for name, values in taus.items()}


def _rate(step: int, config: Config) -> float:
    """Linear warm-up, then a cosine to zero; as a share of the peak rate."""
    warm_up = max(1, round(config.warm_up * config.steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, config.steps - warm_up)))


def commit() -> str:
    """The commit of the working tree, "unknown" outside one."""
    try:
        return subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def save(path: Path, model: towers.Towers, config: Config, extra: dict[str, Any]) -> None:
    """Write a checkpoint so that a reader sees the old one or the new one, never a part."""
    partial = path.with_suffix(".partial")
    try:
        torch.save({"model": model.state_dict(), "config": asdict(config), **extra}, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({error}); free some space and run again"
        ) from error


def load(path: Path) -> tuple[towers.Towers, dict[str, Any]]:
    """The towers of a checkpoint, in evaluation mode, and what was saved beside them."""
    try:
        saved = torch.load(path, weights_only=True)
        _ = saved["provenance"], saved["step"], saved["validation"]
        chosen = towers.TowerConfig(dropout=saved["config"]["dropout"], train_audio=saved["config"]["train_audio"])
        model = towers.build(chosen)
        model.load_state_dict(saved.pop("model"))
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path}: not a checkpoint of this version ({error})") from error
    return model.eval(), saved


class Batches:
    """An endless stream of training batches: distorted crops, their places, and captions as rows of the pool."""

    def __init__(self, clips: data.Clips, pool: list[captions.Caption], config: Config) -> None:
        self.clips, self.config = clips, config
        self.sampler = captions.Sampler(pool)
        self.draw = data.BalancedDraw(clips.rows)
        self.rng = np.random.default_rng(config.seed)
        self.noise = torch.Generator().manual_seed(config.seed)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, npt.NDArray[np.int64]]]:
        places = self.clips.places
        while True:
            chosen = self.draw(self.config.batch, self.rng)
            seconds = float(self.rng.uniform(*self.config.crop_seconds))
            samples, lengths = augment.batch([augment.crop(self.clips.samples[i], seconds, self.rng) for i in chosen])
            own = [self.sampler.near(places[i].astype(np.float64), self.rng) for i in chosen]
            more = self.sampler.anywhere(self.config.extra_captions, self.rng)
            samples = augment.distort(samples, lengths, self.noise)
            yield (
                samples,
                lengths,
                torch.from_numpy(places[chosen]),
                np.concatenate([own, more]).astype(np.int64),
            )


def loss_of(
    model: towers.Towers,
    config: Config,
    audio: Tensor,
    text: Tensor,
    audio_place: Tensor,
    text_place: Tensor,
) -> Tensor:
    """The whole objective on unit embeddings [n, dim] and [m, dim]; the first n captions are the clips' own.

    The places are (valence, arousal, dominance) on 1..7: dominance ranks, only affect is read out.
    """
    ranking = losses.cross_modal_rnc(audio, text, audio_place, text_place, config.temperature)
    alignment = losses.pair_alignment(audio, text[: len(audio)])
    read_out = torch.nn.functional.mse_loss(model.affect(audio), audio_place[:, :2])
    read_out = read_out + torch.nn.functional.mse_loss(model.affect(text), text_place[:, :2])
    # Squared error in units of the half-scale, so that its weight does not depend on 1..7.
    return ranking + config.alignment_weight * alignment + config.affect_weight * read_out / towers.SPAN**2


def train(config: Config, run: Path) -> Path:
    """Train and return the checkpoint's path.

    Raises:
        TrainingError: the data cannot be used (see CorpusError), the run's folder cannot be written, or the loss is
        lost.
    """
    rows = [row for path in config.manifests for row in manifest.read(Path(path))]
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    training, validation = splits.speaker_split(rows, config.validation_share, config.seed)
    if len(training) < config.batch:
        raise TrainingError(f"{len(training)} training clips are fewer than a batch of {config.batch}; use --batch")
    if len({row.emotion for row in rows}) < 2:
        raise TrainingError("all clips carry one emotion: there is no order to learn")
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    clips = data.load(rows, config.threads)
    train_clips, held = clips.take(training), clips.take(validation)

    model = towers.build(towers.TowerConfig(dropout=config.dropout, train_audio=config.train_audio))
    pool = captions.pool(config.seed)
    vectors = sentence_vectors(model.text.encoder, [caption.text for caption in pool])
    caption_places = torch.tensor([(*caption.affect, caption.dominance) for caption in pool], dtype=torch.float32)

    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    encoder = [p for name, p in trained if name.startswith("audio.encoder.")]
    heads = [p for name, p in trained if not name.startswith("audio.encoder.")]
    optimiser = torch.optim.AdamW(
        [{"params": encoder, "lr": config.encoder_rate}, {"params": heads, "lr": config.head_rate}],
        weight_decay=config.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, config))
    averaging = torch.optim.swa_utils.get_ema_multi_avg_fn(config.average)  # type: ignore[no-untyped-call]
    mean = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=averaging)
    provenance = {
        "corpora": sorted({row.corpus for row in rows}),
        "validation_speakers": sorted({row.speaker for row in held.rows}),
        "commit": commit(),
    }
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        (run / "log.jsonl").open("w", encoding="utf-8") as log,
    ):
        task = progress.add_task("training", total=config.steps)
        running = 0.0
        for step, (samples, lengths, places, chosen) in zip(
            range(1, config.steps + 1), Batches(train_clips, pool, config), strict=False
        ):
            model.train()
            audio = model.audio(samples, lengths)
            text = model.text.project(vectors[chosen])
            loss = loss_of(model, config, audio, text, places, caption_places[chosen])
            if not torch.isfinite(loss):
                raise TrainingError(f"the loss became {loss.item()} at step {step}; lower the learning rates")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_([p for _, p in trained], 1.0)
            optimiser.step()
            schedule.step()
            mean.update_parameters(model)
            running = loss.item() if step == 1 else 0.95 * running + 0.05 * loss.item()
            if step % config.validate_every == 0 or step == config.steps:
                averaged = cast(towers.Towers, mean.module)
                _, predicted = embed_clips(averaged, held)
                taus = corpus_tau(held, predicted.numpy())
                log.write(
                    json.dumps({"step": step, "loss": round(running, 4), **{k: round(v, 4) for k, v in taus.items()}})
                    + "\n"
                )
                log.flush()
                progress.update(
                    task, description=f"tau V {taus['valence']:.2f} A {taus['arousal']:.2f} loss {running:.2f}"
                )
                save(
                    run / "checkpoint.pt",
                    averaged,
                    config,
                    {"step": step, "validation": taus, "provenance": provenance},
                )
            progress.advance(task)
    return run / "checkpoint.pt"
