"""Tasks so small that a shared GAN learns on them for a second."""

from functools import lru_cache

from supernet_tasks import FEW

from nasbench_suite.strategies import autogan, one_shot
from nasbench_suite.training.data import load_data
from nasbench_suite.training.gan.classifier import classifier_path, load_classifier
from nasbench_suite.training.gan.recipe import GanRecipe
from nasbench_suite.training.gan.setting import GanSetting

QUICK = {
    "first_stage": 2,
    "second_stage": 1,
    "third_stage": 1,
    "shared_epochs": 1,
    "controller_steps": 2,
    "candidates": 3,
    "beam_size": 2,
    "width": 5,
    "judged": 20,
}
"""Settings with which AutoGAN does what it does in little time."""


def rank_few():
    """Let searches of this process rank few architectures, by few signals, when they are over."""
    one_shot.RANKED, autogan.RANKED_BY = FEW, 20


@lru_cache
def tiny_gan_setting(space="gan_two_cells"):
    """Return how generators of a space are trained on 64 signals."""
    recipe = GanRecipe(
        *("tiny", "made up"),
        steps=8,
        batch=16,
        channels=3,
        latent=2,
        critic_channels=4,
        generator_rate=2e-3,
        critic_rate=2e-3,
        checkpoints=1,
        judged=20,
        judged_batch=20,
    )
    data = load_data("mnist1d", train=64, valid=70, test=70)
    return GanSetting(space, data, recipe, load_classifier(classifier_path("mnist1d")))
