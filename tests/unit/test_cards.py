"""Cards: a wrong key or value is an error that names file, key and line; settings are checked."""

import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.cards import CardError, line_of_key, read_card
from nasbench_suite.content import CONTENT_FOLDERS
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.leaderboards.rules import Rules, read_rules
from nasbench_suite.strategies import card
from nasbench_suite.strategies.card import Hyperparameter, StrategyCard
from nasbench_suite.tabular.datasheet import datasheets

CARD = """\
name = "made"
title = "Made up"
summary = "Nothing."
implementation = "module:Class"
learns_on = "numpy"
deviations = []

[paper]
title = "A paper"
authors = "Somebody"
venue = "Somewhere"
year = 2020

[hyperparameters.population]
value = 10
minimum = 1
maximum = 100
source = "the paper"
meaning = "members kept"

[hyperparameters.rate]
value = 0.5
minimum = 0
source = "the paper"
meaning = "a share"

[hyperparameters.mode]
value = "first"
choices = ["first", "best"]
source = "the paper"
meaning = "which"

[hyperparameters.noisy]
value = true
source = "the paper"
meaning = "whether"
"""

RULES = """\
title = "A board"
summary = "Two strategies."
tasks = ["graph/cora"]
evaluations = 10

[[strategies]]
strategy = "random_search"

[[strategies]]
strategy = "local_search"
settings = { starts = 3 }
"""


def read(tmp_path, text, model=StrategyCard):
    path = tmp_path / "made.toml"
    path.write_text(text)
    return read_card(path, model)


def error_of(tmp_path, text, model=StrategyCard):
    with pytest.raises(CardError) as caught:
        read(tmp_path, text, model)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "made.toml"))
    return message.removeprefix(str(tmp_path / "made.toml"))


def line_number(text, part):
    return text[: text.index(part)].count("\n") + 1


def test_a_card_is_read(tmp_path):
    card = read(tmp_path, CARD)
    assert card.name == "made"
    assert card.hyperparameters["population"].value == 10
    assert card.paper.year == 2020


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("title = ", "titel = ", "titel", "did you mean title"),
        ("year = 2020", "year = 2020\npages = 3", "paper.pages", "not known"),
        ("minimum = 0\n", "least = 0\n", "hyperparameters.rate.least", "not known"),
        ("year = 2020", 'year = "2020"', "paper.year", "valid integer, not '2020'"),
        ("deviations = []", 'deviations = "none"', "deviations", "valid list, not 'none'"),
        ('learns_on = "numpy"', 'learns_on = ""', "learns_on", "at least 1 character"),
    ],
)
def test_a_wrong_key_or_value_names_key_and_line(tmp_path, old, new, key, says):
    text = CARD.replace(old, new, 1)
    message = error_of(tmp_path, text)
    wanted = "titel" if key == "titel" else new.splitlines()[-1]
    assert message.startswith(f", line {line_number(text, wanted)}: key {key!r}")
    assert says in message


@pytest.mark.parametrize(
    ("line", "key", "where"),
    [
        ('learns_on = "numpy"\n', "learns_on", ": "),
        ('venue = "Somewhere"\n', "paper.venue", ", line 8: "),
        ('meaning = "a share"\n', "hyperparameters.rate.meaning", ", line 21: "),
    ],
)
def test_a_missing_key_names_key_and_table(tmp_path, line, key, where):
    expected_line = where.replace("line 21", f"line {line_number(CARD, '[hyperparameters.rate]')}")
    assert error_of(tmp_path, CARD.replace(line, "")) == f"{expected_line}key {key!r} is missing."


def test_text_that_is_no_toml_names_the_line(tmp_path):
    message = error_of(tmp_path, CARD.replace("year = 2020", "year = = 2020"))
    assert "is no valid TOML" in message
    assert f"line {line_number(CARD, 'year')}" in message


def test_files_that_cannot_be_read_are_errors(tmp_path):
    with pytest.raises(CardError, match="cannot be read"):
        read_card(tmp_path / "absent.toml", StrategyCard)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(CardError, match="cannot be read"):
        read_card(tmp_path / "latin.toml", StrategyCard)


