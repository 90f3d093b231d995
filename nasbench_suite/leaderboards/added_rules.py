"""The `rules.toml` of a board with one strategy more."""

import json

from nasbench_suite.leaderboards.submission import Submission


def added_rules(rules: str, submission: Submission) -> str:
    """Return the text of rules with a submission's strategy at the end.

    Strings are written as JSON has them, which TOML reads alike.

    Parameters
    ----------
    rules
        The text of a `rules.toml`.
    submission
        Whose entry is added.
    """
    entry = submission.entry
    lines = [
        "[[strategies]]",
        f"strategy = {json.dumps(entry.strategy)}",
        f"label = {json.dumps(entry.name)}",
    ]
    if entry.runs is not None:
        lines.append(f"runs = {entry.runs}")
    if entry.reward:
        lines.append(f"reward = {json.dumps(entry.reward)}")
    if entry.settings:
        pairs = (f"{json.dumps(name)} = {json.dumps(value)}" for name, value in entry.settings.items())
        lines.append(f"settings = {{ {', '.join(pairs)} }}")
    return "\n".join([rules.rstrip("\n"), "", *lines, ""])
