"""Damaged, foreign and hostile archives of NATS-Bench are refused, by name, and leave nothing behind."""

import bz2
import copy
import io
import os
import pickle
import shutil
import tarfile

import official_nats as official
import pytest
from official_nats import FOLDERS

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular.catalogue import import_tables

META, RECORD = "meta.pickle.pbz2", "000011.pickle.pbz2"
PARTIAL = {"partial": "yes"}


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hostile",)


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def official_folder(shared_data):
    return shared_data / "nats_official_sample" / FOLDERS["nats-topology"]


@pytest.fixture
def folder(official_folder, tmp_path):
    """A copy of the official folder, to be damaged."""
    return shutil.copytree(official_folder, tmp_path / "archive")


def refused(path, match, importer="nats-topology", jobs=1, options=PARTIAL):
    with pytest.raises(DamagedFileError, match=match) as caught:
        import_tables(importer, [path], jobs=jobs, options=options)
    assert not list((path.parent / "data").rglob("*.*"))
    assert not (path.parent / "hostile").exists()
    assert "\n" not in str(caught.value)


def put(path, content):
    path.write_bytes(bz2.compress(pickle.dumps(content), 1))


# -- records that are lacking ------------------------------------------------------------------------


def test_an_incomplete_archive_is_refused_unless_partial(folder, tmp_path):
    refused(folder, "lacks 15622 of 15625 records, the first 000001", options={})
    full = official.as_full(folder, tmp_path / "full.pickle")
    refused(full, "lacks 15622 of 15625 records, the first 000001", options={})
    full.write_bytes(pickle.dumps({**official.full(folder), "arch2infos": {}}))
    refused(full, "lacks 15625 of 15625 records, the first 000000", options={})
    for path in folder.glob("0*"):
        path.unlink()
    refused(folder, "lacks 15625 of 15625 records, the first 000000")


def test_an_archive_without_meta_is_refused(folder):
    (folder / META).unlink()
    refused(folder, f"has no {META}")


def test_an_archive_of_the_other_space_is_refused(folder, shared_data):
    refused(folder, "15625 different architectures; space 'nats_size' has 32768", "nats-size")
    shutil.copy(shared_data / "nats_official_sample" / FOLDERS["nats-size"] / META, folder)
    refused(folder, "32768 different architectures; space 'nats_topology' has 15625")


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "has no meta.pickle.pbz2")
    with pytest.raises(NasbenchSuiteError, match="reads one file, not 2"):
        import_tables("nats-topology", [tmp_path / "empty"] * 2)


# -- the list of architectures -----------------------------------------------------------------------


def changed_meta(folder, change):
    meta = copy.deepcopy(official.meta(folder))
    change(meta["meta_archs"])
    put(folder / META, meta)


def test_meta_with_a_string_twice(folder):
    changed_meta(folder, lambda texts: texts.__setitem__(5, texts[4]))
    refused(folder, "lists 15624 different architectures")


def test_meta_with_what_is_no_architecture(folder):
    changed_meta(folder, lambda texts: texts.__setitem__(11, "|none~0|"))
    refused(folder, f"{META}: .*describes 1 node")


@pytest.mark.parametrize("content", [None, [], {"meta_archs": None}, {"meta_archs": [1] * 15625}], ids=str)
def test_meta_of_another_structure(folder, content):
    put(folder / META, content)
    refused(folder, "lists no architectures")


# -- records -----------------------------------------------------------------------------------------


def test_a_record_beyond_the_last(folder):
    shutil.copy(folder / RECORD, folder / "015625.pickle.pbz2")
    refused(folder, "has record 015625, but lists 15625 architectures")


