"""Pictures of tables: which panels there are, what they show, and signals of generators at the ends."""

from types import SimpleNamespace

import numpy as np
import pytest

from nasbench_suite import load_benchmark
from nasbench_suite.drawing import svg
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.gan_file import read_gan_file
from nasbench_suite.tabular.generator_samples import ends, samples_figure
from nasbench_suite.tabular.importers.gan import trainings_path
from nasbench_suite.tabular.picture import table_picture


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def titles(figure):
    return [axes.get_title() for axes in shown(figure)]


def test_a_table_of_everything_has_four_panels(make_table):
    figure = table_picture(TabularBenchmark(make_table(epochs=(1, 2, 3))))
    assert titles(figure) == [
        "results",
        "15,625 architectures",
        "15,625 architectures",
        "median, 5th to 95th percentile",
    ]


@pytest.mark.parametrize(("repeats", "epochs", "panels"), [(1, (12,), 2), (3, (12,), 3), (1, (1, 2, 3), 3)])
def test_what_a_table_has_too_little_for_is_left_out(make_table, repeats, epochs, panels):
    made = make_table(rows=500, repeats=repeats, epochs=epochs)
    assert len(shown(table_picture(TabularBenchmark(made)))) == panels


def test_the_distribution_and_the_percentiles_are_those_of_the_first_training(make_table):
    made = make_table(rows=2000, epochs=(1, 2, 3), missing=0.2)
    valid = made.columns["valid_accuracy"][:, 0]
    bars, *_, curve = shown(table_picture(TabularBenchmark(made)))
    last = valid[:, -1][~np.isnan(valid[:, -1])]
    low, high = np.percentile(last, [0.5, 99.5])
    assert sum(bar.get_height() for bar in bars.patches) == ((last >= low) & (last <= high)).sum()
    (middle,) = curve.lines
    assert np.allclose(middle.get_ydata(), np.nanmedian(valid, axis=0))
    assert middle.get_xdata().tolist() == [1, 2, 3]


def test_pairs_stand_where_both_results_are(make_table):
    made = make_table(rows=300, repeats=1, epochs=(12,), missing=0.3)
    valid, test = (made.columns[f"{split}_accuracy"][:, 0, -1] for split in ("valid", "test"))
    both = (~np.isnan(valid) & ~np.isnan(test)).sum()
    _, beside = shown(table_picture(TabularBenchmark(made)))
    assert beside.get_title() == f"{both} architectures"
    (image,) = beside.images
    counts = np.expm1(np.ma.filled(image.get_array(), 0)).round()
    assert 0.95 * both <= counts.sum() <= both
    assert (beside.get_xlabel(), beside.get_ylabel()) == (
        "valid accuracy (fraction)",
        "test accuracy (fraction)",
    )


def test_results_that_are_all_the_same_are_drawn(make_table):
    made = make_table(rows=50, epochs=(12,))
    for name in ("valid_accuracy", "test_accuracy"):
        made.columns[name][:] = 0.5
    assert svg(table_picture(TabularBenchmark(made)), "x.svg")


def test_what_has_no_results_to_draw_is_refused():
    with pytest.raises(NasbenchSuiteError, match="no rows with validation results"):
        table_picture(SimpleNamespace(id="a/b"))


def test_ends_leave_out_what_has_no_distance():
    assert ends(np.array([3.0, np.nan, 1.0, 9.0, 2.0])) == (2, 0, 3)
    assert ends(np.array([np.nan, 4.0])) == (1, 1, 1)


def test_signals_of_the_best_and_worst_generator_are_those_of_the_table():
    content = read_gan_file(trainings_path(datasheets()["gan-mnist1d"]))
    real = np.linspace(-1, 1, 320, dtype=np.float32).reshape(8, 40)
    figure = samples_figure(content, real)
    table = load_benchmark("gan/mnist1d")
    distance = table.query(table.table.genes, repeat=0).valid
    parts = figure.subfigs
    assert len(parts) == 4
    assert np.allclose(parts[0].axes[3].lines[0].get_ydata(), real[3])
    for part, place in ((parts[1], int(distance.argmin())), (parts[3], int(distance.argmax()))):
        (row,) = np.flatnonzero((content.genes == table.table.genes[place]).all(axis=1))
        assert len(part.axes) == 8
        assert np.allclose(part.axes[5].lines[0].get_ydata(), content.samples[row, 5], atol=1e-3)
        title = part.get_suptitle()
        assert f"{distance[place]:.2f}" in title
        assert table.space.format(table.table.genes[place][None])[0] in title
