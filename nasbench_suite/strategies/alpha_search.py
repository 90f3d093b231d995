"""What strategies have in common whose architecture is one real parameter for every operation: alpha."""

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.likeliest import MOST_TRIED, likeliest
from nasbench_suite.strategies.one_shot import OneShotError
from nasbench_suite.strategies.supernet_search import SupernetSearch


class AlphaSearch(SupernetSearch):
    """A search over the softmax of alpha, which learns with Adam.

    Attributes
    ----------
    alpha
        The parameters, `[n_genes, operations]`.
    exists
        Which of them stand for an operation, a mask `[n_genes, operations]`: genes may have fewer.
    alpha_optimizer
        What trains them.
    """

    alpha_learning_rate: float

    def draw_alpha(self, scale: float, betas: tuple[float, float], weight_decay: float) -> None:
        """Draw alpha from a normal distribution of that deviation, and make its optimiser.

        Parameters
        ----------
        scale
            Deviation of the initial parameters.
        betas, weight_decay
            Adam's.
        """
        cardinalities = self.space.cardinalities
        exists = torch.arange(max(cardinalities)) < torch.tensor(cardinalities)[:, None]
        self.exists = exists.to(self.device)
        self.alpha = (scale * torch.randn(exists.shape)).to(self.device).requires_grad_()
        self.alpha_optimizer = torch.optim.Adam(
            [self.alpha], lr=self.alpha_learning_rate, betas=betas, weight_decay=weight_decay
        )

    def masked_alpha(self, among: Tensor | None = None) -> Tensor:
        """Return alpha, minus infinity where there is no operation, or where a mask has none."""
        return self.alpha.masked_fill(~(self.exists if among is None else among), -torch.inf)

    def probabilities(self) -> Tensor:
        """Return the softmax of alpha over each gene's operations, `[n_genes, operations]`."""
        return self.masked_alpha().softmax(1)

    def choice_weights(self) -> Tensor:
        """Return the probabilities."""
        return self.probabilities()

    def derive(self) -> Genes:
        """Return the operation with the largest probability of every gene, uint8 `[n_genes]`.

        Under constraints it is the architecture whose operations are likeliest together, of those that keep
        to them.

        Raises
        ------
        OneShotError
            When none of the likeliest architectures does.
        """
        if self.admits is not None:
            found = likeliest(
                self.masked_alpha().log_softmax(1).detach().cpu().double().numpy(), self.space, self.admits
            )
            if found is None:
                raise OneShotError(
                    f"none of the {MOST_TRIED:,} likeliest architectures keeps to the constraints"
                )
            return found
        return self.probabilities().argmax(1).cpu().numpy().astype(np.uint8)
