"""Random search with shared weights: a supernet trained along random paths, then the best of random draws.

Li, Talwalkar: "Random Search and Reproducibility for Neural Architecture Search" (UAI 2019), section 3.2,
with the settings of NAS-Bench-201, which calls it RSPS.
"""

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.supernet_search import SupernetSearch
from nasbench_suite.training.choices import Gates, sampled_gates


class Rsps(SupernetSearch):
    """Every batch trains one architecture, drawn uniformly; after every epoch a few are judged.

    Attributes
    ----------
    candidates, last_candidates
        Architectures judged after an epoch, and after the last.
    judged_batch
        Validation inputs that each of them is judged by.
    chosen
        The best of the last ones, `[n_genes]`.
    """

    name = "rsps"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    candidates: int
    last_candidates: int
    judged_batch: int

    def prepare(self) -> None:
        """Make the optimiser; before any training the architecture is a random one."""
        super().prepare()
        self.chosen = self.path()

    def search_epoch(self) -> None:
        """Train the supernet for one epoch, then judge the candidates."""
        self.train_epoch()
        is_last = self.epoch + 1 == self.epochs
        self.chosen = self.best_of(self.last_candidates if is_last else self.candidates)

    def train_epoch(self) -> None:
        """Let every batch of an epoch train an architecture of its own."""
        self.set_rate()
        losses = [self.weight_step(sampled_gates(self.path()), *batch) for batch in self.train_batches()]
        self.require_finite(losses)

    def path(self) -> Genes:
        """Return an architecture drawn uniformly, `[n_genes]`."""
        row: Genes = self.space.sample(self.rng, 1)[0]
        return row

    def best_of(self, number: int) -> Genes:
        """Return the best of so many architectures drawn uniformly, `[n_genes]`."""
        rows = self.admitted(lambda wanted: self.space.sample(self.rng, wanted), number)
        return self.best_by_supernet(rows, self.valid_batches(self.judged_batch))

    def typical_gates(self) -> Gates:
        """Return the gates of an architecture drawn uniformly."""
        return sampled_gates(self.path())

    def derive(self) -> Genes:
        """Return the best architecture of the last judgement."""
        return self.chosen
