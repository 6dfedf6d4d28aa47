"""The embeddings of many texts: asked for, kept in `prompt_embeddings`, and brought together in one matrix.

The matrix lies in a file without a name, beside the tables, so that memory need not hold the vectors of a million
prompts, however long they are. Belongs here: that way from texts to vectors. Does not belong here: how the endpoint is
asked (`generation`), and what the vectors are used for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from dagster_project.curation.topics_vectors import of_length_one, portions
from dagster_project.errors import SteerworksError
from dagster_project.generation import Embedding, Progress, Purse, embed
from dagster_project.identity import digest
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import ModelsFile

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from dagster_project.curation.topics_vectors import Vectors

ROWS_AT_ONCE = 2_000


Take = Callable[[str, Embedding], None]
"""Takes a prompt id and the prompt's embedding."""


def vectors_of_embeddings(
    lake: Lake,
    models: ModelsFile,
    slug: str,
    batch: str,
    texts: Mapping[str, str],
    waiting: Collection[str],
    progress: Progress,
    purse: Purse,
) -> Vectors:
    """Return a vector of length 1 for each text, in order; zeros for a text that the endpoint refuses.

    From each embedding the mean is taken away, for what all of them share says nothing: the mean over those that are
    not waiting or, if there are none, over all.

    Args:
        lake: whose journals are read and written, and which takes the embeddings of those that wait.
        models: endpoints and models.
        slug: the embedding model.
        batch: the batch of those that wait.
        texts: by prompt id; those that wait come last, in order of their ids.
        waiting: prompt ids whose embeddings are new to the lake.
        progress: told after each answer.
        purse: the run's money.

    Raises:
        UnfinishedError: some have no embedding yet.
        SteerworksError: the model cannot be asked, or gave vectors of several lengths.
    """
    matrix = _Matrix(texts, lake.root / "topics")
    with _stored(lake, batch, slug, waiting) as store:

        def take(prompt: str, embedding: Embedding) -> None:
            matrix.take(prompt, embedding)
            if prompt in waiting:
                store(prompt, embedding)

        embed(lake, models, slug, batch, texts, progress, purse, take)
    if len(matrix.lengths) > 1:
        raise SteerworksError(
            f"model `{slug}` gave vectors of {' and '.join(map(str, sorted(matrix.lengths)))} numbers: its weights are "
            "others now. Give it another `revision` in models.yaml, and run again."
        )
    return matrix.centred(len(texts) - len(waiting))


class _Matrix:
    """A row for each text, in a file in a folder; its width is that of the first vector."""

    def __init__(self, texts: Mapping[str, str], folder: Path) -> None:
        import numpy as np  # noqa: PLC0415 - loads slowly

        self.lengths: set[int] = set()
        self._rows = {prompt: row for row, prompt in enumerate(texts)}
        self._given: npt.NDArray[np.bool_] = np.zeros(len(texts), dtype=bool)
        self._vectors: Vectors = np.zeros((len(texts), 1), dtype=np.float32)
        self._folder = folder

    def take(self, prompt: str, embedding: Embedding) -> None:
        """Put a vector into its row."""
        if embedding.vector is None:
            return
        if not self.lengths:
            self._vectors = self._in_file(len(embedding.vector))
        self.lengths.add(len(embedding.vector))
        if len(self.lengths) == 1:
            row = self._rows[prompt]
            self._vectors[row], self._given[row] = embedding.vector, True

    def centred(self, reference: int) -> Vectors:
        """Take the mean over the first so many rows, or over all if that is 0, from each; return all, of length 1."""
        measured = self._given.copy()
        if reference and measured[:reference].any():
            measured[reference:] = False
        mean = self._mean(measured)
        for some in portions(len(self._vectors)):
            centred = of_length_one(self._vectors[some] - mean)
            centred[~self._given[some]] = 0
            self._vectors[some] = centred
        return self._vectors

    def _mean(self, measured: npt.NDArray[np.bool_]) -> Vectors:
        import numpy as np  # noqa: PLC0415 - loads slowly

        total = np.zeros(self._vectors.shape[1])
        if (count := int(measured.sum())) < 2:
            return total.astype(np.float32)
        for some in portions(len(self._vectors)):
            total += self._vectors[some][measured[some]].sum(axis=0, dtype=np.float64)
        return (total / count).astype(np.float32)

    def _in_file(self, length: int) -> Vectors:
        import numpy as np  # noqa: PLC0415 - loads slowly

        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            return np.memmap(file, np.float32, "w+", shape=(len(self._rows), length))


@contextmanager
def _stored(lake: Lake, batch: str, slug: str, waiting: Collection[str]) -> Iterator[Take]:
    """Give a function that adds embeddings to `prompt_embeddings`, as one part; it is there when the block ends."""
    part = digest([[prompt] for prompt in waiting])[:20]
    with lake.adding("prompt_embeddings", {"prompt_batch": batch}, part) as write:
        held: list[tuple[str, Embedding]] = []

        def take(prompt: str, embedding: Embedding) -> None:
            held.append((prompt, embedding))
            if len(held) == ROWS_AT_ONCE:
                write(_rows(batch, slug, held))
                held.clear()

        yield take
        write(_rows(batch, slug, held))


def _rows(batch: str, slug: str, embeddings: Sequence[tuple[str, Embedding]]) -> pa.Table:
    prompts, known = [prompt for prompt, _ in embeddings], [embedding for _, embedding in embeddings]
    columns = {
        "prompt_batch": [batch] * len(known),
        "prompt_id": prompts,
        "request_hash": [one.request_hash for one in known],
        "embedding_model": [slug] * len(known),
        "vector": [one.vector for one in known],
        "reason": [one.reason for one in known],
    }
    return pa.Table.from_pydict(columns, TABLES["prompt_embeddings"].schema)
