"""The approximate index: cells in a space of few dimensions find candidates, the stored embeddings rank them.

    projection   the principal axes of the segments, as many as keep all but `_LOST` of their variance. Most
                 embeddings of emotion lie close to so few dimensions that distances there are nearly those of all
    cells        k-means in that space (FAISS IVF), those near a query found by a graph over their centres (HNSW);
                 a segment's place in its cell as float16
    reduced      every segment there as float16, in the order of the rows: what a filter leaves is scanned in it
    codes        the stored embeddings, mapped: candidates are scored with them, exactly

Distance in the space of few dimensions orders as the cosine does, since unit vectors have |q - x|^2 = 2 - 2 q.x and
what the projection drops is about the same for all. `probes` (cells looked into) and `candidates` are found by
`index.local.tuning` on text queries, which lie apart from all segments and so are the harder ones.

What it returns is scored to the last bit as the exact scan scores it. What it may do is miss a hit.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, NamedTuple, Self

import faiss
import numpy as np
import numpy.typing as npt

from encoders.sessions import available_cpus
from index.local.codes import Codes, Floats, Ints, Scan, Selector, scan, taken

_LOST: Final = 0.0015  # of the variance; .001 .. .002 are the knee: fewer axes need more candidates, more are slower
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
    reduced: Scan
    chain: faiss.IndexPreTransform
    ranking: faiss.IndexRefine
    cells: faiss.IndexIVFScalarQuantizer
    axes: Floats
    offset: Floats
    effort: Effort

    @classmethod
    def of(cls, codes: Scan, reduced: Codes, index: npt.NDArray[np.uint8], effort: Effort) -> Self:
        """Put one together from what a snapshot holds; `index` are the bytes of `serialized`."""
        chain = faiss.deserialize_index(index)  # it owns all the others, and has to outlive them
        assert isinstance(chain, faiss.IndexPreTransform)
        projection = faiss.downcast_VectorTransform(chain.chain.at(0))  # type: ignore[attr-defined]
        cells = faiss.downcast_index(chain.index)
        assert isinstance(projection, faiss.LinearTransform)
        assert isinstance(cells, faiss.IndexIVFScalarQuantizer)
        dim, values = projection.d_in, projection.d_out
        assert cells.metric_type == faiss.METRIC_L2
        assert (cells.ntotal, dim, values) == (len(codes.codes), codes.codes.shape[1], reduced.shape[1])
        axes = faiss.vector_to_array(projection.A).reshape(values, dim)
        # What candidates are ranked by is the score, whatever finds them; FAISS wants to be told that they agree.
        chain.metric_type = faiss.METRIC_INNER_PRODUCT
        return cls(
            codes,
            scan(reduced, faiss.METRIC_L2),
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

    def serialized(self) -> npt.NDArray[np.uint8]:
        """Return projection and cells as bytes to be kept."""
        serialized: npt.NDArray[np.uint8] = faiss.serialize_index(self.chain)
        return serialized

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

        Where there are no more, rows are -1.
        """
        # What is asked most. FAISS' own wrapper would check and prepare anew what is the same for every query.
        search, count, parameters = self._prepared
        query = np.ascontiguousarray(query, np.float32)
        scores, rows = np.empty(count, np.float32), np.empty(count, np.int64)
        search(1, faiss.swig_ptr(query), count, faiss.swig_ptr(scores), faiss.swig_ptr(rows), parameters)
        return rows, scores

    @cached_property
    def _prepared(self) -> tuple[Callable[..., None], int, faiss.IndexRefineSearchParameters]:
        search: Any = self.ranking.search_c  # type: ignore[attr-defined]  # not in FAISS' stubs
        return search, self.effort.candidates // DEPTH, _parameters(self.effort, None, DEPTH)

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
        near = scan(taken(self.reduced.codes, rows), faiss.METRIC_L2)
        places, _ = near.top(self.project(query), min(candidates, len(rows)))
        return rows[places]

    def rank(self, query: Floats, rows: Ints) -> tuple[Ints, Floats]:
        """Return candidates with their exact scores, best first."""
        places, scores = scan(taken(self.codes.codes, rows)).top(query, len(rows))
        return rows[places], scores


