"""Random search: every proposal is drawn anew, uniformly over the space."""

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals, Strategy


class RandomSearch(Strategy):
    """The baseline that every strategy has to beat. Draws with replacement, as NAS-Bench-201 does."""

    name = "random_search"
    multi_objective = True

    def ask(self) -> Proposals:
        """Draw one architecture per run."""
        return Proposals(self.space.sample(self.rng, self.runs))

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Learn nothing."""
