"""The rules of BANANAS' Table 1 play on a table of all 423,624 cells of NAS-Bench-101, with made-up results.

The official file is too large to come with anything; what is held here is that the rules fit the importer's
table, not the published numbers.
"""

import numpy as np
import pytest

from nasbench_suite import get_space, load_benchmark
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.published import compare
from nasbench_suite.leaderboards.rules import find_leaderboard, read_rules
from nasbench_suite.tabular import Column
from nasbench_suite.tabular.catalogue import table_path
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.table import save_table

TASK = "nasbench101/cifar10"


@pytest.fixture
def made_up_table(tmp_path, monkeypatch):
    """Three trainings of four lengths; a 3x3 convolution is worth three points, whatever the matrix."""
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    space = get_space("nasbench101")
    genes = space.decode(np.arange(space.n_codes))
    quality = 0.85 + 0.01 * (genes[:, 21:] == 0).sum(axis=1)
    values = np.broadcast_to(quality[:, None, None], (len(genes), 3, 4))
    columns = {name: Column(values) for name in ("valid_accuracy", "test_accuracy")}
    table = assemble(
        datasheets()["nasbench101"],
        TASK,
        Source("made up", "", "0" * 64),
        genes,
        columns,
        rows="class",
        repeats=["1", "2", "3"],
        epochs=[4, 12, 36, 108],
    )
    save_table(table, table_path(TASK))


def test_the_rules_play_and_are_compared(made_up_table, tmp_path):
    home = find_leaderboard("bananas-table1")
    rules = read_rules(home)
    assert rules.evaluations == 150
    assert load_benchmark(TASK).fidelities == (4, 12, 36, 108)
    few = [entry.model_copy(update={"runs": 10}) for entry in rules.strategies]
    board = run_board(rules.model_copy(update={"strategies": few}), home, tmp_path / "runs")
    assert set(board.labels) == {"random_search", "local_search", "regularized_evolution", "reinforce"}
    for label in board.labels:
        assert 0.87 <= board.summaries[TASK][label].test.mean <= 0.9 + 1e-9
    comparisons = compare(board)
    assert [c.quantity for c in comparisons] == ["test"] * 4
    assert {c.published for c in comparisons} == {"93.66", "94.07", "93.89", "93.56"}
    assert not any(c.agrees for c in comparisons)  # made-up results agree with nothing
