"""The stub of a bundle's model card: the facts that the export knows, and the questions that only people can answer."""

from collections.abc import Mapping
from typing import Any

from encoders.bundle import BundleInfo


def card(info: BundleInfo, sizes: Mapping[str, int], prompts: int) -> str:
    """The card of a bundle, as Markdown; `sizes` in bytes by file."""
    known = info.provenance
    lines = [
        f"# {info.name} {info.version}",
        "",
        f"An EmotionRank bundle: sound and free text in one {info.embedding_dim}-dimensional space that is ordered by "
        "valence and arousal (1..7, 4 is neutral).",
        "",
        f"- Licence of the weights: {info.licence}",
        f"- Windows: {info.win_dur:g} s every {info.hop_dur:g} s; vocabulary: {prompts} prompts",
        f"- Files: {', '.join(f'{name} {size / 1e6:.1f} MB' for name, size in sorted(sizes.items()))}",
        *_training(known),
        *_calibration(info),
        *_shares(info),
        *_storage(known),
        "",
        "## Use",
        "",
        "    EMOTIONRANK_BUNDLE=this-folder emotionrank describe recording.wav",
        "",
        "## To be written before a release",
        "",
        "- What it was measured on and how well it did (`emotionrank evaluate`).",
        "- What it was trained on says how it may be used: who spoke, in which languages, acted or not.",
        "- What it must not be used for. It estimates how a voice sounds to listeners, not what a person feels.",
    ]
    return "\n".join(lines) + "\n"


def _training(known: Mapping[str, Any]) -> list[str]:
    lines = []
    if corpora := known.get("corpora"):
        lines.append(f"- Trained on: {', '.join(corpora)}")
    if speakers := known.get("validation_speakers"):
        lines.append(f"- Validation speakers, never trained on: {', '.join(speakers)}")
    if tau := known.get("validation_tau"):
        shown = ", ".join(f"{axis} {value:.3f}" for axis, value in tau.items())
        lines.append(f"- Kendall's tau-b of affect on them: {shown}")
    return lines


def _calibration(info: BundleInfo) -> list[str]:
    fitted = info.provenance.get("calibration")
    if not isinstance(fitted, dict):
        return ["- Affect is not calibrated"]
    lines = [
        f"- Affect of sound calibrated on {fitted['clips']} clips of {fitted['speakers']} validation speakers "
        f"(scale {fitted['scale']}, offset {fitted['offset']}, valence and arousal)"
    ]
    if info.affect_interval:
        interval = info.affect_interval
        lines.append(
            f"- {interval.level:.0%} interval for new speakers: valence ± {interval.valence:.2f}, "
            f"arousal ± {interval.arousal:.2f}"
        )
    else:
        lines.append(f"- No interval: {fitted['no_interval']}")
    return lines


def _shares(info: BundleInfo) -> list[str]:
    known: Mapping[str, Any] = info.provenance
    fitted = known.get("term_shares")
    if not isinstance(fitted, dict):
        return ["- The shares of emotion terms are not calibrated"]
    if info.term_shares is None:
        return [f"- The shares of emotion terms are not calibrated: {fitted['no_temperature']}"]
    before, after = fitted["log_loss_before_and_after"]
    return [
        f"- Shares of emotion terms: temperature {info.term_shares.temperature:g}, fitted on {fitted['clips']} clips "
        f"labelled {', '.join(info.term_shares.terms)} (log loss {before:.2f} before, {after:.2f} on left-out speakers)"
    ]


def _storage(known: Mapping[str, Any]) -> list[str]:
    stored = known.get("storage")
    if not isinstance(stored, dict):
        return []
    line = f"- Stored as: audio {stored['audio']}, text {stored['text']}"
    if examples := stored.get("examples"):
        line += f"; chosen by the ranking kept on {examples}"
    return [line]