def build(
    codes: Codes, cells: int, most_values: int, progress: Callable[[str, float], None] = lambda done, part: None
) -> Approximate:
    """Build the index over codes [n, dim], with all cores; nothing is held in memory as float32 but a sample.

    The effort it comes with looks everywhere; `tuning` finds a smaller one.
    """
    faiss.omp_set_num_threads(available_cpus())
    rng = np.random.default_rng(_SEED)
    sample = codes[np.sort(rng.choice(len(codes), min(_SAMPLE, len(codes)), replace=False))].astype(np.float32)
    axes, mean = _principal(sample, most_values)
    values = len(axes)
    projection = faiss.LinearTransform(codes.shape[1], values, True)
    faiss.copy_array_to_vector(axes.ravel(), projection.A)
    offset = -(axes @ mean)
    faiss.copy_array_to_vector(offset, projection.b)
    projection.is_trained = True
    reduced = np.empty((len(codes), values), np.float16)
    for begin in range(0, len(codes), _PORTION):
        reduced[begin : begin + _PORTION] = codes[begin : begin + _PORTION].astype(np.float32) @ axes.T + offset
    progress(f"reduced to {values} values a segment", 0.2)

    centres = faiss.IndexFlatL2(values)
    # Two bytes a value where one would do: they are looked at a quarter faster, for there is nothing to scale.
    index = faiss.IndexIVFScalarQuantizer(centres, values, cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_L2, False)
    index.cp.niter = _ROUNDS
    index.cp.max_points_per_centroid = _PER_CELL
    index.cp.seed = _SEED
    learnt = rng.choice(len(codes), min(_PER_CELL * cells, len(codes)), replace=False)
    index.train(reduced[np.sort(learnt)].astype(np.float32))
    progress(f"{cells:,} cells found", 0.6)
    for begin in range(0, len(codes), _PORTION):
        index.add(reduced[begin : begin + _PORTION].astype(np.float32))
    progress("cells filled", 0.8)
    graph = faiss.IndexHNSWFlat(values, _LINKS)
    faiss.omp_set_num_threads(1)  # several would link in an order of chance
    graph.add(centres.reconstruct_n(0, cells))
    index.quantizer = graph
    whole: npt.NDArray[np.uint8] = faiss.serialize_index(faiss.IndexPreTransform(projection, index))
    return Approximate.of(scan(codes), reduced, whole, Effort(cells, len(codes)))


def _parameters(effort: Effort, selector: Selector | None, depth: int = 1) -> faiss.IndexRefineSearchParameters:
    # Given by name, each holds on to what it was given; FAISS' stubs do not know that.
    chain = faiss.SearchParametersPreTransform(index_params=_cells(effort, selector))  # type: ignore[call-arg]
    return faiss.IndexRefineSearchParameters(k_factor=depth, base_index_params=chain)  # type: ignore[call-arg]


def _cells(effort: Effort, selector: Selector | None) -> faiss.SearchParametersIVF:
    graph = faiss.SearchParametersHNSW(efSearch=_BREADTH * effort.probes)  # type: ignore[attr-defined]
    return faiss.SearchParametersIVF(  # type: ignore[call-arg]
        nprobe=effort.probes, sel=selector and selector.faiss, quantizer_params=graph
    )


def _principal(sample: Floats, most: int) -> tuple[Floats, Floats]:
    """Return the principal axes [values, dim] that keep all but `_LOST` of the variance, and the mean [dim]."""
    mean = sample.mean(axis=0, dtype=np.float64)
    centred = sample - mean.astype(np.float32)
    variances, vectors = np.linalg.eigh(centred.T.astype(np.float32) @ centred)
    kept = np.cumsum(np.maximum(variances[::-1], 0.0), dtype=np.float64)
    needed = int(np.searchsorted(kept, (1 - _LOST) * kept[-1])) + 1
    values = min(most, max(16, -(-needed // 8) * 8), sample.shape[1])
    return np.ascontiguousarray(vectors[:, ::-1][:, :values].T, np.float32), mean.astype(np.float32)
