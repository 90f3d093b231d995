"""Where boards lie whose rules are a file of another name than `rules.toml`."""

from pathlib import Path

from nasbench_suite.cards import AnyCard, read_card
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError


def folders_with(file: str) -> dict[str, Path]:
    """Return the folders that ship with rules in such a file, by name."""
    found = (content_root() / "leaderboards").glob(f"*/{file}")
    return {path.parent.name: path.parent for path in sorted(found)}


def rules_in(folder: Path | str, file: str, model: type[AnyCard], boards: str) -> tuple[Path, AnyCard]:
    """Return a folder, given by its path or its name, and its rules.

    Parameters
    ----------
    folder, file, model
        Where, in which file, and of what form.
    boards
        What errors call the folders that have one.

    Raises
    ------
    CardError
        When the rules cannot be read or do not fit together.
    NasbenchSuiteError
        When there are none.
    """
    known = folders_with(file)
    home = known.get(str(folder), Path(folder))
    if not (home / file).is_file():
        raise NasbenchSuiteError(f"{folder} holds no {file}; {boards} are {', '.join(known) or 'none'}.")
    return home, read_card(home / file, model)
