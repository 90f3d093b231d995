"""A hook of MkDocs: a page for every strategy and benchmark, made of its card, and the README's limits."""

import re
from pathlib import Path

from mkdocs.structure.files import File

from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.tabular.datasheet import datasheets


def on_files(files, config):
    """Add the pages; nothing is written into the folder of the documentation."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages():
    """Return the text of every page by its path."""
    strategies = {f"strategies/{name}.md": strategy_page(card) for name, card in strategy_cards().items()}
    sheets = {f"benchmarks/{name}.md": benchmark_page(sheet) for name, sheet in datasheets().items()}
    return {
        **strategies,
        **sheets,
        "limits.md": limits(),
        "strategies/index.md": index("Strategies", strategy_cards()),
        "benchmarks/index.md": index("Benchmarks", datasheets()),
    }


def limits():
    """Return the limits that the README has; its links into the repository are left out."""
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    text = text.partition("## Limits\n")[2].partition("\n## ")[0]
    return "# Limits\n" + re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


def index(title, cards):
    """Return a list of all cards with what they say they are."""
    lines = [f"- [{card.title}]({name}.md) (`{name}`): {card.summary}" for name, card in cards.items()]
    return f"# {title}\n\n" + "\n".join(lines) + "\n"


def paper(of):
    """Return the reference of a paper."""
    return f"{of.authors}: [{of.title}]({of.url}) ({of.venue} {of.year})"


def cell(text):
    """Return text as it may stand in a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def strategy_page(card):
    """Return the page of a strategy."""
    rows = [
        f"| `{name}` | {cell(entry.value)} | {cell(entry.meaning)} | {cell(entry.source)} |"
        for name, entry in card.hyperparameters.items()
    ]
    parts = [f"# {card.title}", card.summary, paper(card.paper)]
    parts.append(f"```sh\nnasbench-suite search TASK --strategy {card.name}\n```")
    if card.tuned_on:
        parts.append(f"Hyperparameters were chosen on {', '.join(card.tuned_on)}; boards mark it there.")
    if rows:
        head = "| hyperparameter | value | what it is | where it comes from |\n| --- | --- | --- | --- |"
        parts += ["## Hyperparameters", "\n".join([head, *rows])]
    if card.deviations:
        parts += ["## How it departs from the paper", "\n".join(f"- {line}" for line in card.deviations)]
    return "\n\n".join(parts) + "\n"


def benchmark_page(sheet):
    """Return the page of a benchmark."""
    tasks = [f"| `{sheet.task(name)}` | {cell(entry.title)} |" for name, entry in sheet.tasks.items()]
    metrics = [
        f"| `{name}` | {m.unit} | {m.direction} | {m.role} | {cell(m.description)} |"
        for name, m in sheet.metrics.items()
    ]
    parts = [f"# {sheet.title}", sheet.summary, paper(sheet.paper), f"Licence: {sheet.licence}."]
    parts += ["## Tasks", "\n".join(["| task | |\n| --- | --- |", *tasks])]
    parts += ["## How it was made", sheet.rows, sheet.training, sheet.hardware, sheet.splits, sheet.source]
    head = "| metric | unit | better | role | |\n| --- | --- | --- | --- | --- |"
    parts += ["## Metrics", "\n".join([head, *metrics])]
    parts += ["## Defects", "\n".join(f"- {line}" for line in sheet.defects)]
    return "\n\n".join(parts) + "\n"
