"""Every operator of a space, timed on this machine as blocks in isolation, and the rest of the network once.

One network is built for each value, in which every gene has it. A pass through it shows what every searched
block is given; then the blocks of a gene are timed alone, one after the other, on just that. The rest is a
whole network whose searched blocks return at once what they returned before: stem, reductions, sums at nodes
and head, with everything that a network does besides.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import metadata

import numpy as np
import torch
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware.network_latency import PRECISIONS, Conditions, describe_device, waited
from nasbench_suite.hardware.operator_latencies import (
    OperatorDescription,
    OperatorLatencies,
    check_device_name,
)
from nasbench_suite.hardware.searched_blocks import searched_blocks
from nasbench_suite.hardware.stopwatch import Stopwatch
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.training.counting import ADDITIVE
from nasbench_suite.training.networks import Network, build_network
from nasbench_suite.training.threads import threads

_MILLISECONDS = 1e3
Pass = tuple[nn.Module, Tensor]
"""A block and what it is given."""


def measure_operators(
    space: str,
    name: str,
    conditions: Conditions,
    watch: Stopwatch,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> OperatorLatencies:
    """Time every operator of a space, and what surrounds them.

    A block that hands its input on (`nn.Identity`) costs nothing and is not timed.

    Parameters
    ----------
    space
        Name of a space in which every gene adds blocks of its own.
    name
        What the machine shall be called.
    conditions, watch
        Under what, and how; all timings are interleaved, round by round.
    progress
        See `Stopwatch.measure`.

    Raises
    ------
    UnstableTimingError
        When a timing varies too much to be an entry.
    NasbenchSuiteError
        When operators of the space are no sum, or the engine runs whole networks only.
    """
    check_device_name(name)
    _check(space, conditions)
    limits = get_space(space).cardinalities
    entries = np.where(np.arange(max(limits)) < np.array(limits)[:, None], 0.0, np.nan)
    with threads(conditions.threads), torch.inference_mode():
        torch.manual_seed(0)
        places, things = _things(space, conditions)
        timings = watch.measure([waited(thing, conditions.device) for thing in things], progress)
    watch.check(timings)
    rest, *medians = [_MILLISECONDS * timing.median for timing in timings]
    for place, median in zip(places, medians, strict=True):
        entries[place] = median
    variation = max(max(timing.spread, timing.drift) for timing in timings)
    return OperatorLatencies(_description(space, name, conditions, variation), entries, rest)


def _check(space: str, conditions: Conditions) -> None:
    if space not in ADDITIVE:
        raise NasbenchSuiteError(
            f"what an operator of space {space} costs depends on the others; operators are measured of "
            f"{', '.join(sorted(ADDITIVE))}. Measure networks instead: nasbench-suite measure {space}."
        )
    if conditions.engine != "pytorch":
        raise NasbenchSuiteError(
            f"engine {conditions.engine} makes one program of a whole network, of which blocks are no parts; "
            "operators are measured with --engine pytorch."
        )


def _things(space: str, conditions: Conditions) -> tuple[list[tuple[int, int]], list[Callable[[], object]]]:
    """Return gene and value of every entry to be timed, and what to time: the rest, then these."""
    limits = np.array(get_space(space).cardinalities)
    places: list[tuple[int, int]] = []
    things: list[Callable[[], object]] = []
    for value in range(max(limits)):
        row = np.minimum(value, limits - 1).astype(np.uint8)  # genes with fewer values have their last
        network, inputs = _built(space, row, conditions)
        blocks, passes = searched_blocks(network), _passes(network, inputs)
        if value == 0:
            things.append(_rest(space, row, conditions))
        for gene in np.flatnonzero(value < limits).tolist():
            timed = [(block, passes[block]) for block in blocks[gene] if not isinstance(block, nn.Identity)]
            if timed:
                places.append((gene, value))
                things.append(_one_by_one(timed))
    return places, things


def _built(space: str, row: Genes, conditions: Conditions) -> tuple[Network, Tensor]:
    kind = PRECISIONS[conditions.precision]
    network = build_network(space, row, conditions.skeleton).eval().to(conditions.device, kind)
    return network, torch.randn(conditions.batch, *conditions.shape).to(conditions.device, kind)


def _passes(network: Network, inputs: Tensor) -> dict[nn.Module, Tensor]:
    """Return what every searched block is given in a pass."""
    found: dict[nn.Module, Tensor] = {}

    def note(block: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[block] = given[0]

    hooks = [block.register_forward_pre_hook(note) for gene in searched_blocks(network) for block in gene]
    network(inputs)
    for hook in hooks:
        hook.remove()
    return found


def _one_by_one(passes: Sequence[Pass]) -> Callable[[], object]:
    def run() -> None:
        for block, given in passes:
            block(given)

    return run


def _rest(space: str, row: Genes, conditions: Conditions) -> Callable[[], object]:
    """Return a pass through a network whose searched blocks answer from memory."""
    network, inputs = _built(space, row, conditions)
    for block, given in _passes(network, inputs).items():
        block.__dict__["forward"] = _answering(block(given))
    return lambda: network(inputs)


def _answering(answer: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda _: answer


def _description(space: str, name: str, conditions: Conditions, variation: float) -> OperatorDescription:
    return OperatorDescription(
        space=space,
        name=name,
        machine=describe_device(conditions.device, conditions.engine),
        skeleton={
            **asdict(conditions.skeleton),
            "widths": list(conditions.skeleton.widths),
        },  # as JSON has it
        shape=conditions.shape,
        batch=conditions.batch,
        device=conditions.device,
        threads=conditions.threads,
        precision=conditions.precision,
        engine=conditions.engine,
        variation=variation,
        created_with=f"nasbench-suite {metadata.version('nasbench-suite')}",
    )
