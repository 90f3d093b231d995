"""What strategies have in common that train weights which all architectures share: epochs, the bill, an end.

Every epoch the strategy bills its seconds (processor seconds on a CPU, where it computes on one thread) and
proposes the architecture that it would end with now; the table's results are for the record.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.single_run import SingleRunStrategy
from nasbench_suite.training.threads import one_thread

RANKED = 200
"""Architectures whose worth with the shared weights is kept, to be held against the table."""
RANKED_SEED = 0
_MOST_DRAWS = 200
"""How often candidates are drawn before the search gives up to find some that keep to constraints."""


class OneShotError(Exception):
    """A loss became no number, or nothing keeps to the constraints; ends the run, not the job."""


class OneShotSearch(SingleRunStrategy):
    """One search that trains one set of shared weights.

    A subclass says what it needs (`prepare`), what an epoch is (`search_epoch`), which architecture it
    stands for (`derive`) and after how many it ends (`last_epoch`).

    Attributes
    ----------
    epoch
        Epochs done.
    """

    trains = True
    uses_results = False

    def setup(self) -> None:
        """Prepare everything; initial weights are the run's own."""
        self.epoch = 0
        try:
            with self.seeded():
                self.prepare()
            self._row = self.derive()
        except OneShotError as failure:
            self.ending = str(failure)
            self._row = self.space.sample(np.random.default_rng(0), 1)[0]

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where everything is computed."""

    @abstractmethod
    def prepare(self) -> None:
        """Draw weights and make optimisers."""

    @abstractmethod
    def search_epoch(self) -> None:
        """Train for one epoch; `self.epoch` is its number, from 0."""

    @abstractmethod
    def derive(self) -> Genes:
        """Return the architecture that the search would end with now, uint8 `[n_genes]`."""

    @abstractmethod
    def last_epoch(self) -> int:
        """Return the number of epochs after which the search has ended."""

    def take_notes(self) -> None:  # optional
        """Note what `findings` will need, after every epoch; it is not billed."""

    def propose(self) -> Genes:
        """Train for one epoch and return the architecture derived from it."""
        if self.ending:
            self.billed_seconds = 0.0
            return self._row
        started = self._clock()
        with self.computing():
            try:
                self.search_epoch()
                self._row = self.derive()
            except OneShotError as failure:
                self.ending = f"{failure} in epoch {self.epoch + 1}"
        self.billed_seconds = self._clock() - started
        self.epoch += 1
        self.take_notes()
        if not self.ending and self.epoch >= self.last_epoch():
            self.ending = f"all {self.epoch} epochs are done"
        return self._row

    def observe(self, genes: Genes, score: float) -> None:
        """Do nothing: the search has results of its own."""

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute on one thread, or with algorithms that give the same numbers again."""
        if self.device.type == "cpu":
            with one_thread():
                yield
        else:
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
                yield

    def _clock(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Let PyTorch's generator draw what follows from the run's own, and leave it as it was."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int(self.rng.integers(2**62)))
            yield

    def uniform(self, *shape: int) -> Tensor:
        """Return uniform numbers in [0, 1) from the run's generator, float32 on the device."""
        return torch.from_numpy(self.rng.random(shape, dtype=np.float32)).to(self.device)

    def admitted(self, draw: Callable[[int], Genes], number: int) -> Genes:
        """Return `number` architectures that keep to the constraints, drawn until there are so many.

        Fewer where they are rare.

        Raises
        ------
        OneShotError
            When there is none.
        """
        if self.admits is None:
            return draw(number)
        rows = self.space.sample(self.rng, 0)
        for _ in range(_MOST_DRAWS):
            drawn = draw(number)
            rows = np.concatenate([rows, drawn[self.admits(drawn)]])
            if len(rows) >= number:
                break
        if not len(rows):
            raise OneShotError(f"none of {number * _MOST_DRAWS} architectures keeps to the constraints")
        return rows[:number]

    def ranked_genes(self) -> Genes:
        """Return architectures drawn at random, the same in all runs and strategies: `[RANKED, n_genes]`."""
        return self.space.sample(np.random.default_rng(RANKED_SEED), RANKED)