def test_truncated_and_corrupt_compression(folder):
    whole = (folder / RECORD).read_bytes()
    for name, content in {
        "is truncated": whole[: len(whole) // 2],
        "is no bz2 file or corrupt": whole[:5000] + b"\0\0\0\0" + whole[5004:],
        "is no bz2 file": b"PK" + whole,
    }.items():
        (folder / RECORD).write_bytes(content)
        for jobs in (1, 2):
            refused(folder, f"record {RECORD} {name}", jobs=jobs)


def test_a_file_that_grows_without_end(folder):
    machine = bz2.BZ2Compressor(9)
    piece = bytes(1 << 24)
    (folder / RECORD).write_bytes(b"".join(machine.compress(piece) for _ in range(17)) + machine.flush())
    refused(folder, f"record {RECORD} holds far more than a record")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_hostile_record_is_not_run(folder, jobs):
    put(folder / RECORD, {"12": Hostile(), "200": Hostile()})
    refused(folder, f"record {RECORD} is refused: it asks for posix.system. Nothing of it was run", jobs=jobs)


def changes():
    def trial(record):
        return record["200"]["all_results"]["cifar100", 888]

    def of_another(record):
        record["200"]["arch_str"] = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"

    def unknown_seed(record):
        record["12"]["dataset_seed"]["cifar10"] = [111, 112]
        record["12"]["all_results"]["cifar10", 112] = record["12"]["all_results"]["cifar10", 111]

    def unknown_dataset(record):
        record["12"]["dataset_seed"]["svhn"] = [111]

    return {
        "another architecture": (of_another, r"it is of architecture '\|none~0.*, not '\|nor_conv_3x3~0"),
        "unknown seed": (unknown_seed, "seed 112 of cifar10 is not one of 111, 777"),
        "unknown data set": (unknown_dataset, "data set 'svhn' is not one of the benchmark's"),
        "other data set": (
            lambda r: trial(r).update(name="cifar10"),
            "of cifar100, 200 epochs, .* 'cifar10'",
        ),
        "other schedule": (lambda r: trial(r).update(epochs=12), "'cifar100', 12 epochs"),
        "text": (lambda r: trial(r)["train_losses"].update({5: "0.5"}), "a result is no number"),
        "none": (lambda r: trial(r)["eval_acc1es"].update({"x-test@199": None}), "a result is no number"),
        "no schedule": (lambda r: r.pop("12"), "has not the structure of a record"),
        "no results": (lambda r: r["200"].pop("all_results"), "has not the structure of a record"),
        "a seed without results": (
            lambda r: r["200"]["all_results"].pop(("cifar10", 999)),
            "has not the structure of a record",
        ),
        "no field": (lambda r: trial(r).pop("eval_losses"), "has not the structure of a record"),
        "a short list": (
            lambda r: trial(r).update(train_losses=[1.0] * 100),
            "has not the structure of a record",
        ),
        "no size": (lambda r: trial(r).update(params=None), "has not the structure of a record"),
    }


CHANGES = changes()


@pytest.mark.parametrize(("change", "match"), CHANGES.values(), ids=CHANGES)
def test_a_record_of_another_structure(folder, tmp_path, change, match):
    content = copy.deepcopy(official.full(folder))
    change(content["arch2infos"][11])
    put(folder / RECORD, content["arch2infos"][11])
    refused(folder, f"record {RECORD}.*{match}")
    (tmp_path / "full.pickle").write_bytes(pickle.dumps(content))
    refused(tmp_path / "full.pickle", f"full.pickle: record 000011.*{match}")


# -- tar ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../000011.pickle.pbz2", "/tmp/000011.pickle.pbz2", "a/../../x"], ids=str)
def test_a_tar_that_leads_outside(folder, tmp_path, name):
    path = official.as_tar(folder, tmp_path / "archive.tar")
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    refused(path, "leads outside")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE], ids=["symbolic", "hard"])
def test_links_in_a_tar_are_not_followed(folder, tmp_path, kind):
    (folder / META).unlink()
    path = official.as_tar(folder, tmp_path / "archive.tar")
    link = tarfile.TarInfo(META)
    link.type, link.linkname = kind, "/etc/passwd"
    with tarfile.open(path, "a") as archive:
        archive.addfile(link)
    refused(path, f"has no {META}")


def test_a_tar_with_a_record_twice(folder, tmp_path):
    path = official.as_tar(folder, tmp_path / "archive.tar")
    with tarfile.open(path, "a") as archive:
        archive.add(folder / RECORD, arcname=RECORD)
    refused(path, f"has {RECORD} twice")


def test_truncated_and_compressed_tars(folder, tmp_path):
    path = official.as_tar(folder, tmp_path / "archive.tar")
    whole = path.read_bytes()
    for length in (0, 100, 700, 40_000, len(whole) // 2, len(whole) - 11_000):
        path.write_bytes(whole[:length])
        refused(path, "truncated")
    path.write_bytes(bz2.compress(whole, 1))
    refused(path, r"unpack a compressed one first")
    path.rename(tmp_path / "archive.tar.bz2")
    refused(tmp_path / "archive.tar.bz2", r"unpack a compressed one first")


# -- the single pickle -------------------------------------------------------------------------------


def test_truncated_full_pickles(folder, tmp_path):
    plain = official.as_full(folder, tmp_path / "full.pickle").read_bytes()
    packed = official.as_full(folder, tmp_path / "full.pickle.pbz2").read_bytes()
    for name, whole in (("full.pickle", plain), ("full.pickle.pbz2", packed)):
        for length in (0, 2, 100, len(whole) // 2, len(whole) - 1):
            (tmp_path / name).write_bytes(whole[:length])
            refused(tmp_path / name, f"{name} is truncated")
    (tmp_path / "full.pickle.pbz2").write_bytes(packed[:90_000] + b"\0\0\0\0" + packed[90_004:])
    refused(tmp_path / "full.pickle.pbz2", "is truncated")


def test_full_pickles_of_another_structure(folder, tmp_path, shared_data):
    path = tmp_path / "full.pickle"
    content = official.full(folder)
    for change, match in {
        "meta only": ({**content, "arch2infos": None}, "no dictionary under 'arch2infos'"),
        "a record": (content["arch2infos"][0], "no dictionary under 'arch2infos'"),
        "a list": ([content], "it is no dictionary"),
        "no meta": ({"arch2infos": content["arch2infos"]}, "lists no architectures"),
        "text index": ({**content, "arch2infos": {"0": content["arch2infos"][0]}}, "record of number '0'"),
        "beyond": ({**content, "arch2infos": {15625: content["arch2infos"][0]}}, "has record 015625"),
        "negative": ({**content, "arch2infos": {-1: content["arch2infos"][0]}}, "has record -00001"),
        "empty": ({**content, "arch2infos": {}}, "lacks 15625 of 15625"),
        "hostile": ({**content, "arch2infos": {0: Hostile()}}, "asks for posix.system"),
    }.values():
        path.write_bytes(pickle.dumps(change))
        refused(path, match)
    path.write_bytes(pickle.dumps(content))
    refused(path, "15625 different architectures; space 'nats_size' has 32768", "nats-size")
    refused(path, "15625 different architectures; space 'nats_size' has 32768", "nats-size", options={})


def test_the_architectures_may_come_behind_the_records(folder, tmp_path):
    content = official.full(folder)
    path = tmp_path / "full.pickle"
    path.write_bytes(pickle.dumps({key: content[key] for key in reversed(content)}))
    assert len(import_tables("nats-topology", [path], options=PARTIAL)) == 8
