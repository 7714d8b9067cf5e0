"""The training loop.

A run is a folder: `config.toml` (all of the configuration), `log.jsonl`, `tensorboard/`, `last.pt` and `best.pt` (see
`checkpoint`), `training.svg` and, with a frozen audio backbone, `features/`.

Everything random in step k is a function of the seed and k: the draw of the batch, the augmentation (`batches`) and
the dropout (`gradients`). A run that was stopped, or killed, after any checkpoint therefore ends with the same weights
as one that was not, on the same machine with the same number of threads.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_export import towers
from model_export.errors import StoppedError, TrainingError
from model_export.evaluation.clips import AXES
from model_export.training import checkpoint, distributed, gradients, interrupts, setup, validation, watch
from model_export.training.average import Average
from model_export.training.batches import Batch
from model_export.training.config import Config, OptimisationConfig, differences, from_file, to_dict, to_toml
from model_export.training.setup import Setting

CONFIG = "config.toml"


def train(config: Config, run: Path, resume: bool = False) -> Path:
    """Train, or go on with a stopped run, and return the path of the best checkpoint.

    Raises:
        StoppedError: Ctrl-C or SIGTERM; the checkpoint is written and the message says how to go on.
        TrainingError: the data or the configuration cannot be used, the run's folder cannot be written or holds a run
        already, a run to resume had another configuration or other data, or the loss is lost.
    """
    device = distributed.device_of(config.device)
    torch.set_num_threads(config.threads)
    try:
        with distributed.joined(device):
            _claim(config, run, resume)
            rows_of = setup.read(config)
            fingerprints = checkpoint.data_fingerprints(rows_of)
            last = run / checkpoint.LAST
            saved = checkpoint.read(last, checkpoint.LAST) if last.exists() else None
            if saved:
                checkpoint.same_run(last, saved, config, fingerprints)
            setting = setup.prepare(config, rows_of, run, device)
            state = State(config, setting, fingerprints, saved, last)
            _steps(state, config, setting, run, device)
            if distributed.rank() == 0:
                watch.plot(run)
    except KeyboardInterrupt:
        raise StoppedError(f"stopped; go on with: emotionrank train --run {run} --resume") from None
    return run / checkpoint.BEST


def stored(run: Path) -> Path:
    """The configuration of the run in a folder; TrainingError where there is no run."""
    if not (run / CONFIG).exists():
        raise TrainingError(f"{run}: no run to resume (it has no {CONFIG}); leave --resume out to start one")
    return run / CONFIG


def _claim(config: Config, run: Path, resume: bool) -> None:
    """Make the run's folder, or make sure that it is this configuration's."""
    begun = (run / checkpoint.LAST).exists() or (run / checkpoint.BEST).exists()
    if begun and not resume:
        raise TrainingError(f"{run} holds a run already; go on with it by --resume, or choose a new folder")
    if resume and (differ := differences(from_file(str(stored(run))), config)):
        listed = "\n  ".join(differ)
        raise TrainingError(
            f"{run}: the run has another configuration (the run's and yours):\n  {listed}\n"
            "Resume with what it has, or choose a new run folder"
        )
    distributed.everyones(None)  # nobody writes before all have read
    if distributed.rank() == 0 and not resume:
        with watch.writing(run):
            run.mkdir(parents=True, exist_ok=True)
            partial = run / f"{CONFIG}.partial"
            partial.write_text(to_toml(config), encoding="utf-8")
            partial.replace(run / CONFIG)


class State:
    """All that moves in a run, and that a checkpoint holds."""

    def __init__(
        self, config: Config, setting: Setting, data: dict[str, str], saved: dict[str, Any] | None, path: Path
    ) -> None:
        self.config, self.setting, self.data = config, setting, data
        self.frozen = checkpoint.frozen(setting.learner.towers)
        self.weights = checkpoint.trained(setting.learner)
        self.average = Average(self.weights, config.optimisation.average)
        self.optimiser = _optimiser(self.weights, config.optimisation)
        self.step = 0
        self.loss = math.nan
        self.best: dict[str, float] = {}
        self.stale = 0
        if saved:
            checkpoint.same_backbones(path, saved["frozen"], setting.learner.towers)
            checkpoint.put(saved["weights"], setting.learner)
            self.average.put(saved["average"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.step, self.loss, self.best, self.stale = (saved[k] for k in ("step", "loss", "best", "stale"))

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or validation has not got better for too long."""
        options = self.config.optimisation
        return self.step >= options.steps or 0 < options.patience <= self.stale

    def save(self, run: Path) -> None:
        """Write `last.pt`."""
        values = {
            "kind": checkpoint.LAST,
            "config": to_dict(self.config),
            "data": self.data,
            "frozen": self.frozen,
            "weights": {name: weight.detach() for name, weight in self.weights.items()},
            "average": self.average.values,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "loss": self.loss,
            "best": self.best,
            "stale": self.stale,
        }
        checkpoint.save(run / checkpoint.LAST, values)

    def save_best(self, run: Path) -> None:
        """Write `best.pt` from the average of the weights."""
        prefix = "towers."
        average = {k.removeprefix(prefix): v for k, v in self.average.values.items() if k.startswith(prefix)}
        values = {
            "kind": checkpoint.BEST,
            "config": to_dict(self.config),
            "frozen": self.frozen,
            "average": average,
            "step": self.step,
            "validation": {name: self.best[name] for name in AXES},
            "provenance": self.setting.provenance,
        }
        checkpoint.save(run / checkpoint.BEST, values)


