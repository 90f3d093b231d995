"""AutoGAN: generators grow cell by cell; a controller for each stage, shared weights, a beam.

Gong et al.: "AutoGAN: Neural Architecture Search for Generative Adversarial Networks" (ICCV 2019), section 3.
"""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.cell_controller import Beam, CellController, Draws
from nasbench_suite.strategies.one_shot import OneShotError, OneShotSearch
from nasbench_suite.training.gan.generator import gan_space
from nasbench_suite.training.gan.setting import GanSetting
from nasbench_suite.training.gan.shared import SharedGan

Losses = tuple[float, float]
RANKED_BY = 1000
"""Signals or images by which architectures are judged that are held against the table."""


class AutoGan(OneShotSearch):
    """Every epoch of the search the shared weights learn, then the controller by REINFORCE.

    What is proposed is the best generator that the controller has drawn in the epoch. As long as cells are
    missing they are made like the last one that is there, without skip-ins: that is for the record.

    Attributes
    ----------
    gan
        The shared weights.
    depth
        Cells that generators have now.
    beam
        What they begin with: the best of the stages before.
    controller, controller_optimizer
        The policy over the last cell, and what trains it.
    losses
        Of the last steps, generator's and discriminator's.
    resets
        Epochs at whose end the shared weights were drawn again.
    """

    name = "autogan"
    first_stage: int
    second_stage: int
    third_stage: int
    shared_epochs: int
    controller_steps: int
    learning_rate: float
    beta1: float
    beta2: float
    width: int
    entropy_weight: float
    baseline_decay: float
    candidates: int
    beam_size: int
    judged: int
    reset_threshold: float
    reset_window: int
    judged_by: str

    def setup(self) -> None:
        """Draw the shared weights; the first controller.

        Raises
        ------
        NasbenchSuiteError
            When the task has no generators, or the beam is larger than what it is chosen from.
        """
        if not isinstance(self.training, GanSetting):
            raise NasbenchSuiteError(
                f"autogan searches generators of GANs, and the architectures of {self.space.name} are none; "
                "take gan/mnist1d or training:gan/fashion_mnist."
            )
        if self.beam_size > self.candidates:
            raise NasbenchSuiteError(
                f"beam_size {self.beam_size} is more than the candidates {self.candidates} that it is chosen "
                "from; give at most as many."
            )
        super().setup()

    @property
    def setting(self) -> GanSetting:
        """How generators of the task are trained."""
        assert isinstance(self.training, GanSetting)
        return self.training

    @property
    def device(self) -> torch.device:
        """Where the data lie."""
        return self.setting.data.inputs.device

    def prepare(self) -> None:
        """Draw the shared weights and the first controller."""
        space = gan_space(self.space.name)
        self.cell_genes = [part.shape[1] for part in space.cells(space.decode(np.zeros(1, dtype=np.int64)))]
        self.resets: list[int] = []
        self.beam = Beam.empty(self.width)
        self.depth = 0
        first = self.admitted(lambda n: self.space.sample(self.rng, n), 1)[0]
        self._best: tuple[float, Genes] = (-np.inf, first)
        self._draw_gan()
        self._grow()

    def last_epoch(self) -> int:
        """Return the epochs of all stages."""
        return sum(self._stages)

    @property
    def _stages(self) -> tuple[int, ...]:
        """How many epochs there are with one cell, with two, ..."""
        return (self.first_stage, self.second_stage, self.third_stage)[: len(self.cell_genes)]

    def search_epoch(self) -> None:
        """Grow if it is time, train the shared weights, then the controller; choose in the last epoch."""
        if self.epoch == sum(self._stages[: self.depth]):
            with self.seeded():
                self.beam = self.chosen()
                self._grow()
        flat = self.train_shared()
        self._best = (-np.inf, self._best[1])
        self.train_controller()
        if self.epoch + 1 == self.last_epoch():
            self._best = (np.inf, self._row_of(self.chosen()))
        elif flat:
            self.resets.append(self.epoch)
            with self.seeded():
                self._draw_gan()

    def derive(self) -> Genes:
        """Return the best generator of the epoch."""
        _, row = self._best
        return row

    def _draw_gan(self) -> None:
        self.gan = SharedGan(self.setting, int(self.rng.integers(2**31)))
        window = self.reset_window
        self.losses: tuple[deque[float], deque[float]] = deque(maxlen=window), deque(maxlen=window)

    def _grow(self) -> None:
        """Add a cell, with a new controller that continues the beam."""
        start = sum(self.cell_genes[: self.depth])
        self.depth += 1
        limits = self.space.cardinalities[start : start + self.cell_genes[self.depth - 1]]
        self.controller = CellController(limits, self.width)
        self.controller_optimizer = torch.optim.Adam(
            self.controller.parameters(), lr=self.learning_rate, betas=(self.beta1, self.beta2)
        )

    def drawn(self, n: int) -> Draws:
        """Draw generators, each from a random member of the beam."""
        starts = self.beam.take(torch.from_numpy(self.rng.integers(len(self.beam), size=n)))
        uniform = torch.from_numpy(self.rng.random((n, self.cell_genes[self.depth - 1]), dtype=np.float32))
        return self.controller.draw(starts, uniform)

    # -- the shared weights ----------------------------------------------------------------------

    def train_shared(self) -> bool:
        """Train the shared weights, every step another generator; stop and tell when losses stand still.

        Raises
        ------
        OneShotError
            When a loss is no number.
        """
        recipe, count = self.setting.recipe, len(self.setting.data.train)
        for _ in range(self.shared_epochs * max(1, count // recipe.batch)):
            with torch.no_grad():
                row = self._rows(self.drawn(1).ends)[0]
            shape = (recipe.critic_steps, recipe.batch)
            noise = self.rng.standard_normal((*shape, recipe.latent), dtype=np.float32)
            real = torch.from_numpy(self.rng.integers(count, size=shape))
            drawn = torch.from_numpy(noise).to(self.device), real.to(self.device)
            self._note(self.gan.step(row, self.depth, *drawn))
            if self._stand_still():
                for window in self.losses:
                    window.clear()
                return True
        return False

    def _note(self, losses: Losses) -> None:
        for window, loss in zip(self.losses, losses, strict=True):
            if not np.isfinite(loss):
                raise OneShotError(f"the loss became {loss}")
            window.append(loss)

    def _stand_still(self) -> bool:
        """Tell whether the losses of a full window vary less than the threshold, on either side."""
        if len(self.losses[0]) < self.reset_window:
            return False
        return min(float(np.var(window)) for window in self.losses) < self.reset_threshold

    # -- the controller --------------------------------------------------------------------------

    def train_controller(self) -> None:
        """Take steps of REINFORCE with one generator each; the baseline starts anew every epoch."""
        baseline: float | None = None
        for _ in range(self.controller_steps):
            draws = self.drawn(1)
            worth = self.worth(self._rows(draws.ends)[0])
            self._remember(worth, draws.ends)
            reward = worth + self.entropy_weight * float(draws.entropy)
            baseline = moved(baseline, reward, self.baseline_decay)
            loss = -(reward - baseline) * draws.log_probability.sum()
            self.controller_optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.controller_optimizer.step()

    def worth(self, row: Genes, count: int = 0) -> float:
        """Return what a generator is worth with the shared weights; larger is better.

        Its inception score, or the negative logarithm of its Fréchet distance to validation inputs; over
        `count` that it makes, `judged` for 0.

        Raises
        ------
        OneShotError
            When it is no number.
        """
        judged = self.gan.judge(row, self.depth, count or self.judged)
        worth = judged.inception if self.judged_by == "inception" else -judged.frechet_valid.log()
        if not torch.isfinite(worth).all():
            raise OneShotError(f"a generator's score became {float(worth)}")
        return float(worth)

    def chosen(self) -> Beam:
        """Return the best of candidates from the controller, best first."""
        with torch.no_grad():
            ends = self._candidates()
        worth = np.array([self.worth(row) for row in self._rows(ends)])
        best = np.argsort(-worth, kind="stable")[: self.beam_size]
        return ends.take(torch.from_numpy(best))

    def _candidates(self) -> Beam:
        """Draw the candidates; once all cells are there, they keep to the constraints."""
        if self.depth < len(self.cell_genes) or self.admits is None:
            return self.drawn(self.candidates).ends
        known: dict[bytes, Beam] = {}

        def draw(n: int) -> Genes:
            ends = self.drawn(n).ends
            rows = self._rows(ends)
            known.update({row.tobytes(): ends.take(torch.tensor([i])) for i, row in enumerate(rows)})
            return rows

        found = [known[row.tobytes()] for row in self.admitted(draw, self.candidates)]
        parts = zip(*((one.rows, one.hidden, one.cell) for one in found), strict=True)
        return Beam(*(torch.cat(part) for part in parts))

    def _remember(self, worth: float, ends: Beam) -> None:
        row = self._row_of(ends)
        if worth > self._best[0] and (self.admits is None or self.admits(row[None])[0]):
            self._best = (worth, row)

    def _row_of(self, ends: Beam) -> Genes:
        row: Genes = self._rows(ends)[0]
        return row

    def _rows(self, ends: Beam) -> Genes:
        """Return all genes, uint8 `[n, n_genes]`: missing cells are like the last, without skip-ins."""
        rows = ends.rows.numpy().astype(np.uint8)
        own = sum(self.cell_genes[: self.depth - 1])
        like = rows[:, own : own + self.cell_genes[0]]
        missing = [
            np.pad(like, ((0, 0), (0, genes - like.shape[1]))) for genes in self.cell_genes[self.depth :]
        ]
        return np.concatenate([rows, *missing], axis=1)

    # -- what it has found -----------------------------------------------------------------------

    def findings(self) -> dict[str, NDArray[np.generic]]:
        """Return what the shared weights make of architectures drawn at random, and what they hold.

        `supernet_genes` `[RANKED, n_genes]`, `supernet_accuracy` `[RANKED]`: their worth (see `worth`), with
        all cells; `step_bytes`, see `SharedGan`; `resets`: how often the shared weights
        were drawn again.
        """
        genes = self.ranked_genes()
        depth, self.depth = self.depth, len(self.cell_genes)
        with self.computing():
            worth = np.array([self._worth_or_nan(row) for row in genes])
        self.depth = depth
        return {
            "supernet_genes": genes,
            "supernet_accuracy": worth,
            "step_bytes": np.array(self.gan.step_bytes(genes[0]), dtype=np.int64),
            "resets": np.array(len(self.resets), dtype=np.int64),
        }

    def _worth_or_nan(self, row: Genes) -> float:
        try:
            return self.worth(row, RANKED_BY)
        except OneShotError:
            return float("nan")


def moved(baseline: float | None, reward: float, decay: float) -> float:
    """Return the moving average of rewards, which begins at the first one."""
    return reward if baseline is None else decay * baseline + (1 - decay) * reward
