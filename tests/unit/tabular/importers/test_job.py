"""Imports under way: all tables appear, or none and nothing half-made."""

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import catalogue
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.importers import IMPORTERS, importer
from nasbench_suite.tabular.importers.job import ImportJob, no_progress, staged
from nasbench_suite.tabular.table import read_table


def tree(folder):
    """Every file below a folder with its content, every empty folder with None."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


@pytest.fixture
def target(tmp_path):
    """A benchmark of which two tables are there."""
    (tmp_path / "tables" / "bench").mkdir(parents=True)
    (tmp_path / "tables" / "bench" / "a.h5").write_text("old a")
    (tmp_path / "tables" / "bench" / "kept.h5").write_text("old")
    return tmp_path / "tables" / "bench"


def test_what_was_staged_is_moved_and_replaces_what_was_there(target):
    with staged(target) as staging:
        assert list(staging.iterdir()) == []
        assert staging.parent.parent == target.parent, "a rename works within one file system only"
        (staging / "a.h5").write_text("new a")
        (staging / "b.h5").write_text("new b")
        assert tree(target) == {"a.h5": "old a", "kept.h5": "old"}
    assert tree(target.parent) == {"bench/a.h5": "new a", "bench/b.h5": "new b", "bench/kept.h5": "old"}


def test_folders_are_made(tmp_path):
    with staged(tmp_path / "far" / "away") as staging:
        (staging / "a.h5").write_text("new a")
    assert tree(tmp_path) == {"far/away/a.h5": "new a"}


def test_an_import_of_nothing_leaves_no_folder(tmp_path):
    with staged(tmp_path / "bench"):
        pass
    assert tree(tmp_path) == {}


def test_what_a_killed_import_left_goes_with_the_next_one_that_ends_well(target):
    code = f"""
import os, pathlib, signal
from nasbench_suite.tabular.importers.job import staged
with staged(pathlib.Path({str(target)!r})) as staging:
    (staging / "a.h5").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    left = [path for path in target.parent.iterdir() if path != target]
    assert len(left) == 1
    with pytest.raises(KeyError), staged(target):
        raise KeyError
    assert left[0].exists(), "it may hold the last copy of something until there is a new one"
    with staged(target) as staging:
        (staging / "a.h5").write_text("new a")
    assert tree(target.parent) == {"bench/a.h5": "new a", "bench/kept.h5": "old"}


@pytest.mark.parametrize("problem", [DamagedFileError("x"), KeyboardInterrupt(), KeyError("x")], ids=repr)
def test_nothing_is_moved_when_the_import_fails(target, problem):
    before = tree(target.parent)
    with pytest.raises(type(problem)), staged(target) as staging:  # noqa: PT012
        (staging / "a.h5").write_text("new a")
        (staging / "folder").mkdir()
        (staging / "folder" / "part").write_text("half")
        raise problem
    assert tree(target.parent) == before


def test_a_full_disk_is_a_sentence_and_nothing_is_moved(target, monkeypatch):
    before = tree(target.parent)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NasbenchSuiteError) as caught, staged(target) as staging:  # noqa: PT012
        (staging / "a.h5").write_text("new a")
        monkeypatch.setattr(type(target), "replace", full)
    monkeypatch.undo()
    assert str(caught.value) == (
        f"cannot write {target}: the disk is full; free some space and run the same command again."
    )
    assert tree(target.parent) == before


def test_a_source_that_cannot_be_read_is_not_called_a_failure_to_write(target):
    with pytest.raises(Exception, match="official") as caught, staged(target):
        (target / "official").read_text()
    assert "cannot write" not in str(caught.value)


def test_all_is_moved_or_nothing(target):
    (target / "b.h5").mkdir()
    before = tree(target.parent)
    with pytest.raises(NasbenchSuiteError, match="cannot write"), staged(target) as staging:  # noqa: PT012
        (staging / "a.h5").write_text("new a")
        (staging / "b.h5").write_text("new b")
    assert tree(target.parent) == before


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(NasbenchSuiteError, match="a part of the path is a file, not a folder"),
        staged(tmp_path / "file" / "bench"),
    ):
        pytest.fail("there is nowhere to write")
    (tmp_path / "bench").write_text("")
    with (
        pytest.raises(NasbenchSuiteError, match=r"cannot write .*bench: "),
        staged(tmp_path / "bench") as staging,
    ):
        (staging / "a.h5").write_text("new a")
    assert tree(tmp_path) == {"file": "", "bench": ""}


