"""Times nni's `RegularizedEvolution` on the in-process `SequentialExecutionEngine`.

The space is a `BenchmarkModelSpace` with a `BenchmarkEvaluator`, which nni recommends for benchmarking as the
efficient way; a `FunctionalEvaluator` over an empty PyTorch `ModelSpace` is no faster and needs torch. It is
timed twice: as documented, where nni compares the space with the evaluator's default space for every
architecture it makes, and with that check overridden, as the documentation of `validate_space` allows.
"""

import logging

import nni

nni.set_default_framework("none")  # before the imports below: no network is built, so no torch is needed

from nni.mutable import Categorical, Mutable, Sample  # noqa: E402
from nni.nas.benchmark import BenchmarkEvaluator, BenchmarkModelSpace, SlimBenchmarkSpace  # noqa: E402
from nni.nas.execution import SequentialExecutionEngine  # noqa: E402
from nni.nas.strategy import RegularizedEvolution  # noqa: E402
from shared import (  # noqa: E402
    CHOICES,
    EVALUATIONS,
    POPULATION,
    TOURNAMENT,
    VALUES,
    WARM_UP,
    Genes,
    Row,
    microseconds,
    report,
    table,
)


class TableEvaluator(BenchmarkEvaluator):
    """Answers from the table and does nothing else."""

    def __init__(self, results: dict[Genes, float]):
        super().__init__()
        self.results = results

    @classmethod
    def default_space(cls) -> SlimBenchmarkSpace:
        # As nni's own evaluators do; `nni.choice` would try to import torch for every choice it makes.
        return SlimBenchmarkSpace({name: Categorical(list(VALUES), label=name) for name in CHOICES})

    def evaluate(self, sample: Sample) -> float:
        result = self.results[tuple(sample[name] for name in CHOICES)]
        nni.report_final_result(result)
        return result


class TrustingEvaluator(TableEvaluator):
    """Takes the space as it is."""

    def validate_space(self, space: Mutable) -> Mutable:
        return space


def evolve(evaluator: TableEvaluator, evaluations: int) -> None:
    # nni mutates every choice with a probability, which may draw the old value again; one in five changes one
    # choice on average, like the other tools. Without `dedup` architectures may come again, as elsewhere.
    strategy = RegularizedEvolution(
        population_size=POPULATION,
        sample_size=TOURNAMENT,
        mutation_prob=1 / len(CHOICES),
        dedup=False,
        seed=0,
    )
    engine = SequentialExecutionEngine(max_model_count=evaluations)
    strategy(BenchmarkModelSpace(evaluator.default_space(), evaluator), engine)
    assert len(list(engine.list_models())) == evaluations


def time_search(evaluator: TableEvaluator) -> float:
    evolve(evaluator, WARM_UP)
    return microseconds(lambda: evolve(evaluator, EVALUATIONS), EVALUATIONS)


def main() -> None:
    logging.getLogger("nni").setLevel(logging.WARNING)  # else it writes two lines per evaluation
    results = table()
    rows = [
        Row("`BenchmarkModelSpace`, sequential engine", time_search(TableEvaluator(results))),
        Row("the same without its check of the space", time_search(TrustingEvaluator(results))),
    ]
    report(__file__, ["nni", "peewee", "numpy"], rows)


if __name__ == "__main__":
    main()
