"""The tables of a board to take away: every number as CSV, the ranking as LaTeX (booktabs) and Markdown."""

from collections.abc import Sequence

import pandas as pd

from nasbench_suite.leaderboards.board import Board

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"†": r"$\dagger$"})


def results_csv(board: Board) -> str:
    """Return one line per task and strategy, results in the metric's own unit."""
    rows = []
    for column in board.columns:
        for label in board.by_rank():
            found, difference = board.summaries[column][label], board.differences.get(column, {}).get(label)
            rows.append(
                {
                    "task": column,
                    "metric": board.metrics[column],
                    "unit": board.units[column],
                    "strategy": label,
                    "runs": found.runs,
                    "test_mean": found.test.mean,
                    "test_sd": found.test.sd,
                    "test_low": found.test.low,
                    "test_high": found.test.high,
                    "test_regret": found.test_regret.mean,
                    "valid_mean": found.valid.mean,
                    "valid_regret": found.valid_regret.mean,
                    "share_in_top": found.top.share,
                    "evaluations_to_top": found.top.median,
                    "share_at_optimum": found.optimum.share,
                    "evaluations_to_optimum": found.optimum.median,
                    "behind": None if difference is None else difference.behind.mean,
                    "p_holm": None if difference is None else difference.p,
                    "lost": None if difference is None else difference.lost,
                }
            )
    return pd.DataFrame(rows).to_csv(index=False, float_format="%.8g", lineterminator="\n")


def ranking_markdown(board: Board) -> str:
    """Return the ranking as a table in Markdown."""
    header, rows = _ranking(board)
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def ranking_latex(board: Board) -> str:
    """Return the ranking as a LaTeX table; it needs the package booktabs."""
    header, rows = _ranking(board)
    body = [" & ".join(cell.translate(_SPECIAL) for cell in line) + r" \\" for line in rows]
    caption = f"{board.rules.title}: mean rank and test regret in {board.difference_unit}".translate(_SPECIAL)
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{caption}; {board.rules.runs} runs.}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"    \toprule",
            f"    {' & '.join(cell.translate(_SPECIAL) for cell in header)} \\\\",
            r"    \midrule",
            *(f"    {line}" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _ranking(board: Board) -> tuple[list[str], list[list[str]]]:
    ranks = board.ranks()
    header = ["strategy", "rank", *board.columns]
    rows = [
        [_marked(board, label), f"{ranks[label]:.2f}", *_regrets(board, label)] for label in board.by_rank()
    ]
    return header, rows


def _marked(board: Board, label: str) -> str:
    return f"{label}†" if board.tuned_on(label) else label


def _regrets(board: Board, label: str) -> Sequence[str]:
    return [
        scale.text(board.summaries[column][label].test_regret.mean) for column, scale in board.scales.items()
    ]
