"""New words for a bundle: its text encoder is taught again, its audio encoder stays as it is, to the byte.

What recordings sound like to the bundle does not change, and neither do the embeddings of any library, which the new
bundle opens as its own (`hears_as`); what prompts mean does. The clips of a corpus are embedded once, as they are and
distorted, and the text tower learns to lie among them by the objective of training (`losses.Objective`). The affect of
text is read by the bundle's own read-out, which is linear in the embedding and so is found exactly from clips'
embeddings and affect, and stays as it is too. That takes minutes where training takes hours, and the clip-level affect
cannot get worse.

The bundle's validation speakers are not learnt from. The interval of affect (split conformal) and the temperature of
the shares of terms come from them.
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from encoders import bundle as bundles
from encoders.affect import HIGH, LOW, NEUTRAL
from encoders.audio import SAMPLE_RATE, Samples
from encoders.bundle import Bundle
from encoders.encoder import Encoded, Encoder
from encoders.errors import AudioError
from model_export import augment, data, towers
from model_export.errors import ExportError
from model_export.evaluation import clips as judging
from model_export.export import bundles as exporting
from model_export.export import calibration, example_speech, storage, validation_speech
from model_export.losses import Objective, pair_alignment
from model_export.manifest import Row
from model_export.towers import SPAN, Towers
from model_export.training import setup, texts
from model_export.training.average import Average
from model_export.training.batches import BalancedDraw, drawn
from model_export.training.config import Config
from model_export.training.loop import rate

Floats = npt.NDArray[np.float32]

PORTION = 1024  # captions from one sign of progress to the next
EXACT = 1e-3  # how far affect may lie from a linear read-out of the embedding


@dataclass(frozen=True, slots=True)
class Heard:
    """Clips as a bundle hears them, plain and distorted: embedding [versions, n, dim], affect [versions, n, 2]."""

    rows: list[Row]
    embedding: Floats
    affect: Floats


def reword(bundle: Path, rows: Sequence[Row], target: Path, config: Config, version: str) -> Bundle:
    """Write the bundle with its text encoder taught anew on labelled clips as the new folder `target`; return it.

    Raises:
        BundleError: the bundle cannot be opened.
        CorpusError: fewer clips to learn from than a batch has, or some that cannot be decoded.
        ExportError: `target` is there already, or the bundle's affect is no linear read-out of its embedding.
    """
    encoder = Encoder.load(bundle, threads=1)
    provenance = encoder.bundle.info.provenance
    learnt = data.learnable(rows, provenance, config.optimisation.batch)
    held = validation_speech.unheard(rows, provenance)
    heard = hear(learnt, encoder, config)
    plain = judging.embed(held, encoder, threads=config.threads)
    torch.manual_seed(config.seed)
    model = towers.build(config.towers)
    model.read_out = read_out_of(heard)
    teach(model, heard, config, encoder)
    with exporting.new_folder(target) as folder:
        shutil.copyfile(encoder.bundle.file(bundles.AUDIO), exporting.stored_as(folder, "audio", storage.FULL))
        shutil.copyfile(model.tokenizer, folder / bundles.TOKENIZER)
        exporting.write_prompts(folder / bundles.PROMPTS)
        check = exporting.graph("text", towers.Exported(model.text, model), folder, model.text.encoder.vocabulary)
        stored = exporting.settle(folder, example_speech.from_rows(held), ("text",))
        interval, reason = calibration.conformal(
            plain.affect, [row.affect for row in held], [row.speaker for row in held]
        )
        about = {"rewording": _facts(encoder.bundle, learnt, config) | ({"no_interval": reason} if reason else {})}
        fitted = exporting.shares_of(folder, held, plain.embedding)
        made = exporting.reseal(
            folder,
            encoder.bundle.info,
            version=version,
            affect_interval=interval.model_dump() if interval else None,
            hears_as=(*encoder.bundle.info.hears_as, encoder.bundle.fingerprint),
            term_shares=fitted.shares,
            provenance={
                **provenance,
                "words_left_out": sorted(config.captions.leave_out),
                **about,
                "term_shares": fitted.facts(),
                "storage": {**stored, "audio": "as it was"},
                "float32_difference_to_torch": {"text": check},
            },
        )
        exporting.write_card(folder, made)
    return bundles.load(target)


def hear(rows: list[Row], encoder: Encoder, config: Config) -> Heard:
    """Embed the first window of every clip, as it is and `config.features.versions` times cropped and distorted.

    Raises:
        CorpusError: some cannot be decoded.
    """
    limit = round(towers.WIN_DUR * SAMPLE_RATE)

    def of_one(place: int) -> list[Encoded] | str:
        rng = np.random.default_rng((config.seed, place))
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        try:
            samples = data.decoded(rows[place])
        except AudioError as error:
            return str(error)
        versions: list[Samples] = [samples[:limit].astype(np.float32)]
        for _ in range(config.features.versions):
            seconds = float(rng.uniform(*config.data.crop_seconds))
            crop, length = augment.batch([augment.crop(samples, seconds, rng, config.augmentation)])
            versions.append(augment.distort(crop, length, noise, config.augmentation)[0].numpy())
        return [encoder.embed_samples(version) for version in versions]

    with ThreadPoolExecutor(config.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        console = Console(stderr=True)
        made = list(
            track(pool.map(of_one, range(len(rows))), "hearing", total=len(rows), transient=True, console=console)
        )
    data.require_all([result for result in made if isinstance(result, str)], len(rows))
    clips = [result for result in made if not isinstance(result, str)]
    embedding, affect = (
        np.stack([[getattr(version, name)[0] for version in clip] for clip in clips], axis=1)
        for name in ("embedding", "affect")
    )
    return Heard(rows, embedding, affect)


def read_out_of(heard: Heard) -> nn.Linear:
    """The read-out of a bundle, from what it makes of clips: least squares, which is exact for a linear one.

    Raises:
        ExportError: it is not linear, or too few of the clips are inside 1..7.
    """
    affect = heard.affect.reshape(-1, 2).astype(np.float64)
    inside = ((affect > LOW) & (affect < HIGH)).all(axis=1)
    embedding = np.column_stack([heard.embedding.reshape(len(affect), -1), np.ones(len(affect))])[inside]
    weights, *_ = np.linalg.lstsq(embedding, (affect[inside] - NEUTRAL) / SPAN, rcond=None)
    left = float(np.abs(embedding @ weights * SPAN + NEUTRAL - affect[inside]).max(initial=0.0))
    if len(embedding) <= embedding.shape[1] or not left <= EXACT:
        raise ExportError(
            f"the affect of this bundle is no linear read-out of its embedding ({left:.1e} off over {len(embedding)} "
            "clips inside 1..7), so there is none to read text by. Give more clips, or a bundle not steadied"
        )
    read_out = nn.Linear(embedding.shape[1] - 1, 2)
    with torch.no_grad():
        read_out.weight.copy_(torch.from_numpy(weights[:-1].T))
        read_out.bias.copy_(torch.from_numpy(weights[-1]))
    return read_out.requires_grad_(False)


def teach(model: Towers, heard: Heard, config: Config, before: Encoder) -> None:
    """Train the text tower's projection on captions beside and far from the clips; it keeps its average.

    With `config.reword.keep` captions stay near what the encoder of `before` makes of them: what it knew already and
    the clips at hand cannot teach again is not lost.
    """
    options = config.optimisation
    places = data.places(heard.rows)
    pool = texts.Pool.of(heard.rows, places, config.captions, config.seed)
    tokens, padding = texts.tokenise(model.tokenizer, [caption.text for caption in pool.captions])
    vectors = texts.sentence_vectors(model.text.encoder, tokens, padding, torch.device("cpu"))
    draw = BalancedDraw(heard.rows, np.arange(len(heard.rows)), config.data.corpus_weight)
    kept = embedded_before(before, pool) if config.reword.keep else None
    audio, clip_places, text_places = map(torch.from_numpy, (heard.embedding, places, pool.places))
    objective = Objective(config.loss)
    weights = dict(model.text.projection.named_parameters())
    optimiser = torch.optim.AdamW(weights.values(), lr=options.head_rate, weight_decay=options.weight_decay)
    average = Average(weights, options.average)
    model.text.train()
    steps = track(range(1, options.steps + 1), "teaching", transient=True, console=Console(stderr=True))
    for step in steps:
        rng = np.random.default_rng((config.seed, step))
        clips, captions = drawn(draw, pool, places, config, rng)
        text = model.text.project(vectors[captions])
        version = torch.from_numpy(rng.integers(len(heard.embedding), size=len(clips)))
        loss = objective(audio[version, clips], text, clip_places[clips], text_places[captions], None, None)
        missed = nn.functional.mse_loss(model.affect(text), text_places[captions][:, :2])
        loss = loss + config.loss.affect * missed / SPAN**2
        if kept is not None:
            loss = loss + config.reword.keep * pair_alignment(kept[captions], text)
        for group in optimiser.param_groups:
            group["lr"] = options.head_rate * rate(step, options)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights.values(), options.clip_norm)
        optimiser.step()
        average.update(step)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(average.values[name])
    model.eval()


def embedded_before(encoder: Encoder, pool: texts.Pool) -> Tensor:
    """The captions of a pool [n, dim] as a bundle's own text encoder has them."""
    wanted = [caption.text for caption in pool.captions]
    starts = track(range(0, len(wanted), PORTION), "reading the captions", transient=True, console=Console(stderr=True))
    return torch.from_numpy(
        np.concatenate([encoder.embed_prompts(wanted[start : start + PORTION]).embedding for start in starts])
    )


def _facts(bundle: Bundle, learnt: Sequence[Row], config: Config) -> dict[str, Any]:
    return {
        "of": f"{bundle.info.name} {bundle.info.version}",
        "fingerprint": bundle.fingerprint,
        "corpora": sorted({row.corpus for row in learnt}),
        "clips": len(learnt),
        "steps": config.optimisation.steps,
        "seed": config.seed,
        "commit": setup.commit(),
    }
