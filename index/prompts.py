"""The prompt bank: from audio to words, and the plane that the words span.

The bundle's emotion vocabulary (prompts, several to a term) embedded once; what is nearest to a clip's
embedding says how the clip feels.
"""

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from encoders.affect import Affect
from encoders.bundle import Prompt
from encoders.encoder import Encoded, Encoder
from encoders.terms import FALLBACK, Terms, TermShares, shares
from index.plane import Plane

Vector = npt.NDArray[np.float32]


class PromptBank:
    """The vocabulary of the encoder's bundle. Embedded at the first use; any thread may use it."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._embedded: Encoded | None = None
        self._plane: Plane | None = None
        self._prompts = encoder.bundle.prompts
        self._terms = Terms([prompt.term for prompt in self._prompts])

    @property
    def prompts(self) -> Sequence[Prompt]:
        """The prompts, in the bundle's order."""
        return self._prompts

    @property
    def calibration(self) -> TermShares | None:
        """What the bundle states on the shares of terms; None for shares that are not calibrated."""
        return self._encoder.bundle.info.term_shares

    def landmarks(self) -> list[tuple[str, Affect]]:
        """Return the terms, in the bundle's order, with the mean place of each one's prompts; embeds nothing."""
        places = np.array([prompt.affect for prompt in self._prompts])
        of = np.array([prompt.term for prompt in self._prompts])
        return [(name, Affect(*places[of == name].mean(axis=0).tolist())) for name in self._terms.names]

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
        """Return every term with its share (`encoders.terms`), largest first; the shares sum to 1."""
        fitted = self.calibration
        found = shares(self._terms.nearness(self.embeddings() @ vector), fitted.temperature if fitted else FALLBACK)
        return [(self._terms.names[place], float(found[place])) for place in np.argsort(-found, kind="stable")]
