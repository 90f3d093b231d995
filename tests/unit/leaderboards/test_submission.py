"""Submissions: packed, read without running anything, held against the tables, taken onto a board."""

import dataclasses
import zipfile

import numpy as np
import pytest

from nasbench_suite import Budget, NasbenchSuiteError, load_benchmark
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.jobs import Search
from nasbench_suite.leaderboards.added_rules import added_rules
from nasbench_suite.leaderboards.admission import admit
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.rescoring import check_scores
from nasbench_suite.leaderboards.results import save_board
from nasbench_suite.leaderboards.rules import Rules, read_rules
from nasbench_suite.leaderboards.submission import Submission, contest_of, pack, read_submission
from nasbench_suite.runs import Runs

TASKS = ("graph/cora", "graph/citeseer")
STRATEGY = '''
from nasbench_suite import SingleRunStrategy


class Walker(SingleRunStrategy):
    """Changes one gene of the best so far."""

    step: int = 1

    def setup(self):
        self.best = None

    def propose(self):
        if self.best is None:
            return self.space.sample(self.rng, 1)[0]
        return self.space.mutate(self.rng, self.best[1][None])[0]

    def observe(self, genes, score):
        if self.best is None or score > self.best[0]:
            self.best = (score, genes)
'''
DRIFTER = STRATEGY.replace("from nasbench_suite", "import numpy as np\nfrom nasbench_suite", 1).replace(
    "self.space.sample(self.rng, 1)", "self.space.sample(np.random.default_rng(), 1)"
)


def rules_of(strategies, **changed):
    fixed = {"title": "A contest", "summary": "Made up.", "evaluations": 30, "runs": 8, "resamples": 50}
    return Rules.model_validate(
        {**fixed, "tasks": list(TASKS), "duplicates": "free", "strategies": strategies, **changed}
    )


OURS = [{"strategy": "random_search"}, {"strategy": "regularized_evolution"}]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    board = run_board(rules_of(OURS), folder, folder / "runs")
    save_board(board, folder / "results.h5")
    return board, folder


def played(folder, strategies, code=STRATEGY, **changed):
    (folder / "mine.py").write_text(code)
    return run_board(rules_of(strategies, **changed), folder, folder / "runs")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs")
    strategies = [{"strategy": "mine.py:Walker", "label": "walker"}, {"strategy": "genetic"}]
    return played(folder, strategies), folder


@pytest.fixture(scope="module")
def packed(theirs, tmp_path_factory):
    board, folder = theirs
    out = tmp_path_factory.mktemp("packed") / "walker.zip"
    return pack(board, folder, "walker", out, home=folder, about="It walks.")


@pytest.fixture
def submission(packed):
    return read_submission(packed)


# -- the file ---------------------------------------------------------------------------------------


def test_a_file_holds_records_code_and_what_made_them(submission, theirs):
    board, folder = theirs
    assert submission.label == "walker"
    assert submission.head.about == "It walks."
    assert submission.head.contest == contest_of(board.rules)
    assert submission.code == (folder / "mine.py").read_bytes()
    assert submission.head.made_with["numpy"] == np.__version__
    for task in TASKS:
        (record,) = submission.records(task)
        assert record == (folder / "runs" / task.replace("/", "-") / "walker" / "block-0000.h5").read_bytes()


def test_the_same_runs_give_the_same_bytes(theirs, packed, tmp_path):
    board, folder = theirs
    again = pack(board, folder, "walker", tmp_path / "again.zip", home=folder, about="It walks.")
    assert again.read_bytes() == packed.read_bytes()


def test_a_strategy_of_the_suite_brings_no_file(theirs, tmp_path):
    board, folder = theirs
    made = read_submission(pack(board, folder, "genetic", tmp_path / "g.zip", home=folder))
    assert made.code is None
    assert made.head.entry.strategy == "genetic"


def test_what_cannot_be_packed_is_refused(theirs, tmp_path):
    board, folder = theirs
    with pytest.raises(NasbenchSuiteError, match="no strategy 'nobody' that was played; it has walker"):
        pack(board, folder, "nobody", tmp_path / "x.zip", home=folder)
    with pytest.raises(NasbenchSuiteError, match="has no records; play the board here first"):
        pack(board, tmp_path, "walker", tmp_path / "x.zip", home=folder)
    with pytest.raises(NasbenchSuiteError, match="is not there; say where its rules lie"):
        pack(board, folder, "walker", tmp_path / "x.zip", home=tmp_path)