def _optimiser(weights: dict[str, torch.nn.Parameter], options: OptimisationConfig) -> torch.optim.AdamW:
    encoders = [weight for name, weight in weights.items() if ".encoder." in name]
    heads = [weight for name, weight in weights.items() if ".encoder." not in name]
    groups = [(encoders, options.encoder_rate), (heads, options.head_rate)]
    return torch.optim.AdamW(
        [{"params": members, "lr": rate, "peak": rate} for members, rate in groups if members],
        weight_decay=options.weight_decay,
    )


def rate(step: int, options: OptimisationConfig) -> float:
    """The learning rate of step 1, 2, ... as a share of its peak: linear warm-up, then a cosine to zero."""
    warm_up = max(1, round(options.warm_up * options.steps))
    if step <= warm_up:
        return step / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - 1 - warm_up) / max(1, options.steps - warm_up)))


def _steps(state: State, config: Config, setting: Setting, run: Path, device: torch.device) -> None:
    """The loop itself."""
    options, learner, first = config.optimisation, setting.learner, distributed.rank() == 0
    with ExitStack() as stack:
        bar = stack.enter_context(watch.progress(first))
        asked = stack.enter_context(interrupts.watched())
        shown = stack.enter_context(watch.Watch(run, options.steps, state.step + 1, bar)) if first else None
        for batch in setting.batches.between(state.step + 1, options.steps) if not state.finished else ():
            learner.train()
            state.optimiser.zero_grad(set_to_none=True)
            loss = step_gradient(setting, batch, config, device).item()
            if not math.isfinite(loss):
                raise TrainingError(f"the loss became {loss} at step {batch.step}; lower the learning rates")
            norm = torch.nn.utils.clip_grad_norm_(state.weights.values(), options.clip_norm)
            if not torch.isfinite(norm):
                raise TrainingError(f"the gradient became {norm.item()} at step {batch.step}; lower the learning rates")
            share = rate(batch.step, options)
            for group in state.optimiser.param_groups:
                group["lr"] = share * group["peak"]
            state.optimiser.step()
            state.average.update(batch.step)
            state.step = batch.step
            state.loss = loss if math.isnan(state.loss) else 0.95 * state.loss + 0.05 * loss

            stop = distributed.anyone(asked.to_stop)
            last = stop or state.step == options.steps
            figures = {"loss": state.loss, "rate": share}
            if state.step % options.validate_every == 0 or state.step == options.steps:
                figures |= _validate(state, setting, run, device)
                last = last or state.finished
            if shown:
                logged = last or len(figures) > 2 or state.step % options.log_every == 0
                shown.step(state.step, figures if logged else None)
                if last or state.step % options.checkpoint_every == 0:
                    state.save(run)
            if last:
                break
    if not state.finished:
        raise StoppedError(
            f"stopped after step {state.step} of {options.steps}; go on with: emotionrank train --run {run} --resume"
        )
    if state.step < options.steps:
        setup.say(f"stopped early after step {state.step}: no better validation in {options.patience}")


