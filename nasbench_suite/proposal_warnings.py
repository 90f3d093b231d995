"""What the proposals of a search met, counted, so that all blocks of a search say it once."""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import NasbenchSuiteWarning


class ProposalWarning(NasbenchSuiteWarning):
    """Some of the proposals of a search met what its user should know of.

    Parameters
    ----------
    met, asked
        How many proposals it is true of, and of how many.
    what
        The rest of the sentence, from `proposals` on.
    """

    def __init__(self, met: int, asked: int, what: str):
        super().__init__(met, asked, what)
        self.met, self.asked, self.what = met, asked, what

    def __str__(self) -> str:
        """Return the sentence."""
        return f"{self.met:,} of {self.asked:,} {self.what}"


class MissingProposalWarning(ProposalWarning, MissingResultWarning):
    """Proposals met results that the benchmark does not hold."""


class UndefinedRewardWarning(ProposalWarning):
    """The reward of proposals is no finite number, although nothing that it is computed of is missing."""


@contextmanager
def collected() -> Iterator[list[ProposalWarning]]:
    """Yield a list that takes, at the end, the warnings about proposals that were given meanwhile."""
    found: list[ProposalWarning] = []
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always", ProposalWarning)
        yield found
    for one in given:
        if isinstance(one.message, ProposalWarning):
            found.append(one.message)
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def warn_together(found: Iterable[ProposalWarning]) -> None:
    """Give warnings that say the same of other proposals as one; they point to whom calls `search`."""
    counts: dict[tuple[type[ProposalWarning], str], list[int]] = defaultdict(lambda: [0, 0])
    for one in found:
        numbers = counts[type(one), one.what]
        numbers[0] += one.met
        numbers[1] += one.asked
    for (kind, what), (met, asked) in counts.items():
        warnings.warn(kind(met, asked, what), stacklevel=5)