def altered(packed, path, change):
    """Write the file with changed entries, by name to bytes; None takes one out."""
    with zipfile.ZipFile(packed) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files.update(change(files))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            if content is not None:
                archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: {"submission.json": b"{}"}, "no submission, or damaged"),
        (lambda files: {"submission.json": None}, "no submission, or damaged"),
        (lambda files: {"strategy.py": b"print()"}, "strategy.py is not what"),
        (lambda files: {"records/graph-cora/block-0000.h5": None}, "block-0000.h5 is not what"),
        (lambda files: {"records/graph-cora/block-0001.h5": b"x"}, "block-0001.h5 is not what"),
        (lambda files: {"../evil.py": b"x"}, "nothing that a submission has"),
        (lambda files: {"records/../../evil.h5": b"x"}, "nothing that a submission has"),
        (
            lambda files: {
                "submission.json": files["submission.json"].replace(b'"format": 1', b'"format": 9')
            },
            "its format is 9, not 1",
        ),
    ],
)
def test_a_file_that_was_changed_is_refused(packed, tmp_path, change, message):
    with pytest.raises(DamagedFileError, match=message):
        read_submission(altered(packed, tmp_path / "x.zip", change))


def test_no_damage_is_read_as_a_submission(packed, tmp_path):
    content = packed.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "x.zip"
    for _ in range(60):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            found = read_submission(path)
        except DamagedFileError:
            continue
        assert found == read_submission(packed)  # a bit that means nothing
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError):
        read_submission(path)
    with pytest.raises(NasbenchSuiteError, match="there is no"):
        read_submission(tmp_path / "nothing.zip")


# -- what is checked --------------------------------------------------------------------------------


def test_what_holds_is_on_the_board_as_if_it_had_been_played_there(ours, theirs, submission):
    board, home = ours
    found = admit(board, home, submission, run_code=True)
    assert (found.scored, found.replayed, found.blocks) == (2, 2, 2)
    assert found.remarks == []
    assert found.board.labels == ["random_search", "regularized_evolution", "walker"]
    for task in TASKS:
        assert found.board.summaries[task]["walker"].test == theirs[0].summaries[task]["walker"].test
        assert found.board.summaries[task]["random_search"] == board.summaries[task]["random_search"]
        assert np.array_equal(
            found.board.finals[task]["walker"].anytime, theirs[0].finals[task]["walker"].anytime
        )
        assert found.board.picks[task]["walker"].runs.sum() == 8
    assert "played again" in found.board.versions["submission walker"]


def test_foreign_code_is_run_only_where_it_is_allowed(ours, submission, tmp_path):
    board, home = ours
    found = admit(board, home, submission)
    assert found.replayed == 0
    assert "would run the submission's own file" in found.remarks[0]
    evil = submission.code + f"\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n".encode()
    with pytest.raises(NasbenchSuiteError, match="played by another file than strategy"):
        admit(board, home, Submission(submission.head, {**submission.files, "strategy.py": evil}))
    assert not (tmp_path / "ran").exists()


def test_a_strategy_that_gives_other_results_every_time_is_refused(ours, tmp_path):
    board, home = ours
    made = played(tmp_path, [{"strategy": "mine.py:Walker", "label": "drifter"}], code=DRIFTER)
    drifter = read_submission(pack(made, tmp_path, "drifter", tmp_path / "d.zip", home=tmp_path))
    assert admit(board, home, drifter).scored == 2  # its scores are those of the tables
    with pytest.raises(NasbenchSuiteError, match=r"its genes are others .*here the processor is"):
        admit(board, home, drifter, run_code=True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"evaluations": 31}, "its evaluations is 31, the board's 30"),
        ({"seed": 1}, "its seed is 1, the board's 0"),
        ({"duplicates": "count"}, "its duplicates is 'count'"),
        ({"tasks": ["graph/cora"]}, "its tasks is"),
    ],
)
def test_other_rules_are_refused(ours, tmp_path, changed, message):
    board, home = ours
    made = played(tmp_path, [{"strategy": "genetic"}], **changed)
    other = read_submission(pack(made, tmp_path, "genetic", tmp_path / "g.zip", home=tmp_path))
    with pytest.raises(NasbenchSuiteError, match=message):
        admit(board, home, other)


def test_a_label_that_is_there_is_refused(ours, tmp_path):
    board, home = ours
    made = played(tmp_path, [{"strategy": "genetic", "label": "random_search"}])
    other = read_submission(pack(made, tmp_path, "random_search", tmp_path / "g.zip", home=tmp_path))
    with pytest.raises(NasbenchSuiteError, match="has a strategy called 'random_search' already"):
        admit(board, home, other)


