"""The cell space of NAS-Bench-201 against the published index order and the authors' isomorphism rule."""

import csv
import gzip
import re

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import ArchitectureError, get_space

BEST_KNOWN = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"


@pytest.fixture(scope="module")
def space():
    return get_space("nats_topology")


@pytest.fixture(scope="module")
def every_row(space):
    return space.decode(np.arange(space.n_codes))


def test_index_order_is_the_published_one(space, every_row, shared_data):
    with gzip.open(shared_data / "nats_topology" / "accuracy.csv.gz", "rt") as file:
        published = [(int(row["index"]), row["arch_str"]) for row in csv.DictReader(file)]
    official = dict(zip(space.index(every_row).tolist(), space.format(every_row), strict=True))
    assert len(published) == 15_625
    assert official == dict(published)


def test_well_known_index(space):
    row = space.parse("11472")
    assert space.format(row[None]) == [BEST_KNOWN]
    assert space.index(space.parse(BEST_KNOWN)[None]).tolist() == [11472]


def test_every_text_is_read_back(space, every_row):
    texts = space.format(every_row)
    assert len(set(texts)) == len(texts) == 15_625
    assert np.array_equal(np.stack([space.parse(text) for text in texts]), every_row)


def test_every_index_is_read_back(space):
    rows = np.stack([space.parse(str(index)) for index in range(15_625)])
    assert np.array_equal(space.index(rows), np.arange(15_625))


def authors_unique_string(text):
    """`CellStructure.to_unique_str(consider_zero=True)`, written anew from the text form."""
    values = ["0"]
    for node in text.split("+"):
        inputs = []
        for operation, source in re.findall(r"\|?([a-z0-9_]+)~(\d)", node):
            value = values[int(source)]
            if operation == "none" or value == "#":
                inputs.append("#")
            elif operation == "skip_connect":
                inputs.append(value)
            else:
                inputs.append(f"({value})@{operation}")
        values.append("+".join(sorted(inputs)))
    return values[-1]


def test_there_are_as_many_classes_as_by_the_authors_rule(space, every_row):
    classes = {authors_unique_string(text) for text in space.format(every_row)}
    assert len(classes) == len(np.unique(space.key(every_row))) == space.distinct == 6_466


def test_classes_are_those_of_the_authors_rule(space, every_row):
    keys = space.key(every_row).tolist()
    classes = [authors_unique_string(text) for text in space.format(every_row)]
    assert len(set(zip(keys, classes, strict=True))) == 6_466


def test_mutation_draws_a_node_then_an_edge_then_another_operation(space):
    rng = np.random.default_rng(20)
    rows = space.sample(rng, 90_000)
    mutated = space.mutate(rng, rows)
    changed = rows != mutated
    assert (changed.sum(axis=1) == 1).all()
    expected = np.array([1 / 3, 1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9])
    assert stats.chisquare(changed.sum(axis=0), expected * len(rows)).pvalue > 1e-3
    step = (mutated[changed].astype(int) - rows[changed]) % 5
    assert stats.chisquare(np.bincount(step, minlength=5)[1:]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("given", "wrong", "says"),
    [
        (BEST_KNOWN.replace("none~1", "nonne~1"), "nonne~1", "did you mean none"),
        (BEST_KNOWN.replace("skip_connect~2", "skip_connect~1"), "skip_connect~1", "write operation~2"),
        (BEST_KNOWN.replace("|none~0|nor", "|none~0nor"), "|none~0nor", "node 2"),
        pytest.param(
            BEST_KNOWN.replace("none~0|nor_conv_3x3~1", "none~0|one~0"),
            "one~0|+|skip",
            "edge 1→2 reads 'one~0'",
        ),
        pytest.param(
            BEST_KNOWN.replace("none~1|skip", "|skip"),
            "|skip_connect~2",
            "edge 1→3 reads ''",
        ),
    ],
)
def test_parse_errors_name_the_character(space, given, wrong, says):
    with pytest.raises(ArchitectureError) as caught:
        space.parse(given)
    assert f"character {given.index(wrong) + 1} of" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("given", ["²", "1" * 5000], ids=["superscript", "5000 digits"])
def test_digits_that_are_no_number_are_refused(space, given):
    with pytest.raises(ArchitectureError):
        space.parse(given)


def test_doubled_bars_are_refused(space):
    with pytest.raises(ArchitectureError):
        space.parse("|" + BEST_KNOWN)


@pytest.mark.parametrize("given", ["", "none", "|none~0|", "|none~0|+|none~0|none~1|", "-1", "1.5"])
def test_texts_that_are_no_cell_are_refused(space, given):
    with pytest.raises(ArchitectureError):
        space.parse(given)


def test_an_index_beyond_the_space_is_refused(space):
    with pytest.raises(ArchitectureError, match="0 to 15624"):
        space.parse("15625")