def step_gradient(setting: Setting, batch: Batch, config: Config, device: torch.device) -> Tensor:
    """Add the gradient of the whole batch's loss to the weights; the loss' value."""
    model, options = setting.learner.towers, config.optimisation
    mine = distributed.share(len(batch.captions))
    heard = tuple(tensor.to(device, non_blocking=True) for tensor in batch.heard)
    precision = _precision(options.precision, device)

    def audio_part(start: int, stop: int) -> gradients.Part:
        def part() -> Tensor:
            with precision():
                return setting.source.embed(model.audio, tuple(t[start:stop] for t in heard)).float()

        return part

    def text_part() -> Tensor:
        with precision():
            return setting.texts.embed(model.text, batch.captions[mine]).float()

    def objective(audio: Tensor, text: Tensor) -> Tensor:
        audio = distributed.gather(audio, len(batch.clips))
        text = distributed.gather(text, len(batch.captions))
        return loss_of(setting, config, audio, text, batch)

    count, size = len(heard[0]), options.micro_batch or len(heard[0])
    audio_parts = [audio_part(start, min(start + size, count)) for start in range(0, count, size)]
    seed = int(np.random.default_rng((config.seed, batch.step, distributed.rank(), 1)).integers(2**62))
    loss = gradients.backward(audio_parts, [text_part], objective, seed)
    distributed.average_gradients(setting.learner.parameters())
    return loss


def loss_of(setting: Setting, config: Config, audio: Tensor, text: Tensor, batch: Batch) -> Tensor:
    """The whole objective on the unit embeddings of all clips [n, dim] and captions [m, dim] of a batch.

    Places are (valence, arousal, dominance) on 1..7: dominance ranks, only affect is read out.
    """
    device = audio.device
    clips, captions = (torch.from_numpy(positions).to(device) for positions in (batch.clips, batch.captions))
    audio_place, text_place = setting.places[0][clips], setting.places[1][captions]
    loss: Tensor = setting.learner.objective(
        audio,
        text,
        audio_place,
        text_place,
        (setting.groups[0][clips], setting.groups[1][captions]),
        None if setting.weights is None else setting.weights[clips],
    )
    affect = setting.learner.towers.affect
    missed = (affect(audio) - audio_place[:, :2]).square().mean(dim=1)
    if setting.weights is not None:
        missed = missed * setting.weights[clips]
    read_out = missed.mean() + torch.nn.functional.mse_loss(affect(text), text_place[:, :2])
    # Squared error in units of the half-scale, so that its weight does not depend on 1..7.
    return loss + config.loss.affect * read_out / towers.SPAN**2


def _precision(name: str, device: torch.device) -> Callable[[], Any]:
    """Autocast to bfloat16 where it is wanted: by default on a GPU."""
    if name == "bfloat16" or (name == "auto" and device.type == "cuda"):
        return lambda: torch.autocast(device.type, torch.bfloat16)
    return nullcontext


def _validate(state: State, setting: Setting, run: Path, device: torch.device) -> dict[str, float]:
    """Judge the average of the weights; keep it when it is the best so far."""
    with state.average.in_place():
        _, affect = validation.embed_clips(setting.learner.towers, setting.source, setting.held, device)
    taus = validation.corpus_tau([setting.rows[i] for i in setting.held], affect)
    score = sum(taus.values()) / len(taus)
    if not state.best or score > state.best["score"]:
        state.best, state.stale = {"score": score, **taus}, 0
        if distributed.rank() == 0:
            state.save_best(run)
    else:
        state.stale += 1
    return taus
