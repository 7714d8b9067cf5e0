"""The approximate index: cells in a space of few dimensions find candidates, the stored embeddings rank them.

    axes         a few of the space, and for the queries others than for the segments: those from which products of
                 the two are best known. Most embeddings of emotion lie close to so few dimensions
    cells        k-means in that space (FAISS IVF), those near a query found by a graph over their centres (HNSW);
                 a segment's place in its cell as float16
    reduced      every segment there, a byte a value, in the order of the rows: what a filter leaves is scanned in it
    codes        the stored embeddings, mapped: candidates are scored with them, exactly

A segment x is reduced to y = U'(x - mean), U orthonormal; of all there is to know of x, y says mean + C U (U'CU)^-1 y,
C being the covariance of the segments. A query is multiplied with that: its product with y is the best guess of the
score. U is chosen so that the guess errs least over prompts and segments as queries (PCA would be best if queries were
anything). All segments are brought to one length by a last value, which of queries is 0: then the nearest is the one
of the highest product, and float16 is exact enough, since what is near differs little. `probes` (cells looked into)
and `candidates` are found by `index.local.tuning` on text queries, which lie apart from all segments.

What it returns is scored to the last bit as the exact scan scores it. What it may do is miss a hit.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple, Self

import faiss
import numpy as np
import numpy.typing as npt

from encoders.sessions import available_cpus
from index.local.coarse import Coarse, quantizer_for
from index.local.codes import Codes, Floats, Ints, Scan, Selector, scan, taken

_LOST: Final = 0.0015  # of the variance, by as many axes of PCA; .001 .. .002 are the knee: fewer need more candidates
_ASKED: Final = 0.2  # the weight of prompts against segments as queries: more loses more of the latter than it wins
_LONGER: Final = 1.05  # than the longest segment of the sample is what all are brought to; few are longer than that
_NONE: Final = 1e-9  # variance of an axis that says nothing
_SAMPLE: Final = 100_000  # segments that axes are found from
_PER_CELL: Final = 48  # segments a cell that k-means learns from
_ROUNDS: Final = 8  # of k-means
LINKED: Final = 160  # bytes that a centre takes in the graph of centres
_LINKS: Final = 16  # of a centre there
_BREADTH: Final = 2  # centres that are kept in sight for each that is wanted: one in a thousand is missed
DEPTH: Final = 2  # candidates for each row that counts: the last of them are as likely to be missed as found
_PORTION: Final = 16_384
_SEED: Final = 4


class Effort(NamedTuple):
    """How hard to look: cells to look into, and candidates to score exactly."""

    probes: int
    candidates: int


@dataclass(frozen=True, eq=False)
class Approximate:
    """An index over the codes of a snapshot, rows in the same order; `effort` is that of a query for few hits."""

    codes: Scan
    reduced: Coarse
    chain: faiss.IndexPreTransform
    ranking: faiss.IndexRefine
    cells: faiss.IndexIVFScalarQuantizer
    axes: Floats
    offset: Floats
    effort: Effort

    @classmethod
    def of(cls, codes: Scan, reduced: Coarse, index: npt.NDArray[np.uint8], effort: Effort) -> Self:
        """Put one together from what a snapshot holds; `index` are the bytes of `serialized`."""
        chain = faiss.deserialize_index(index)  # it owns all the others, and has to outlive them
        assert isinstance(chain, faiss.IndexPreTransform)
        projection = faiss.downcast_VectorTransform(chain.chain.at(0))  # type: ignore[attr-defined]
        cells = faiss.downcast_index(chain.index)
        assert isinstance(projection, faiss.LinearTransform)
        assert isinstance(cells, faiss.IndexIVFScalarQuantizer)
        dim, values = projection.d_in, projection.d_out
        assert cells.metric_type == faiss.METRIC_L2
        assert (cells.ntotal, dim, values) == (len(codes.codes), codes.codes.shape[1], reduced.index.d)
        axes = faiss.vector_to_array(projection.A).reshape(values, dim)
        # What candidates are ranked by is the score, whatever finds them; FAISS wants to be told that they agree.
        chain.metric_type = faiss.METRIC_INNER_PRODUCT
        return cls(
            codes,
            reduced,
            chain,
            faiss.IndexRefine(chain, codes.index),
            cells,
            axes,
            faiss.vector_to_array(projection.b),
            effort,
        )

    @property
    def memory(self) -> int:
        """The bytes that the cells and the reduced codes take."""
        members = self.cells.ntotal * (self.cells.code_size + 8)
        centres = self.cells.nlist * (4 * self.cells.d + LINKED)
        return members + centres + self.axes.nbytes + self.reduced.codes.nbytes

    def serialized(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Return projection and cells, and the reduced codes, as bytes to be kept."""
        return faiss.serialize_index(self.chain), self.reduced.serialized()

    def with_effort(self, effort: Effort) -> Self:
        """Return the same index with another effort."""
        return replace(self, effort=effort)

    def project(self, query: Floats) -> Floats:
        """Return a query [dim] as it is in the space of few dimensions [values]."""
        # Not by `@`: BLAS would wake its threads for it, which costs more than the product.
        projected: Floats = np.einsum("vd,d->v", self.axes, query)
        return projected + self.offset

    def first(self, query: Floats) -> tuple[Ints, Floats]:
        """Return the better half of the candidates with their exact scores, best first; `query` as the codes are.

        Where there are no more, rows are -1. What is returned is the caller's until this thread asks again.
        """
        # What is asked most. FAISS' own wrapper would check and prepare anew what is the same for every query.
        desk = self._desk
        desk.search(1, faiss.swig_ptr(np.ascontiguousarray(query, np.float32)), *desk.rest)
        return desk.rows, desk.scores

    @cached_property
    def _desk(self) -> "_Desk":
        return _Desk(self.ranking, self.effort)

    def best(self, query: Floats, effort: Effort, selector: Selector | None = None) -> tuple[Ints, Floats]:
        """Return candidates among those selected with their exact scores, best first; `query` as the codes are."""
        # One call finds and ranks: on the way in and out of FAISS, Python would spend as much time again.
        parameters = _parameters(effort, selector)
        scores, rows = self.ranking.search(query[np.newaxis], effort.candidates, params=parameters)
        if rows[0, -1] >= 0:
            return rows[0], scores[0]
        found = rows[0] >= 0
        return rows[0][found], scores[0][found]

    def look(self, query: Floats, effort: Effort) -> Ints:
        """Return the rows of candidates, nearest first; `query` as the codes are, [dim]."""
        parameters = _cells(effort, None)
        _, found = self.cells.search(self.project(query)[np.newaxis], effort.candidates, params=parameters)
        rows: Ints = found[0]
        return rows[rows >= 0]

    def look_at(self, query: Floats, rows: Ints, candidates: int) -> Ints:
        """Return the rows of candidates among those given: a scan, for when there are not too many."""
        return self.reduced.nearest(self.project(query), rows, min(candidates, len(rows)))

    def rank(self, query: Floats, rows: Ints) -> tuple[Ints, Floats]:
        """Return candidates with their exact scores, best first."""
        places, scores = scan(taken(self.codes.codes, rows)).top(query, len(rows))
        return rows[places], scores