def forged(submission, tmp_path, **arrays):
    """Return the submission with a changed record of cora, checksums and all."""
    path = tmp_path / "record.h5"
    path.write_bytes(submission.records("graph/cora")[0])
    record = Runs.load(path)
    changed = {name: change(getattr(record, name).copy()) for name, change in arrays.items()}
    dataclasses.replace(record, **changed).save(path)
    return Submission(
        submission.head, {**submission.files, "records/graph-cora/block-0000.h5": path.read_bytes()}
    )


def better(valid):
    valid[2, 5] += 0.1
    return valid


def best_gene_at_once(genes):
    table = load_benchmark("graph/cora")
    genes[3, 0] = table.table.genes[np.nanargmax(table.test_column())]
    return genes


def longer(request):
    return {**request, "budget": {**request["budget"], "evaluations": 60}}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"valid": better}, r"valid of run 2, proposal 5 is .* in the record, and .* by the table"),
        ({"genes": best_gene_at_once}, r"valid of run 3, proposal 0 is"),
        ({"counted": lambda counted: np.zeros_like(counted)}, "counted of run 0, proposal 0"),
        ({"length": lambda length: length - 1}, "a run ends before its budget is spent"),
        ({"genes": lambda genes: np.where(genes == genes[0, 0], 200, genes)}, "no architecture"),
        ({"request": longer}, "its budget is"),
        ({"request": lambda request: {**request, "table_sha256": "0" * 64}}, "its table_sha256 is"),
        ({"request": lambda request: {**request, "seed": 5}}, "its seed is 5, not 0"),
        ({"request": lambda request: {**request, "task": "graph/arxiv"}}, "its task is"),
    ],
)
def test_a_record_that_was_forged_is_refused(ours, submission, tmp_path, arrays, message):
    board, home = ours
    with pytest.raises(NasbenchSuiteError, match=message):
        admit(board, home, forged(submission, tmp_path, **arrays))


def test_runs_that_are_missing_are_refused(ours, submission):
    board, home = ours
    files = {name: content for name, content in submission.files.items() if "cora" not in name}
    with pytest.raises(NasbenchSuiteError, match="has 0 records on graph/cora, and its runs make 1"):
        admit(board, home, Submission(submission.head, files))


# -- scores of every kind of strategy ---------------------------------------------------------------


@pytest.mark.parametrize("repeat", ["mean", "random"])
@pytest.mark.parametrize("duplicates", ["count", "free"])
@pytest.mark.parametrize(
    ("strategy", "evaluations", "seconds"),
    [("genetic", 40, None), ("asha", 30, None), ("hyperband", None, 40.0), ("local_search", None, 30.0)],
)
def test_records_that_the_loop_wrote_hold(made_up, strategy, evaluations, seconds, duplicates, repeat):
    asked = Search(
        strategy,
        made_up,
        Budget(evaluations, seconds),
        runs=5,
        seed=3,
        duplicates=duplicates,
        repeat=repeat,
    )
    (block,) = asked.blocks()
    record = block.play()
    _, noise = block.seeds(made_up.id)

    def check(record):
        return check_scores(
            record,
            made_up,
            asked.budget,
            duplicates,
            np.random.default_rng(noise) if repeat == "random" else repeat,
            resumes=strategy in ("asha", "hyperband", "bohb"),
        )

    assert check(record) == ""
    valid = record.valid.copy()
    valid[1, 3] += 1e-9
    assert "run 1, proposal 3" in check(dataclasses.replace(record, valid=valid))


def test_the_rules_have_the_strategy_afterwards(ours, submission, tmp_path):
    text = (
        'title = "A contest"\nsummary = "Made up."\nevaluations = 30\nruns = 8\nduplicates = "free"\n'
        'tasks = ["graph/cora", "graph/citeseer"]\n[[strategies]]\nstrategy = "random_search"\n'
    )
    head = submission.head.model_copy(
        update={"entry": submission.head.entry.model_copy(update={"settings": {"step": 2}, "runs": 5})}
    )
    (tmp_path / "rules.toml").write_text(added_rules(text, Submission(head, submission.files)))
    entry = read_rules(tmp_path).strategies[-1]
    assert (entry.strategy, entry.label, entry.runs) == ("walker.py:Walker", "walker", 5)
    assert entry.settings == {"step": 2}
