"""A benchmark as an environment of Gymnasium: an agent builds an architecture gene by gene.

    env = architecture_env(load_benchmark("graph/cora"))
    observation, info = env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample(info["action_mask"]))

Towers et al.: "Gymnasium: A Standard Interface for Reinforcement Learning Environments" (2024).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from nasbench_suite.adapters.needed import needed
from nasbench_suite.benchmark import Benchmark

if TYPE_CHECKING:  # an optional package
    from gymnasium import Env


def architecture_env(
    benchmark: Benchmark, epochs: int | None = None, no_architecture: float = -1.0
) -> "Env[Any, Any]":
    """Return an environment whose episodes have one step per gene.

    An action is the next gene's value. The observation holds the genes so far, each plus one, and zeros for
    those that are missing. The reward is zero until the last gene; then it is the validation result, oriented
    so that larger is better. `info["action_mask"]` tells the values that the next gene has; an action that it
    lacks ends the episode like what is no architecture. At the end `info` has `architecture`, the simulated
    `seconds` if they are known, and `valid`.

    Parameters
    ----------
    benchmark
        What scores.
    epochs
        Training epochs; full training if None.
    no_architecture
        The reward of what is no architecture, or has no result.

    Raises
    ------
    NasbenchSuiteError
        When Gymnasium is not installed.
    """
    gymnasium = needed("gymnasium", "gymnasium")
    space = benchmark.space
    limits = np.array(space.cardinalities)
    most = int(limits.max())

    class ArchitectureEnv(gymnasium.Env):  # type: ignore[misc, name-defined]  # the base is optional
        metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  # as Gymnasium has it

        def __init__(self) -> None:
            self.action_space = gymnasium.spaces.Discrete(most)
            self.observation_space = gymnasium.spaces.MultiDiscrete(limits + 1)
            self._genes: list[int] = []

        def reset(
            self, *, seed: int | None = None, options: dict[str, Any] | None = None
        ) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed)
            self._genes = []
            return self._seen(), {"action_mask": self._mask()}

        def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            place = len(self._genes)
            if place >= space.n_genes or not 0 <= int(action) < limits[place]:
                return self._seen(), no_architecture, True, False, {"action_mask": self._mask()}
            self._genes.append(int(action))
            if len(self._genes) < space.n_genes:
                return self._seen(), 0.0, False, False, {"action_mask": self._mask()}
            reward, info = self._scored()
            return self._seen(), reward, True, False, {"action_mask": self._mask(), **info}

        def _seen(self) -> Any:
            seen = np.zeros(space.n_genes, dtype=self.observation_space.dtype)
            seen[: len(self._genes)] = np.array(self._genes, dtype=seen.dtype) + 1
            return seen

        def _mask(self) -> Any:
            limit = limits[len(self._genes)] if len(self._genes) < space.n_genes else 0
            return (np.arange(most) < limit).astype(np.int8)

        def _scored(self) -> tuple[float, dict[str, Any]]:
            genes = np.array([self._genes], dtype=np.uint8)
            if not space.valid(genes)[0]:
                return no_architecture, {}
            found = benchmark.query(genes, epochs=epochs)
            info: dict[str, Any] = {"architecture": space.format(genes)[0], "valid": float(found.valid[0])}
            if found.seconds is not None:
                info["seconds"] = float(found.seconds[0])
            score = float(found.score()[0])
            return (score if np.isfinite(score) else no_architecture), info

    env: Env[Any, Any] = ArchitectureEnv()
    return env
