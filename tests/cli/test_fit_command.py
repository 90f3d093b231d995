"""`nasbench-suite fit` and what a fitted surrogate answers, as a user runs them."""

import json
import tomllib
from pathlib import Path

import pytest

FIT = ["fit", "graph/proteins", "--surrogate", "xgboost", "--set", "rounds=30", "--set", "members=2"]


def test_a_surrogate_is_fitted_asked_searched_and_fitted_again(cli, tmp_path):
    printed = cli(*FIT, "--out", tmp_path / "mine", "--name", "it")
    assert "it: fitted on 1,617 rows, judged by 202 others" in printed
    folder = tmp_path / "mine" / "it"
    card = tomllib.loads((folder / "card.toml").read_text())
    assert card["fit"]["settings"] == {"rounds": 30, "members": 2}
    assert card["fitted"]["train"] + card["fitted"]["noise"] + card["fitted"]["test"] == 2021
    figures = card["fitted"]["figures"]
    assert len(figures) == 2
    assert min(entry["spearman"] for entry in figures.values()) > 0.5
    (row,) = json.loads(cli("query", f"surrogate:{folder}", "0123:arma,sage,gcn,sage", "--json"))
    assert set(row) == {
        "architecture",
        *(f"{name}{end}" for name in figures for end in ("", "_sd")),
    }
    found = json.loads(
        cli(
            "search",
            f"surrogate:{folder}",
            "--strategy",
            "random_search",
            "--evaluations",
            "20",
            "--runs",
            "3",
            "--json",
        )
    )
    assert found["best_valid"] > 0.5
    # A person's words stay, figures are made anew, and the same fit gives the same model.
    text = (folder / "card.toml").read_text().replace("defects = []", 'defects = ["none that is known"]')
    (folder / "card.toml").write_text(text)
    cli("fit", folder)
    again = tomllib.loads((folder / "card.toml").read_text())
    assert again == {**card, "defects": ["none that is known"]}
    # A model that is not the card's is refused.
    (folder / "card.toml").write_text(text.replace(card["fitted"]["model_sha256"], "0" * 64))
    assert "is not the model that its card describes; fit it again: nasbench-suite fit it" in cli(
        "query", f"surrogate:{folder}", "0123:arma,sage,gcn,sage", code=2
    )


@pytest.mark.slow
def test_a_surrogate_in_the_data_folder_has_a_name_and_is_listed(cli):
    cli(*FIT, "--name", "of-a-test")
    assert "of-a-test" in cli("list", "surrogates")
    assert json.loads(cli("show", "of-a-test", "--json"))["fit"]["task"] == "graph/proteins"
    assert json.loads(cli("show", "surrogate:of-a-test", "--json"))["space"] == "graph_proteins"
    assert "surrogate of-a-test" in json.loads(cli("check", "--quiet", "--json"))["checked"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fit"], "error: name a task with --surrogate, or surrogates to fit again, or give --all."),
        (["fit", "graph/cora", "--all"], "error: name a task with --surrogate, or surrogates to fit again"),
        (
            ["fit", "graph/cora", "graph/cs", "--surrogate", "mlp"],
            "error: --surrogate fits one task at a time",
        ),
        (
            ["fit", "graph/cor", "--surrogate", "mlp"],
            "error: there is no task 'graph/cor'; did you mean graph/cora",
        ),
        (["fit", "graph/cora", "--surrogate", "ml"], "error: there is no surrogate 'ml'"),
        (
            ["fit", "graph/cora", "--surrogate", "mlp", "--encoding", "pat"],
            "error: there is no encoding 'pat'",
        ),
        (
            ["fit", "graph/cora", "--surrogate", "mlp", "--set", "unit=2"],
            "error: there is no hyperparameter of",
        ),
        (["fit", "no-such"], "error: there is no surrogate 'no-such'"),
        (
            ["search", "surrogate:no-such", "--strategy", "random_search", "--evaluations", "3"],
            "error: there is no sur",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(cli, tmp_path, arguments, sentence):
    error = cli(*arguments, code=2)
    assert error.startswith(sentence)
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == []


def test_models_of_nas_bench_301_are_imported_and_asked(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    models = Path(__file__).parents[1] / "golden" / "nasbench301"
    (made,) = json.loads(cli("import", "nasbench301-models", models, "--json"))
    assert made["imported"]["trees"] == 120
    expected = json.loads((models / "expected.json").read_text())
    (row,) = json.loads(cli("query", f"surrogate:{made['name']}", expected["genotypes"][0], "--json"))
    mean = sum(member[0] for member in expected["accuracy"]) / 300
    assert row["valid_accuracy"] == pytest.approx(mean, rel=1e-6)
    assert "no surrogate_model.model lies below" in cli("import", "nasbench301-models", tmp_path, code=2)