@pytest.mark.parametrize(
    ("old", "new", "key", "line"),
    [
        ('strategy = "local_search"', 'strategie = "local_search"', "strategies.1.strategie", 10),
        ('strategy = "random_search"', 'strategy = "random_search"\nruns = 0', "strategies.0.runs", 8),
        ("{ starts = 3 }", "{ starts = [3] }", "strategies.1.settings.starts", 11),
        ('["graph/cora"]', '["graph/cora", 3]', "tasks.1", 3),
    ],
)
def test_a_wrong_key_in_a_list_of_tables_names_its_own_line(tmp_path, old, new, key, line):
    message = error_of(tmp_path, RULES.replace(old, new), Rules)
    assert message.startswith(f", line {line}: key '{key}")


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("a",), 1),
        (("table", "b"), 3),
        (("table", "c", "d"), 4),
        (("table", "sub key", "e"), 6),
        (("table", "absent"), 2),
        (("list", 0, "f"), 8),
        (("list", 1, "f"), 10),
        (("list", 1, "absent"), 9),
        (("list", 2), None),
        (("absent",), None),
    ],
)
def test_line_of_key(location, line):
    text = 'a = 1\n[table]\nb = 2\nc.d = 3\n[table."sub key"]\ne = 4\n[[list]]\nf = 5\n[[ list ]]\nf = 6\n'
    assert line_of_key(text, location) == line


def test_line_of_a_key_in_a_table_below_a_list_of_tables():
    text = "[[list]]\nf = 5\n[[list]]\nf = 6\n[list.settings]\ng = 7\n"
    assert line_of_key(text, ("list", 1, "settings", "g")) == 6


def test_line_of_a_key_that_also_stands_in_a_text():
    assert line_of_key('a = 1\ntext = """\n[table]\nb = 2\n"""\n[table]\nb = 3\n', ("table", "b")) == 7


def test_rules_that_contradict_themselves_are_errors(tmp_path):
    for old, new, says in (
        ("evaluations = 10", "evaluations = 10\nseconds = 5.0", "exactly one of evaluations and seconds"),
        ("evaluations = 10", "", "exactly one of evaluations and seconds"),
        ("local_search", "random_search", "label 'random_search' is there twice"),
        ('["graph/cora"]', '["graph/cora", "graph/cora"]', "task 'graph/cora' is there twice"),
    ):
        assert says in error_of(tmp_path, RULES.replace(old, new), Rules)


def test_rules_are_read_from_a_folder_or_a_file(tmp_path):
    (tmp_path / "rules.toml").write_text(RULES)
    rules = read_rules(tmp_path)
    assert rules == read_rules(tmp_path / "rules.toml")
    assert [entry.settings for entry in rules.strategies] == [{}, {"starts": 3}]
    with pytest.raises(NasbenchSuiteError, match="there is no"):
        read_rules(tmp_path / "absent")


def test_settings_replace_the_cards_values(tmp_path):
    card = read(tmp_path, CARD)
    assert card.resolve({}) == {"population": 10, "rate": 0.5, "mode": "first", "noisy": True}
    found = card.resolve({"population": 100, "rate": 1, "mode": "best", "noisy": False})
    assert found == {"population": 100, "rate": 1.0, "mode": "best", "noisy": False}
    assert type(found["rate"]) is float


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"population": 0}, "population is 0; it must be at least 1"),
        ({"population": 101}, "population is 101; it must be at most 100"),
        ({"population": 5.0}, "population is of type int"),
        ({"population": True}, "population is of type int"),
        ({"population": "5"}, "population is of type int"),
        ({"rate": -0.1}, "rate is -0.1; it must be at least 0"),
        ({"rate": "high"}, "rate is of type float"),
        ({"rate": True}, "rate is of type float"),
        ({"mode": "worst"}, "mode is one of"),
        ({"mode": 1}, "mode is of type str"),
        ({"noisy": 1}, "noisy is of type bool"),
    ],
)
def test_settings_out_of_range_or_of_another_type_are_refused(tmp_path, setting, says):
    with pytest.raises(NasbenchSuiteError) as caught:
        read(tmp_path, CARD).resolve(setting)
    assert f"hyperparameter {says}" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_settings_that_are_no_number_are_refused(value):
    entry = Hyperparameter(value=0.5, source="s", meaning="m", minimum=0)
    with pytest.raises(NasbenchSuiteError):
        entry.check("rate", value)


def test_an_unknown_setting_is_an_error_with_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean population"):
        read(tmp_path, CARD).resolve({"populaton": 5})


@pytest.fixture
def content(tmp_path, monkeypatch):
    for folder in CONTENT_FOLDERS:
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("NASBENCH_SUITE_CONTENT", str(tmp_path))
    return tmp_path


def test_cards_are_found_by_lying_in_their_folder(content):
    assert card.strategy_cards() == {}
    (content / "strategies" / "made.toml").write_text(CARD)
    card._strategy_cards.cache_clear()
    assert list(card.strategy_cards()) == ["made"]


def test_a_card_is_named_after_its_file(content):
    (content / "strategies" / "other.toml").write_text(CARD)
    with pytest.raises(CardError, match="name is 'made'; it must be 'other'"):
        card.strategy_cards()


def test_a_folder_without_the_content_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_CONTENT", str(tmp_path))
    with pytest.raises(NasbenchSuiteError, match="tabular, surrogates, strategies, leaderboards are not in"):
        datasheets()
