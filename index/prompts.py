"""The prompt bank: from audio to words, and the plane that the words span.

The bundle's emotion vocabulary (prompts, several to a term) embedded once; what is nearest to a clip's
embedding says how the clip feels.
"""

import threading
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from encoders.bundle import Prompt
from encoders.encoder import Encoded, Encoder
from index.plane import Plane

Vector = npt.NDArray[np.float32]

# How much a term's share of the whole depends on its similarity: a cosine that is higher by this much makes
# the share e times as large. A choice for reading, not a calibrated probability.
TEMPERATURE: Final = 0.05


class PromptBank:
    """The vocabulary of the encoder's bundle. Embedded at the first use; any thread may use it."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._embedded: Encoded | None = None
        self._plane: Plane | None = None
        self._prompts = encoder.bundle.prompts
        self._terms = tuple(dict.fromkeys(prompt.term for prompt in self._prompts))
        membership = np.array([[prompt.term == term for prompt in self._prompts] for term in self._terms])
        self._mean = (membership / membership.sum(axis=1, keepdims=True)).astype(np.float32)

    @property
    def prompts(self) -> Sequence[Prompt]:
        """The prompts, in the bundle's order."""
        return self._prompts

    def embeddings(self) -> Vector:
        """Return the prompts' embeddings, float32 [prompts, dim], in the bundle's order."""
        with self._lock:
            return self._embed().embedding

    def plane(self) -> Plane:
        """Return the valence-arousal plane as the vocabulary spans it. Raises QueryError where it does not."""
        with self._lock:
            if self._plane is None:
                embedded = self._embed()
                self._plane = Plane.fit(embedded.embedding, embedded.affect, [p.affect for p in self._prompts])
            return self._plane

    def _embed(self) -> Encoded:
        if self._embedded is None:
            self._embedded = self._encoder.embed_prompts([prompt.text for prompt in self._prompts])
        return self._embedded

    def nearest(self, vector: Vector, k: int) -> list[tuple[Prompt, float]]:
        """Return the `k` prompts nearest to a unit vector, with their cosines, best first."""
        scores = self.embeddings() @ vector
        best = np.argsort(-scores, kind="stable")[:k]
        return [(self._prompts[place], float(scores[place])) for place in best]

    def terms(self, vector: Vector) -> list[tuple[str, float]]:
        """Return every term with its share, largest first; the shares sum to 1.

        A term's similarity is the mean over its prompts; the shares are their softmax.
        """
        similarity = (self._mean @ (self.embeddings() @ vector)).astype(np.float64)
        weights = np.exp((similarity - similarity.max()) / TEMPERATURE)
        shares = weights / weights.sum()
        return [(self._terms[place], float(shares[place])) for place in np.argsort(-shares, kind="stable")]
