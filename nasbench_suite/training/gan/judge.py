"""Judges many generators at once by what a classifier sees in what they make."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nasbench_suite.training.gan.adversaries import Adversaries
from nasbench_suite.training.gan.classifier import Classifier
from nasbench_suite.training.gan.curves import SAMPLES
from nasbench_suite.training.gan.draws import judged_noise
from nasbench_suite.training.gan.recipe import GanRecipe
from nasbench_suite.training.gan.scores import Gaussian, Moments, fit_gaussian, frechet_distance

_NUMBERS = 2_560_000
"""Most numbers that the classifier sees at a time on CUDA, which bounds its memory."""
_NUMBERS_CPU = 80_000
"""The same on a CPU, where what it computes should stay in the cache."""
_LEAST_RANGE = 1e-4
"""Signals and images that differ by less in every place are the same."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """Scores of many models, float64 `[models]` each, on the CPU.

    Attributes
    ----------
    frechet_valid, frechet_test
        Frechet distances.
    inception
        Inception scores.
    collapsed
        Which generators make the same of all noise, bool.
    samples
        Some of what they make, float32 `[models, 8, channels, *size]`.
    """

    frechet_valid: Tensor
    frechet_test: Tensor
    inception: Tensor
    collapsed: Tensor
    samples: Tensor


class Judge:
    """Holds what is the same for all generators: noise, classifier, and the distribution of real features.

    Parameters
    ----------
    classifier
        On the device of the inputs.
    recipe
        Says how many signals or images are judged.
    valid, test
        Real ones, float32 `[n, channels, *size]`.
    """

    def __init__(self, classifier: Classifier, recipe: GanRecipe, valid: Tensor, test: Tensor):
        self._classifier, self._recipe = classifier, recipe
        self._real = [fit_gaussian(self._features(inputs)) for inputs in (valid, test)]
        self._shape = tuple(valid.shape[1:])
        self._noise = judged_noise(recipe).to(valid)

    @torch.no_grad()
    def silence(self) -> dict[str, float]:
        """Return the scores of a generator that makes nothing but zeros, by name: the worst that one gets.

        All of it lies in one point, so its distance is `|m1 - m2|^2 + tr(S2)` and its inception score 1.
        """
        zeros = self._noise.new_zeros(1, *self._shape)
        mean = self._features(zeros).double()
        point = Gaussian(mean, mean.new_zeros(1, mean.shape[1], mean.shape[1]))
        valid, test = (float(frechet_distance(point, real)) for real in self._real)
        return {"frechet_valid": valid, "frechet_test": test, "inception": 1.0}

    def _features(self, inputs: Tensor) -> Tensor:
        return torch.cat([self._classifier(part)[0] for part in torch.split(inputs, 1000)])

    @torch.no_grad()
    def __call__(self, adversaries: Adversaries) -> Judgement:
        """Judge all generators of a group."""
        weights = adversaries.judged_weights
        most = _NUMBERS if weights.device.type == "cuda" else _NUMBERS_CPU
        count = max(1, most // (self._recipe.judged_batch * math.prod(self._shape)))
        parts = [
            self._judge(adversaries, slice(start, start + count)) for start in range(0, len(weights), count)
        ]
        means, covariances, *others = (torch.cat(column) for column in zip(*parts, strict=True))
        made = Gaussian(means, covariances)
        distances = [frechet_distance(made, real) for real in self._real]
        return Judgement(*(part.cpu() for part in (*distances, *others)))

    def _judge(self, adversaries: Adversaries, models: slice) -> tuple[Tensor, ...]:
        weights = adversaries.judged_weights[models]
        generator = adversaries.generator.part(models)
        moments = Moments(len(weights), self._real[0].mean, self._classifier.classes)
        widest, samples = weights.new_zeros(len(weights)), weights.new_zeros(0)
        for noise in torch.split(self._noise.to(weights.dtype), self._recipe.judged_batch):
            made = generator.unfolded(generator(weights, noise), len(noise))
            widest = torch.maximum(widest, (made.amax(1) - made.amin(1)).flatten(1).amax(1))
            samples = made[:, :SAMPLES].float() if not len(samples) else samples
            features, likelihood = self._classifier(made.float().reshape(-1, *self._shape))
            shape = made.shape[:2]
            moments.add(features.view(*shape, -1), likelihood.view(*shape, -1))
        found = moments.gaussian()
        flat = widest < _LEAST_RANGE
        return found.mean, found.covariance, moments.inception_score(), flat, samples