# -- the job -----------------------------------------------------------------------------------------


def job(tmp_path, *files, name="graph"):
    return ImportJob(tuple(files), datasheets()["graph"], name, tmp_path)


def test_a_job_names_tasks_and_files(tmp_path):
    assert job(tmp_path, name="mine").task("cora") == "mine/cora"
    assert job(tmp_path, name="mine").path("cora") == tmp_path / "cora.h5"


def test_a_job_saves_a_table_under_its_data_set(tmp_path, make_table):
    job(tmp_path).save(make_table(rows=5))
    assert [path.name for path in tmp_path.iterdir()] == ["up.h5"]
    assert read_table(tmp_path / "up.h5").sha256 == make_table(rows=5).sha256


def test_the_only_file_is_the_only_one(tmp_path):
    assert job(tmp_path, Path("a")).one_file() == Path("a")
    with pytest.raises(NasbenchSuiteError, match="nasbench-graph reads one file, not 2; name one"):
        job(tmp_path, Path("a"), Path("b")).one_file()


# -- import_tables -----------------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    (tmp_path / "official").write_text("x")
    return catalogue.tables_folder()


def importing(monkeypatch, convert):
    monkeypatch.setattr(catalogue, "importer", lambda name: convert)


def test_an_import_makes_tasks_that_open(tables, tmp_path, monkeypatch, make_table):
    def convert(job):
        assert (job.files, job.jobs, job.name) == ((tmp_path / "official",), 2, "made")
        job.progress(1, 1)
        job.save(make_table(rows=5))

    importing(monkeypatch, convert)
    done = []
    made = catalogue.import_tables(
        "x",
        [tmp_path / "official"],
        sheet=datasheets()["graph"],
        name="made",
        jobs=2,
        progress=lambda *step: done.append(step),
    )
    assert made == ["made/up"]
    assert done == [(1, 1)]
    assert catalogue.imported_tasks() == ["made/up"]
    assert "made/up" in catalogue.table_tasks()
    assert catalogue.is_ready("made/up")
    assert catalogue.open_table_task("made/up").table.sha256 == make_table(rows=5).sha256
    assert catalogue.table_path("made/up") == tmp_path / "data" / "tables-2" / "made" / "up.h5"


def test_a_failed_import_leaves_no_task(tables, tmp_path, monkeypatch, make_table):
    def convert(job):
        job.save(make_table(rows=5))
        raise DamagedFileError("no official file")

    importing(monkeypatch, convert)
    with pytest.raises(DamagedFileError, match="no official file"):
        catalogue.import_tables("x", [tmp_path / "official"], sheet=datasheets()["graph"], name="made")
    assert catalogue.imported_tasks() == []
    assert tree(tables) == {}


def test_an_absent_file_or_format_is_a_sentence(tables, tmp_path, monkeypatch):
    with pytest.raises(NasbenchSuiteError, match="did you mean nasbench-graph"):
        catalogue.import_tables("nasbench-grapf", [tmp_path / "official"])
    with pytest.raises(NasbenchSuiteError, match="no importer with a datasheet 'nothing'"):
        catalogue.datasheet_of("nothing")
    importing(monkeypatch, lambda job: pytest.fail("there is nothing to import"))
    with pytest.raises(NasbenchSuiteError, match=r"there is no .*absent; give the official file or folder"):
        catalogue.import_tables("nasbench-graph", [tmp_path / "official", tmp_path / "absent"])
    assert not tables.exists()


@pytest.mark.parametrize("name", sorted(IMPORTERS))
def test_every_importer_that_is_listed_is_there(name):
    assert callable(importer(name))


@pytest.mark.parametrize("name", ["../outside", "a/b", ".hidden", ""])
def test_a_name_that_is_no_folder_of_the_tables_is_refused(tables, tmp_path, monkeypatch, make_table, name):
    importing(monkeypatch, lambda job: job.save(make_table(rows=5)))
    sheet = datasheets()["graph"]
    if not name:
        sheet = sheet.model_copy(update={"name": "../outside"})
    with pytest.raises(NasbenchSuiteError):
        catalogue.import_tables("x", [tmp_path / "official"], sheet=sheet, name=name)


def test_progress_may_be_left_out():
    assert no_progress(1, 2) is None