class _Desk(threading.local):
    """What a thread works with: FAISS' call, and where its outcome goes."""

    def __init__(self, ranking: faiss.IndexRefine, effort: Effort) -> None:
        count = effort.candidates // DEPTH
        self.rows, self.scores = np.empty(count, np.int64), np.empty(count, np.float32)
        self.search: Callable[..., None] = ranking.search_c  # type: ignore[attr-defined]  # not in FAISS' stubs
        places = faiss.swig_ptr(self.scores), faiss.swig_ptr(self.rows)
        self.rest = count, *places, _parameters(effort, None, DEPTH)


def build(
    codes: Codes,
    prompts: Floats,
    cells: int,
    most_values: int,
    progress: Callable[[str, float], None] = lambda done, part: None,
) -> Approximate:
    """Build the index over codes [n, dim], with all cores; nothing is held in memory as float32 but a sample.

    It is made for queries like the prompts, unit vectors [q, dim]. The effort it comes with looks everywhere;
    `tuning` finds a smaller one.
    """
    faiss.omp_set_num_threads(available_cpus())
    rng = np.random.default_rng(_SEED)
    sample = codes[np.sort(rng.choice(len(codes), min(_SAMPLE, len(codes)), replace=False))].astype(np.float32)
    axes = _Axes.of(sample, prompts, most_values)
    values = len(axes.queries)
    projection = faiss.LinearTransform(codes.shape[1], values, True)
    faiss.copy_array_to_vector(axes.queries.ravel(), projection.A)
    faiss.copy_array_to_vector(-(axes.queries @ axes.mean), projection.b)
    projection.is_trained = True
    quantizer = quantizer_for(axes.reduced(sample))
    places, reduced = np.empty((len(codes), values), np.float16), np.empty((len(codes), values), np.uint8)
    for begin in range(0, len(codes), _PORTION):
        some = axes.reduced(codes[begin : begin + _PORTION].astype(np.float32))
        places[begin : begin + _PORTION], reduced[begin : begin + _PORTION] = some, quantizer.compute_codes(some)
    progress(f"reduced to {values} values a segment", 0.2)

    centres = faiss.IndexFlatL2(values)
    # Two bytes a value where one would do: they are looked at a quarter faster, for there is nothing to scale.
    index = faiss.IndexIVFScalarQuantizer(centres, values, cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_L2, False)
    index.cp.niter = _ROUNDS
    index.cp.max_points_per_centroid = _PER_CELL
    index.cp.seed = _SEED
    learnt = rng.choice(len(codes), min(_PER_CELL * cells, len(codes)), replace=False)
    index.train(places[np.sort(learnt)].astype(np.float32))
    progress(f"{cells:,} cells found", 0.6)
    for begin in range(0, len(codes), _PORTION):
        index.add(places[begin : begin + _PORTION].astype(np.float32))
    progress("cells filled", 0.8)
    graph = faiss.IndexHNSWFlat(values, _LINKS)
    faiss.omp_set_num_threads(1)  # several would link in an order of chance
    graph.add(centres.reconstruct_n(0, cells))
    index.quantizer = graph
    kept: npt.NDArray[np.uint8] = faiss.serialize_index(faiss.IndexPreTransform(projection, index))
    return Approximate.of(scan(codes), Coarse.of(reduced, quantizer), kept, Effort(cells, len(codes)))


