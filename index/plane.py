"""The valence-arousal plane inside the embedding space, learnt from the bundle's vocabulary.

Every prompt of the vocabulary has an embedding and a place in the plane. From these pairs come

* `at`: the embedding of a place, the mean of the prompts' embeddings weighted with a Gaussian kernel of BANDWIDTH;
* `affect_of`: where an embedding lies. The bundle's read-out is linear in the embedding, but lies inside its
  graphs; ridge regression over the vocabulary finds it again. Of speech that is what the embedding says; the
  affect that an encoder gives may have heard more and differ by some tenths of a point;
* `shifted`: an embedding moved in the plane. It moves along the regression of the embeddings on the affect, by
  as much as `affect_of` needs to arrive: a shift of 1 is one point of the scale, the other axis stays, and a
  shift back undoes it;
* `sound`: what is left of an embedding once the directions are gone in which the vocabulary varies.

Prompts, speech and the vocabulary lie apart in the space (the modality gap), by nearly the same vector
everywhere. `shifted` adds a difference, from which that vector cancels out, so it is the same for a query
made of words, of speech or of both: the direction found in words and the one in speech have a cosine of 0.99.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from encoders.affect import HIGH, LOW, Affect
from index.errors import QueryError

Vector = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

# In points of the scale. Under 0.3 single prompts decide; from 1 on the corners of the plane move inwards. Of the
# bandwidths tried, the hits' labels are nearest to the place asked for with this one (unseen speakers, nEMO, RAVDESS).
BANDWIDTH: Final = 0.5

_RIDGE: Final = 1e-4  # of the embeddings' total variance; 1e-6 to 1e-3 give the same read-out
_SPREAD: Final = 0.95  # of the vocabulary's variance: the directions that `sound` leaves out hold so much
_ROUNDS: Final = 40
_CLOSE: Final = 1e-6  # in points of the scale


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """What was learnt from `n` prompts; made by `fit`.

    `places` [n, 2] and `embeddings` [n, dim] are the prompts'; the read-out is `readout` [dim, 2] and `constant`
    [2]; `slopes` [2, dim] is the change of the embedding with each axis; `directions` [r, dim] are orthonormal.
    """

    places: Array
    embeddings: Array
    readout: Array
    constant: Array
    slopes: Array
    directions: Array

    @classmethod
    def fit(cls, embeddings: Vector, affect: Vector, places: npt.ArrayLike) -> Self:
        """Learn from prompts: their embeddings [n, dim], the bundle's affect for them and their places [n, 2].

        Raises QueryError where the prompts do not spread over the plane.
        """
        vectors = embeddings.astype(np.float64)
        centred = vectors - vectors.mean(axis=0)
        moved = affect - affect.mean(axis=0, dtype=np.float64)
        if np.linalg.matrix_rank(moved) < 2:
            raise QueryError(
                f"the bundle's vocabulary ({len(vectors)} prompts) does not spread over the valence-arousal plane, so "
                "affect, shift and distinct cannot be used with it."
            )
        scatter = centred.T @ centred
        ridge = _RIDGE * np.trace(scatter) * np.eye(len(scatter))
        readout = np.linalg.solve(scatter + ridge, centred.T @ moved)
        _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
        shares = np.cumsum(sizes**2) / np.sum(sizes**2)
        return cls(
            places=np.asarray(places, np.float64),
            embeddings=vectors,
            readout=readout,
            constant=affect.mean(axis=0, dtype=np.float64) - vectors.mean(axis=0) @ readout,
            slopes=np.linalg.lstsq(moved, centred, rcond=None)[0],
            directions=directions[: 1 + int(np.searchsorted(shares, _SPREAD))],
        )

    def at(self, place: Affect) -> Vector:
        """Return the unit vector of a place of the plane."""
        distances = np.square(self.places - np.asarray(place)).sum(axis=1)
        # Relative to the nearest prompt, so that some weight is left wherever the place is.
        weights = np.exp((distances.min() - distances) / (2 * BANDWIDTH**2))
        mean: Array = weights @ self.embeddings
        return _unit(mean).astype(np.float32)

    def affect_of(self, vector: Vector) -> Affect:
        """Estimate where a unit vector lies; not clipped to the scale."""
        return Affect(*self._read(vector.astype(np.float64)).tolist())

    def shifted(self, vector: Vector, valence: float, arousal: float) -> Vector:
        """Return a unit vector moved by so many points of each axis, but not beyond the ends of the scale.

        As near to the goal as unit vectors can come: the far corners of the plane may lie outside their reach.
        """
        step = np.array([valence, arousal])
        if not step.any():
            return vector
        start = vector.astype(np.float64)
        here = self._read(start)
        within = np.clip(here + step, np.minimum(here, LOW), np.maximum(here, HIGH))
        goal = np.where(step == 0, here, within)
        along, moved = goal - here, start
        for _ in range(_ROUNDS):
            moved = _unit(start + along @ self.slopes)
            missing = goal - self._read(moved)
            if np.abs(missing).max() < _CLOSE:
                break
            along = along + missing
        return moved.astype(np.float32)

    def sound(self, vectors: Vector) -> Vector:
        """Return what embeddings [m, dim] hold besides affect: float32 [m, dim], of no particular length."""
        directions: Vector = self.directions.astype(np.float32)
        shares: Vector = vectors @ directions.T
        affect: Vector = shares @ directions
        return vectors - affect

    def _read(self, vector: Array) -> Array:
        found: Array = vector @ self.readout + self.constant
        return found


def _unit(vector: Array) -> Array:
    unit: Array = vector / max(float(np.linalg.norm(vector)), np.finfo(np.float64).tiny)
    return unit
