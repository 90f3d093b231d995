"""What `nasbench-suite search` prints of a search with several objectives: the front that it found."""

from typing import Any

import numpy as np

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.cli.output import note, print_json, print_table
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.jobs import Search
from nasbench_suite.runs import Runs
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.constraint import Constraint, total_violation
from nasbench_suite.strategies.objective import VALID, Objective
from nasbench_suite.tabular.benchmark import TabularBenchmark

_MOST_SHOWN = 20


def report_fronts(record: Runs, asked: Search, as_json: bool) -> None:
    """Print the front of all runs together, and how much of a table's front single runs have.

    Raises
    ------
    NasbenchSuiteError
        When no run found any architecture with a result.
    """
    benchmark = asked.load()
    objectives = [Objective.parse(text).resolved(benchmark.metrics) for text in asked.objectives]
    genes = np.unique(record.genes[record.present & record.counted], axis=0)
    front, shown = _front(genes, benchmark, objectives, asked.constraints)
    if not len(front):
        raise NasbenchSuiteError("no run found any architecture with a result; give a larger budget.")
    names = [one.name for one in objectives]
    lines = [
        {"architecture": text, **dict(zip(names, values, strict=True))}
        for text, values in zip(benchmark.space.format(front), shown.tolist(), strict=True)
    ]
    facts: dict[str, Any] = {
        "task": record.request["task"],
        "strategy": record.request["strategy"],
        "runs": len(record.length),
        "objectives": [one.text for one in objectives],
        **_shares(record, asked),
        "sha256": record.sha256(),
    }
    if as_json:
        print_json({**facts, "front": lines})
        return
    rows = [[line["architecture"], *(f"{line[name]:.6g}" for name in names)] for line in lines[:_MOST_SHOWN]]
    print_table(["architecture", *names], rows, title="the front of all runs together, by validation")
    if len(lines) > _MOST_SHOWN:
        note(f"{len(lines) - _MOST_SHOWN} more are on it; --json prints them all.")
    print_table(["", ""], [[key, _show(value)] for key, value in facts.items()], left=2)


def _front(
    genes: Genes, benchmark: Benchmark, objectives: list[Objective], constraints: Any
) -> tuple[Genes, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the architectures that none beats, best first in the first objective, and their objectives."""
    from nasbench_suite.leaderboards.fronts import nondominated

    bounds = tuple(map(Constraint.parse, constraints))
    names = sorted({*(one.name for one in objectives), *(one.name for one in bounds)} - {VALID})
    found = benchmark.query(genes, info=names)
    values = np.stack([one.values(found) for one in objectives], axis=1)
    kept = np.flatnonzero(
        nondominated(np.where(total_violation(bounds, found)[:, None] > 0, -np.inf, values))
    )
    kept = kept[np.argsort(-values[kept, 0], kind="stable")]
    raw = [found.valid if one.name == VALID else found.info[one.name] for one in objectives]
    return genes[kept], np.stack(raw, axis=1)[kept]


def _shares(record: Runs, asked: Search) -> dict[str, Any]:
    """Return which share of a table's front the runs have, on average; nothing where none is known."""
    from nasbench_suite.leaderboards.fronts import FrontTable

    benchmark = asked.load()
    inner = getattr(benchmark, "benchmark", benchmark)
    if not isinstance(inner, TabularBenchmark) or len(asked.objectives) < 2:
        return {}
    table = FrontTable.of(inner, asked.objectives, asked.constraints)
    shares = [
        table.share(table.delivered(table.rows(genes[kept])))
        for genes, kept in zip(record.genes, record.present & record.counted, strict=True)
    ]
    return {
        "share_of_front_volume_mean": float(np.mean(shares)),
        "share_of_front_volume_sd": float(np.std(shares, ddof=1)) if len(shares) > 1 else None,
        "share_of_front_by_validation": table.valid_share,
    }


def _show(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