def _parameters(effort: Effort, selector: Selector | None, depth: int = 1) -> faiss.IndexRefineSearchParameters:
    # Given by name, each holds on to what it was given; FAISS' stubs do not know that.
    chain = faiss.SearchParametersPreTransform(index_params=_cells(effort, selector))  # type: ignore[call-arg]
    return faiss.IndexRefineSearchParameters(k_factor=depth, base_index_params=chain)  # type: ignore[call-arg]


def _cells(effort: Effort, selector: Selector | None) -> faiss.SearchParametersIVF:
    graph = faiss.SearchParametersHNSW(efSearch=_BREADTH * effort.probes)  # type: ignore[attr-defined]
    return faiss.SearchParametersIVF(  # type: ignore[call-arg]
        nprobe=effort.probes, sel=selector and selector.faiss, quantizer_params=graph
    )


@dataclass(frozen=True, eq=False)
class _Axes:
    """The axes [values, dim] of queries and those of segments, the mean of the segments, the square of their length."""

    queries: Floats
    segments: Floats
    mean: Floats
    length: float

    @classmethod
    def of(cls, sample: Floats, prompts: Floats, most: int) -> Self:
        mean = sample.mean(axis=0, dtype=np.float64)
        centred = sample - mean.astype(np.float32)
        covariance = (centred.T @ centred).astype(np.float64) / len(sample)
        values = min(most, _needed(covariance), sample.shape[1])
        asked = _ASKED * (prompts.T @ prompts) / len(prompts) + (1 - _ASKED) * (covariance + np.outer(mean, mean))
        weights, directions = np.linalg.eigh(asked)
        root = directions * np.sqrt(np.maximum(weights, 0.0)) @ directions.T
        own = np.linalg.qr(root @ _best(root @ covariance @ root, values - 1)[1])[0]
        variances, turn = _best(own.T @ covariance @ own, values - 1)
        own = own @ turn
        known = covariance @ own / (variances + _NONE)
        last = np.zeros((1, sample.shape[1]))
        axes = cls(
            np.concatenate([known.T, last]).astype(np.float32),
            np.concatenate([own.T, last]).astype(np.float32),
            mean.astype(np.float32),
            0.0,
        )
        return replace(axes, length=_LONGER * float(axes._lengths(axes._turned(sample)).max()))

    def reduced(self, segments: Floats) -> Floats:
        """Return segments [n, dim] as they are in few dimensions [n, values]."""
        values = self._turned(segments)
        values[:, -1] = np.sqrt(np.maximum(self.length - self._lengths(values), 0.0))
        return values

    def _turned(self, segments: Floats) -> Floats:
        turned: Floats = np.matmul(segments - self.mean, self.segments.T)
        return turned

    def _lengths(self, values: Floats) -> Floats:
        from_origin = values + self.queries @ self.mean
        lengths: Floats = np.einsum("nv,nv->n", from_origin, from_origin)
        return lengths


def _needed(covariance: npt.NDArray[np.float64]) -> int:
    """Return how many principal axes keep all but `_LOST` of the variance, in eights."""
    kept = np.cumsum(np.maximum(np.linalg.eigvalsh(covariance)[::-1], 0.0))
    return max(16, -(-(int(np.searchsorted(kept, (1 - _LOST) * kept[-1])) + 1) // 8) * 8)


def _best(symmetric: npt.NDArray[np.float64], count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the highest eigenvalues, highest first, and their vectors, a column each."""
    values, vectors = np.linalg.eigh(symmetric)
    return values[::-1][:count], vectors[:, ::-1][:, :count]
