"""A strategy of one's own in a few lines.

nasbench-suite search graph/cora --strategy examples/climber.py:Climber --runs 100 --evaluations 500
"""

from nasbench_suite import SingleRunStrategy


class Climber(SingleRunStrategy):
    """Changes the best architecture so far; starts anew after a while without luck."""

    patience: int = 50

    def setup(self):
        self.best, self.idle = None, 0

    def propose(self):
        if self.best is None or self.idle > self.patience:
            self.best, self.idle = None, 0
            return self.space.sample(self.rng, 1)[0]
        return self.space.mutate(self.rng, self.best[1][None])[0]

    def observe(self, genes, score):
        self.idle += 1
        if self.best is None or score > self.best[0]:
            self.best, self.idle = (score, genes), 0
