"""AutoGAN's space: its size by hand, its text by regular expression, and where a wrong text is wrong."""

import itertools
import re

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, get_space

CELL = re.compile(r"(pre|post)-(none|batch|instance)-(linear|nearest|deconv)-(plain|shortcut)(?:-([01]+))?")


@pytest.fixture(scope="module")
def space():
    return get_space("gan")


@pytest.fixture(scope="module")
def two_cells():
    return get_space("gan_two_cells")


def test_there_are_as_many_as_in_the_paper(space, two_cells):
    assert space.size == space.distinct == 36 * 72 * 144 == 373_248
    assert two_cells.size == two_cells.distinct == 36 * 72 == 2_592
    assert (space.n_genes, two_cells.n_genes) == (15, 9)


def test_the_texts_are_all_combinations(two_cells):
    first = [
        "-".join(parts)
        for parts in itertools.product(
            ("pre", "post"),
            ("none", "batch", "instance"),
            ("linear", "nearest", "deconv"),
            ("plain", "shortcut"),
        )
    ]
    expected = [f"{a}|{b}-{skip}" for a in first for b in first for skip in "01"]
    assert two_cells.format(two_cells.decode(np.arange(2_592))) == expected


def test_genes_are_what_the_text_says_cell_by_cell(space):
    rows = space.sample(np.random.default_rng(0), 200)
    for row, text in zip(rows, space.format(rows), strict=True):
        found = [CELL.fullmatch(cell).groups() for cell in text.split("|")]
        assert [len(skips or "") for *_, skips in found] == [0, 1, 2]
        for cell, (order, norm, up, shortcut, skips) in zip(space.cells(row[None]), found, strict=True):
            assert cell[0].tolist() == [
                ["pre", "post"].index(order),
                ["none", "batch", "instance"].index(norm),
                ["linear", "nearest", "deconv"].index(up),
                ["plain", "shortcut"].index(shortcut),
                *map(int, skips or ""),
            ]
        assert np.array_equal(space.parse(text), row)


def test_a_written_example(space, two_cells):
    text = "pre-batch-nearest-shortcut|post-none-deconv-plain-1"
    assert two_cells.parse(text).tolist() == [0, 1, 1, 1, 1, 0, 2, 0, 1]
    longer = f"{text}|post-instance-linear-shortcut-01"
    assert space.parse(longer).tolist() == [0, 1, 1, 1, 1, 0, 2, 0, 1, 1, 2, 0, 1, 0, 1]
    assert two_cells.parse(" pre - batch-nearest -shortcut | post-none-deconv-plain- 1 ").tolist() == [
        *(0, 1, 1, 1),
        *(1, 0, 2, 0, 1),
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("pre-batch-nearest-shortcut", r"describes 1 cell\(s\) between bars"),
        ("pre-batch-nearest-shortcut|post-none-deconv-plain-1|", r"describes 3 cell\(s\)"),
        ("pre-batch-nearest|post-none-deconv-plain-1", "character 1 .* cell 1 has 3 part.* not 4"),
        ("pre-batch-nearest-shortcut|post-none-deconv-plain", "character 28 .* cell 2 has 4 part.* not 5"),
        ("pre-batch-nearest-shortcut-1|post-none-deconv-plain-1", "character 1 .* cell 1 has 5 part"),
        ("mid-batch-nearest-shortcut|post-none-deconv-plain-1", "character 1 .* no activation order 'mid'"),
        ("pre-batch-nearest-shortcut|post- layer-deconv-plain-1", "character 34 .* no normalisation 'layer'"),
        ("pre-batch-nearst-shortcut|post-none-deconv-plain-1", "character 11 .* did you mean nearest"),
        ("pre-batch-nearest-shortcut|post-none-deconv-plain-2", "character 51 of .* is '2'"),
        ("pre-batch-nearest-shortcut|post-none-deconv-plain-¹", "character 51 of"),
        (
            "pre-batch-nearest-shortcut|post-none-deconv-plain-01",
            r"character 51 .* 2 skip-in digit\(s\), not 1",
        ),
        (
            "pre-batch-nearest-shortcut|post-none-deconv-plain-",
            r"character 51 .* 0 skip-in digit\(s\), not 1",
        ),
        ("", r"describes 1 cell\(s\)"),
    ],
)
def test_an_error_names_the_bad_place(two_cells, given, says):
    with pytest.raises(ArchitectureError, match=says):
        two_cells.parse(given)
