"""Samples to what a speech encoder hears, in plain, exportable torch: it lives inside `audio.onnx`.

The steps, each masked by the clips' lengths so that padding changes nothing:

1. trim: frames at either end that lie more than 38 dB under the loudest frame are dropped;
2. level: the frames that are left and not pauses are brought to an RMS of 0.1;
3. for encoders of the waveform (WavLM, HuBERT, wav2vec 2.0): zero mean, unit variance;
   for Whisper: log-mel as it has it (Radford et al. 2022, section 2.2): 80 Slaney mels, 25 ms Hann window, 10 ms hop,
   log10 clamped 8 below the maximum, then (x + 4) / 4.

Two differences to Whisper's own are deliberate: the ends are padded with zeros instead of a reflection, and nothing is
padded to 30 s. The Fourier transform is a convolution with cosine and sine kernels, because an STFT node is several
times slower in ONNX Runtime.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.audio import SAMPLE_RATE

N_FFT = 400
HOP = 160
N_MELS = 80
TRIM_DB = -38.0
SPEECH_RMS = 0.1


def slaney_mels(n_mels: int = N_MELS, n_fft: int = N_FFT, rate: int = SAMPLE_RATE) -> npt.NDArray[np.float64]:
    """Mel filter bank [n_mels, n_fft // 2 + 1] on Slaney's scale (Auditory Toolbox, 1998), each filter of unit area."""
    step, corner, log_step = 200.0 / 3, 1000.0, math.log(6.4) / 27

    def to_mel(hertz: float) -> float:
        return hertz / step if hertz < corner else corner / step + math.log(hertz / corner) / log_step

    mels = np.linspace(0.0, to_mel(rate / 2), n_mels + 2)
    linear = mels * step
    edges = np.where(mels < corner / step, linear, corner * np.exp(log_step * (mels - corner / step)))
    bins = np.linspace(0.0, rate / 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    filters: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) * area[:, None]
    return filters


def mask(lengths: Tensor, size: int | Tensor) -> Tensor:
    """Boolean [batch, size], true before each length."""
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]  # type: ignore[arg-type]


def frame_power(samples: Tensor, lengths: Tensor) -> Tensor:
    """Mean square of 25 ms frames every 10 ms, zero past the end: [batch, samples] -> [batch, samples // HOP + 1]."""
    power = F.avg_pool1d(samples.square()[:, None], N_FFT, HOP, padding=N_FFT // 2)[:, 0]
    return power * mask(lengths // HOP + 1, power.shape[1])


def trim(samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Drop what is quieter than TRIM_DB under the loudest frame from both ends; the tensor keeps its size."""
    power = frame_power(samples, lengths)
    speech = power >= power.amax(dim=1, keepdim=True) * 10 ** (TRIM_DB / 10)
    frames = torch.arange(power.shape[1], device=samples.device)[None, :].expand_as(power)
    far = power.shape[1] + 1
    first = torch.where(speech, frames, far).amin(dim=1)
    last = torch.where(speech, frames, -1).amax(dim=1)
    # A frame is centred on its index times the hop: keep half a window around the outermost ones.
    start = (first * HOP - N_FFT // 2).clamp(min=0)
    end = torch.minimum(last * HOP + N_FFT // 2, lengths)
    kept = (end - start).clamp(min=N_FFT)
    kept = torch.minimum(kept, lengths)
    start = torch.minimum(start, lengths - kept)
    index = torch.arange(samples.shape[1], device=samples.device)[None, :] + start[:, None]
    shifted = torch.gather(samples, 1, index.clamp(max=samples.shape[1] - 1))
    return shifted * mask(kept, samples.shape[1]), kept


def level(samples: Tensor, lengths: Tensor) -> Tensor:
    """Scale each row so that its speech frames (within TRIM_DB of the loudest) have an RMS of SPEECH_RMS."""
    power = frame_power(samples, lengths)
    speech = (power >= power.amax(dim=1, keepdim=True) * 10 ** (TRIM_DB / 10)).to(samples.dtype)
    mean = (power * speech).sum(dim=1) / speech.sum(dim=1).clamp(min=1.0)
    return samples * (SPEECH_RMS / mean.clamp(min=1e-12).sqrt())[:, None]


def heard(samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Trimmed, levelled samples [batch, n], zero past the end, and their lengths [batch]: what every encoder hears."""
    samples = samples * mask(lengths, samples.shape[1])
    samples, lengths = trim(samples, lengths)
    return level(samples, lengths), lengths


class Wave(nn.Module):
    """Samples [batch, n], lengths [batch] -> samples of zero mean and unit variance, zero past the end; new lengths.

    The normalisation is that of `Wav2Vec2FeatureExtractor`, over the clip without its padding.
    """

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The same shape as `samples`."""
        samples, lengths = heard(samples, lengths)
        inside = mask(lengths, samples.shape[1])
        count = lengths[:, None].to(samples.dtype)
        centred = (samples - samples.sum(dim=1, keepdim=True) / count) * inside
        variance = centred.square().sum(dim=1, keepdim=True) / count
        return centred / (variance + 1e-7).sqrt(), lengths


class LogMel(nn.Module):
    """samples [batch, n], lengths [batch] -> log-mel [batch, n_mels, frames] and the number of frames [batch]."""

    def __init__(self, n_mels: int = N_MELS) -> None:
        super().__init__()
        time = np.arange(N_FFT)
        angle = 2 * np.pi * np.outer(np.arange(N_FFT // 2 + 1), time) / N_FFT
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * time / N_FFT)
        kernels = np.concatenate([np.cos(angle), np.sin(angle)]) * hann
        self.register_buffer("kernels", torch.tensor(kernels[:, None], dtype=torch.float32), persistent=False)
        self.register_buffer("mels", torch.tensor(slaney_mels(n_mels), dtype=torch.float32), persistent=False)

    kernels: Tensor
    mels: Tensor

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Masked log-mel; frames past the end of a row are zero."""
        samples, lengths = heard(samples, lengths)
        spectrum = F.conv1d(samples[:, None], self.kernels, stride=HOP, padding=N_FFT // 2)
        real, imaginary = torch.split(spectrum, N_FFT // 2 + 1, dim=1)
        mel = torch.matmul(self.mels, real.square() + imaginary.square())
        frames = lengths // HOP + 1
        inside = mask(frames, mel.shape[2])[:, None]
        log = torch.log10(mel.clamp(min=1e-10))
        log = torch.where(inside, log, -10.0)
        log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (log + 4.0) / 4.0 * inside, frames
