"""What generated signals are worth: the Frechet distance to real ones, and the inception score.

Heusel et al.: "GANs Trained by a Two Time-Scale Update Rule" (NeurIPS 2017), equation 6; Salimans et
al.: "Improved Techniques for Training GANs" (NeurIPS 2016), section 4. Ours: features and likelihoods
are those of a classifier of signals (`classifier.py`) in place of Inception's, and the score is that of
all signals at once, not of ten parts.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

_PER_TASK = 64
"""Matrices whose eigenvalues one thread finds at a time."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Normal distributions, float64.

    Attributes
    ----------
    mean
        `[..., d]`.
    covariance
        `[..., d, d]`.
    """

    mean: Tensor
    covariance: Tensor


class Moments:
    """Adds up features and likelihoods of many models, batch after batch, in double precision.

    Parameters
    ----------
    models
        How many.
    centre
        What is subtracted of features before their products are added, `[d]`: a mean near theirs keeps
        the difference of large numbers small.
    classes
        How many there are.
    """

    def __init__(self, models: int, centre: Tensor, classes: int):
        self._centre = centre.double()
        d = len(centre)
        self._sum, self._products = (self._centre.new_zeros(models, *shape) for shape in ((d,), (d, d)))
        self._share, self._negative_entropy = (
            self._centre.new_zeros(models, *shape) for shape in ((classes,), ())
        )
        self._n = 0

    def add(self, features: Tensor, log_likelihood: Tensor) -> None:
        """Take in features `[models, n, d]` and log likelihoods `[models, n, classes]`."""
        centred = features.double() - self._centre
        self._sum += centred.sum(1)
        self._products.baddbmm_(centred.mT, centred)
        wide = log_likelihood.double()
        likelihood = wide.exp()
        self._share += likelihood.sum(1)
        self._negative_entropy += torch.xlogy(likelihood, likelihood).sum((1, 2))
        self._n += features.shape[1]

    def gaussian(self) -> Gaussian:
        """Return the normal distributions with the same means and (unbiased) covariances."""
        mean = self._sum / self._n
        outer = mean[:, :, None] * mean[:, None] * self._n
        return Gaussian(mean + self._centre, (self._products - outer) / (self._n - 1))

    def inception_score(self) -> Tensor:
        """Return `exp(E KL(p(y|x) || p(y)))`, `[models]`: 1 to the number of classes."""
        share = self._share / self._n
        entropy = torch.xlogy(share, share).sum(1)
        return (self._negative_entropy / self._n - entropy).exp()


def fit_gaussian(features: Tensor) -> Gaussian:
    """Return mean and (unbiased) covariance of features `[n, d]`."""
    wide = features.double()
    return Gaussian(wide.mean(0), torch.cov(wide.T))


def inception_score(log_likelihood: Tensor) -> Tensor:
    """Return the inception score of log likelihoods `[models, n, classes]`: float64 `[models]`."""
    models, n, classes = log_likelihood.shape
    moments = Moments(models, log_likelihood.new_zeros(1), classes)
    moments.add(log_likelihood.new_zeros(models, n, 1), log_likelihood)
    return moments.inception_score()


def frechet_distance(made: Gaussian, real: Gaussian) -> Tensor:
    """Return `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))` to one distribution, float64 `[models]`.

    The trace of the root is the sum of the roots of the eigenvalues of `S2^(1/2) S1 S2^(1/2)`, which is
    symmetric. A distribution that has a value that is no number is at the distance NaN.

    Parameters
    ----------
    made
        Means `[models, d]` and covariances `[models, d, d]`.
    real
        One mean `[d]` and covariance `[d, d]`.
    """
    finite = made.mean.isfinite().all(1) & made.covariance.isfinite().all(2).all(1)
    covariance = torch.where(finite[:, None, None], made.covariance, 0.0)
    root = _root(real.covariance)
    inner = root @ covariance @ root
    roots = _eigenvalues((inner + inner.mT) / 2).clamp(min=0).sqrt().sum(1).to(made.mean)
    traces = covariance.diagonal(dim1=1, dim2=2).sum(1) + real.covariance.trace()
    distance = (made.mean - real.mean).square().sum(1) + traces - 2 * roots
    return torch.where(finite, distance.clamp(min=0), torch.nan)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix.cpu())
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.mT
    return root.to(matrix.device)


def _eigenvalues(matrices: Tensor) -> Tensor:
    """Return the eigenvalues of symmetric matrices, on the CPU: devices find them one matrix at a time."""
    parts = torch.split(matrices.cpu(), _PER_TASK)
    with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1)) as threads:
        return torch.cat(list(threads.map(torch.linalg.eigvalsh, parts)))
