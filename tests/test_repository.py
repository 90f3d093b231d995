"""What must always hold: light imports, a complete wheel, and documents that agree with the code."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import nasbench_suite
from nasbench_suite.cli.app import app
from nasbench_suite.content import CONTENT_FOLDERS
from nasbench_suite.leaderboards.cost_rules import cost_boards
from nasbench_suite.leaderboards.render import markdown_page, page_figure_names
from nasbench_suite.leaderboards.results import load_board
from nasbench_suite.leaderboards.retrained_rules import retrained_boards
from nasbench_suite.leaderboards.rules import leaderboard_folders, read_rules
from nasbench_suite.leaderboards.scaling_rules import scaling_boards
from nasbench_suite.spaces import space_names
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.importers import IMPORTERS

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = [command.name for command in app.registered_commands]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {
    path: path.read_text(encoding="utf-8")
    for folder in (".", "docs", "examples", *CONTENT_FOLDERS)
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
}


def python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


def test_import_loads_neither_torch_nor_xgboost_nor_pandas():
    loaded = python("import sys, nasbench_suite; print(*sys.modules)").split()
    assert not {"torch", "xgboost", "pandas", "scipy", "matplotlib", "h5py"} & set(loaded)


def test_a_search_with_a_numpy_strategy_does_not_load_torch():
    program = """
import sys
from nasbench_suite import load_benchmark, search
search("regularized_evolution", load_benchmark("graph/proteins"), evaluations=20, runs=3)
print("torch" in sys.modules)
"""
    assert python(program).strip() == "False"


def test_public_names_are_these_and_all_load():
    assert nasbench_suite.__all__ == sorted(nasbench_suite.__all__)
    for name in nasbench_suite.__all__:
        assert getattr(nasbench_suite, name) is not None
    with pytest.raises(AttributeError):
        nasbench_suite.nothing  # noqa: B018


def test_search_is_the_function_even_after_every_module_was_imported():
    assert callable(nasbench_suite.search)
    modules = sorted((ROOT / "nasbench_suite").glob("*.py"))
    assert "search" not in {path.stem for path in modules}


def test_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == nasbench_suite.__version__
    assert f"## {nasbench_suite.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_changelog_entries_are_tagged():
    entries = re.findall(r"^- (.*)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert entries
    assert all(re.match(r"\*\*(Code|Data|Leaderboard)\*\* ", entry) for entry in entries)


@pytest.mark.parametrize("folder", CONTENT_FOLDERS)
def test_first_line_of_a_content_readme_says_where_the_code_is(folder):
    first = (ROOT / folder / "README.md").read_text().splitlines()[0]
    assert f"nasbench_suite/{folder}/" in first


def test_a_wheel_carries_the_content_and_works_without_the_checkout(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"nasbench_suite"}
    assert "nasbench_suite/_content/strategies/genetic.toml" in names
    assert "nasbench_suite/leaderboards/templates/board.md.j2" in names
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path / "site")!r})
import nasbench_suite
from nasbench_suite.content import content_root
from nasbench_suite.strategies import strategy_names
print(content_root().name, len(strategy_names()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["_content", str(len(strategy_cards()))]


def test_readme_lists_every_space():
    for name in space_names():
        assert f"`{name}`" in README


def test_readme_lists_every_strategy():
    for name in strategy_cards():
        assert f"`{name}`" in README


def test_readme_lists_every_importer_and_command():
    for name in IMPORTERS:
        assert f"`{name}`" in README
    for name in COMMANDS:
        assert f"`{name}`" in README


def test_readmes_of_the_content_list_what_lies_there():
    tabular = (ROOT / "tabular" / "README.md").read_text()
    assert all(f"`{name}/`" in tabular for name in datasheets())
    boards = (ROOT / "leaderboards" / "README.md").read_text()
    assert all(
        f"[`{name}`]" in boards
        for name in (*leaderboard_folders(), *cost_boards(), *scaling_boards(), *retrained_boards())
    )


def test_readme_names_commands_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", README))
    assert {"demo", "test"} <= named <= targets


def test_python_examples_of_readme_and_guides_run():
    guides = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "guides").glob("*.md"))]
    first, second, third = re.findall(r"```python\n(.*?)```", "".join([README, *guides]), flags=re.DOTALL)
    assert "incumbent_valid" in python(first)
    assert python(second).split()[-1] == "ms"
    assert python(third).count("0.") == 6


def test_readme_has_the_figures_of_our_own_tables():
    sheets = datasheets()
    rows = re.findall(
        r"\| \[`\w+/mnist1d`\]\(tabular/([\w-]+)/.* \| ([\d.]+) \| ([\d.]+) \((.*)\) \|", README
    )
    assert len(rows) == 4
    for name, ratio, alike, better in rows:
        figures = sheets[name].figures["mnist1d"]
        spread = figures["between_architectures_sd"] / figures["between_seeds_sd"]
        assert float(ratio) == pytest.approx(spread, abs=0.05)
        assert float(alike) == pytest.approx(figures["seeds_spearman"], abs=0.005)
        assert float(better) == pytest.approx(figures["seeds_spearman_better_half"], abs=0.006)


def test_readme_own_strategy_is_the_example_file():
    example = (ROOT / "examples" / "climber.py").read_text()
    (shown,) = re.findall(r"```py\n(.*?)```", README, flags=re.DOTALL)
    body = example[example.index("from nasbench_suite") :]
    assert shown.strip() == body.strip()


def test_links_in_documents_lead_somewhere():
    """Pages of cards are made when the site is; whether links to these hold is for its own test."""
    made = {ROOT / "docs" / page for page in ("strategies/index.md", "benchmarks/index.md", "limits.md")}
    for document, text in DOCUMENTS.items():
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in target:
                path = (document.parent / target).resolve()
                assert path.exists() or path in made, f"{document.name}: {target}"


def test_every_row_of_a_table_in_documents_has_the_cells_of_its_head():
    """A line without a head is shown as text, and a bar in code ends a cell all the same."""
    for document, text in DOCUMENTS.items():
        shown = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for head, rule, *rows in map(str.splitlines, re.findall(r"(?:^\|.*\n)+", shown, flags=re.MULTILINE)):
            assert re.fullmatch(r"\|(?: *:?-+:? *\|)+ ?", rule), f"{document}: no head above {rule}"
            for line in [head, *rows]:
                assert cells(line) == cells(rule), f"{document}: {line}"


def cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row)) - 1


def test_architecture_names_every_module_of_the_package():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for path in (ROOT / "nasbench_suite").iterdir():
        if path.name.startswith(("_", ".", "py.typed")) and path.name != "__init__.py":
            continue
        assert path.name + ("/" if path.is_dir() else "") in text or path.name == "py.typed", path.name


PLAYED = sorted(name for name, folder in leaderboard_folders().items() if (folder / "results.h5").exists())


def test_every_board_was_played_whose_tables_can_be_had():
    # NAS-Bench-101's file is too large to come with anything: its board is for those who have it.
    assert sorted(set(leaderboard_folders()) - set(PLAYED)) == ["bananas-table1"]


@pytest.mark.parametrize("name", PLAYED)
def test_pages_of_a_board_are_those_of_its_results(name):
    folder = leaderboard_folders()[name]
    board = load_board(folder / "results.h5")
    assert board.rules == read_rules(folder)
    assert (folder / "board.md").read_text(encoding="utf-8") == markdown_page(board, name)
    assert {path.name for path in (folder / "figures").iterdir()} == set(page_figure_names(board))


def test_no_tracked_file_is_over_eight_megabytes():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert files
    assert all(path.stat().st_size < 8 * 2**20 for path in files if path.exists())
