"""How generators and discriminators are trained and judged."""

from collections.abc import Mapping
from dataclasses import dataclass

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError


@dataclass(frozen=True)
class GanRecipe:
    """One way to train a generator against its discriminator, with the hinge loss and Adam.

    Attributes
    ----------
    name
        What `get_gan_recipe` answers to.
    source
        Where the settings come from, and which are ours.
    steps
        Steps of the generator.
    critic_steps
        Steps of the discriminator before each of the generator's; the last of them has the same noise.
    batch
        Signals or images per step: as many real ones as generated ones.
    channels, latent
        Channels of every cell of the generator, and numbers that it starts from.
    critic_channels
        Channels of the discriminator's first layer, of which the others have twice as many.
    critic_gain
        What every activation of the discriminator is multiplied by: spectral normalisation bounds what a
        layer can do at most, and what it does to most inputs is far less, so that without a gain scores
        are small.
    generator_rate, critic_rate
        Learning rates at the start.
    decay
        Whether both fall linearly to zero.
    betas, epsilon
        Of Adam.
    average
        Share of the past in the moving average of the generator's weights, which is what is judged.
    checkpoints
        How often generators are judged, at equal distances, the last time at the end.
    judged, judged_batch
        Signals or images that a judgement generates, and how many at a time, over which batch normalisation
        takes its statistics.

    Raises
    ------
    NasbenchSuiteError
        When a number is not above zero, the average not in [0, 1), or the parts do not divide.
    """

    name: str
    source: str
    steps: int
    critic_steps: int = 1
    batch: int = 64
    channels: int = 16
    latent: int = 32
    critic_channels: int = 16
    critic_gain: float = 2.0
    generator_rate: float = 2e-4
    critic_rate: float = 2e-4
    decay: bool = True
    betas: tuple[float, float] = (0.0, 0.9)
    epsilon: float = 1e-8
    average: float = 0.0
    checkpoints: int = 8
    judged: int = 5000
    judged_batch: int = 500

    def __post_init__(self) -> None:
        for name in (
            *("steps", "critic_steps", "batch", "channels", "latent", "critic_channels", "critic_gain"),
            *("generator_rate", "critic_rate", "epsilon", "checkpoints", "judged", "judged_batch"),
        ):
            if not getattr(self, name) > 0:
                raise NasbenchSuiteError(f"a GAN recipe's {name} must be above 0, not {getattr(self, name)}.")
        for name, share in (
            ("average", self.average),
            ("betas", min(self.betas)),
            ("betas", max(self.betas)),
        ):
            if not 0 <= share < 1:
                raise NasbenchSuiteError(f"a GAN recipe's {name} must be in [0, 1), not {share}.")
        for whole, part in (("steps", "checkpoints"), ("judged", "judged_batch")):
            if getattr(self, whole) % getattr(self, part):
                raise NasbenchSuiteError(
                    f"a GAN recipe's {whole} must be a multiple of its {part}, not {getattr(self, whole)} of "
                    f"{getattr(self, part)}."
                )

    @property
    def points(self) -> range:
        """The steps after which generators are judged."""
        apart = self.steps // self.checkpoints
        return range(apart, self.steps + 1, apart)


GAN_RECIPES: Mapping[str, GanRecipe] = {
    recipe.name: recipe
    for recipe in (
        GanRecipe(
            "gan-short",
            "AutoGAN (ICCV 2019), section 4.1 and the authors' code: hinge loss, Adam with betas 0 and 0.9, "
            "rates that fall linearly, spectral normalisation of the discriminator; ours, chosen on random "
            "generators of two cells on MNIST-1D: rates, gain, sizes, steps, one step of the discriminator "
            "each (the authors: five), and a moving average of the generator",
            steps=2400,
            batch=32,
            critic_channels=32,
            critic_gain=3.0,
            generator_rate=3e-3,
            critic_rate=6e-3,
            average=0.995,
        ),
        GanRecipe(
            "gan-images",
            "AutoGAN as above; ours, chosen on random generators of two cells on Fashion-MNIST: rates, gain, "
            "sizes, steps, one step of the discriminator each, and a moving average of the generator",
            steps=1600,
            batch=32,
            latent=64,
            critic_channels=32,
            critic_gain=3.0,
            generator_rate=3e-3,
            critic_rate=6e-3,
            average=0.99,
            checkpoints=4,
        ),
    )
}
"""Every recipe by name."""


def get_gan_recipe(name: str) -> GanRecipe:
    """Return a recipe by name.

    Raises
    ------
    UnknownNameError
        When there is none.
    """
    if name not in GAN_RECIPES:
        raise UnknownNameError("GAN recipe", name, GAN_RECIPES)
    return GAN_RECIPES[name]
