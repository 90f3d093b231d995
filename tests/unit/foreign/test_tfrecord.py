"""TFRecord files and NAS-Bench-101's records: the real files of EC-NAS, and files broken in every way."""

import base64
import csv
import gzip
import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_model_metrics import decode_metrics, decode_training
from plain_protobuf import fields

from nasbench_suite import get_space
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign import crc32c, tfrecord
from nasbench_suite.foreign.protobuf_columns import MalformedMessageError

FILES = {"energy_4V9E.tfrecord": 1092, "energy_5V9E.tfrecord": 2532}


def crc_bit_by_bit(data):
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def framed(payload):
    def checksum(data):
        crc = crc_bit_by_bit(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(payload))
    return length + checksum(length) + payload + checksum(payload)


def varint(value):
    parts = []
    while value >= 128:
        parts.append(value % 128 + 128)
        value //= 128
    return bytes([*parts, value])


def double(number, value):
    return varint(number * 8 + 1) + struct.pack("<d", value)


def delimited(number, content):
    return varint(number * 8 + 2) + varint(len(content)) + content


def evaluation(*values):
    return b"".join(double(number, value) for number, value in enumerate(values, start=1))


def payload_of(message, **changed):
    record = {
        "hash": "0123456789abcdef" * 2,
        "epochs": 108,
        "adjacency": "011001000",
        "operations": "input,maxpool3x3,output",
        "metrics": base64.encodebytes(message).decode(),
    }
    return json.dumps([*(record | changed).values()]).encode()


METRICS = (
    delimited(1, evaluation(0.0, 0.0, 0.1, 0.2, 0.3))
    + delimited(1, evaluation(54.0, 500.5, 0.4, 0.5, 0.6) + delimited(6, b"/path/model.ckpt-1"))
    + delimited(1, evaluation(108.0, 1000.25, 0.7, 0.8, 0.9))
    + varint(2 * 8)
    + varint(2_694_282)
    + double(3, 1234.5)
)


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "made.tfrecord"
        path.write_bytes(content)
        return list(tfrecord.read_records(path))

    return read


# -- checksums -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),  # RFC 3720, B.4, and the check value of the catalogues of CRCs
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_checksums(data, expected):
    assert crc32c.crc32c(data, np.array([0]), np.array([len(data)])).tolist() == [expected]


@pytest.mark.parametrize("size", [1, 3, 4, 1023, 1024, 1025, 2047, 2048, 2049, 5000])
def test_checksums_of_parts_of_every_length(size):
    rng = np.random.default_rng(size)
    lengths = rng.integers(size + 1, size=30)
    gaps = rng.integers(3, size=31) * rng.integers(900, size=31)
    starts = np.cumsum(gaps[:-1]) + np.cumsum(lengths) - lengths
    data = rng.bytes(int(lengths.sum() + gaps.sum()))
    expected = [
        crc_bit_by_bit(data[a : a + n]) for a, n in zip(starts.tolist(), lengths.tolist(), strict=True)
    ]
    assert crc32c.crc32c(data, starts, starts + lengths).tolist() == expected


def test_checksums_of_thousands_of_parts():
    data = np.random.default_rng(1).bytes(30_000)
    starts = np.arange(0, 30_000, 10)
    assert crc32c.crc32c(data, starts, starts + 9).tolist() == [
        crc_bit_by_bit(data[s : s + 9]) for s in starts
    ]
    assert crc32c.crc32c(b"", starts[:0], starts[:0]).tolist() == []


# -- framing ---------------------------------------------------------------------------------------------


@given(payloads=st.lists(st.binary(max_size=200), max_size=8), at_once=st.integers(1, 300))
def test_records_are_read_back_whatever_is_read_at_once(tmp_path_factory, payloads, at_once):
    path = tmp_path_factory.mktemp("records") / "made.tfrecord"
    path.write_bytes(b"".join(map(framed, payloads)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfrecord, "_BYTES_AT_ONCE", at_once)
        assert list(tfrecord.read_records(path)) == payloads


def test_a_record_longer_than_what_is_read_at_once(read):
    long = np.random.default_rng(2).bytes(1_200_000)
    content = framed(b"before") + framed_fast(long) + framed(b"after")
    assert read(content) == [b"before", long, b"after"]


def framed_fast(payload):
    """As `framed`, a byte at a time."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    register = 0xFFFFFFFF
    for byte in payload:
        register = register >> 8 ^ table[(register ^ byte) & 255]
    crc = register ^ 0xFFFFFFFF
    checksum = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    length = struct.pack("<Q", len(payload))
    return length + framed(length)[-4:] + payload + struct.pack("<I", checksum)


def test_every_flipped_bit_is_found_and_named(read):
    records = [b"first", b"", b"the third one"]
    content = b"".join(map(framed, records))
    begins = np.cumsum([0] + [len(framed(record)) for record in records])
    for bit in range(8 * len(content)):
        broken = bytearray(content)
        broken[bit // 8] ^= 1 << bit % 8
        number = int(np.searchsorted(begins, bit // 8, side="right"))
        with pytest.raises(
            DamagedFileError, match=rf"made.tfrecord is damaged: record {number} begins at byte"
        ):
            read(bytes(broken))


def test_every_truncation_within_a_record_is_found_and_named(read):
    records = [b"first", b"", b"the third one"]
    begins = np.cumsum([0] + [len(framed(record)) for record in records]).tolist()
    content = b"".join(map(framed, records))
    for end in range(len(content)):
        if end in begins:
            assert read(content[:end]) == records[: begins.index(end)]
            continue
        number = int(np.searchsorted(begins, end))
        message = rf"record {number} begins at byte {begins[number - 1]} and the file ends within it; fetch"
        with pytest.raises(DamagedFileError, match=message):
            read(content[:end])


@given(content=st.binary(max_size=60), place=st.integers(0, 60), whole=st.integers(0, 3))
def test_any_bytes_are_records_or_damage(tmp_path_factory, content, place, whole):
    path = tmp_path_factory.mktemp("records") / "made.tfrecord"
    good = framed(b"payload") * whole
    path.write_bytes(good[:place] + content + good[place:])
    try:
        found = list(tfrecord.read_records(path))
    except DamagedFileError:
        return
    assert b"".join(map(framed, found)) == path.read_bytes()


def test_records_before_the_damage_come_first(tmp_path):
    path = tmp_path / "made.tfrecord"
    path.write_bytes(framed(b"one") + framed(b"two") + framed(b"three")[:-1] + b"!" + framed(b"four"))
    records = tfrecord.read_records(path)
    assert [next(records), next(records)] == [b"one", b"two"]
    with pytest.raises(DamagedFileError, match="record 3 begins at byte 38 and the checksum of its payload"):
        next(records)


def test_a_length_beyond_the_file_reserves_no_memory(read):
    length = struct.pack("<Q", 2**62)
    header = length + framed(length)[-4:]
    with pytest.raises(DamagedFileError, match="record 2 begins at byte 19 and the file ends within it"):
        read(framed(b"one") + header + b"x" * 50)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"nothing.tfrecord cannot be read: No such file"):
        list(tfrecord.read_records(tmp_path / "nothing.tfrecord"))
    with pytest.raises(NasbenchSuiteError, match="cannot be read"):
        list(tfrecord.read_records(tmp_path))


# -- the published files ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=FILES)
def published(request, shared_data):
    path = shared_data / "ec_nas" / request.param
    return path, [decode_training(record, "published") for record in tfrecord.read_records(path)]


def test_published_files_are_read_whole(published):
    path, trainings = published
    assert len(trainings) == FILES[path.name]
    assert b"".join(map(framed_fast, tfrecord.read_records(path))) == path.read_bytes()


def test_published_cells_have_the_published_hash(published):
    path, trainings = published
    space = get_space("nasbench101")
    cells = {training.module_hash: training for training in trainings}
    genes = np.stack([space.from_matrix(cell.matrix(), cell.operations) for cell in cells.values()])
    assert space.module_hash(genes) == list(cells)
    # Every cell of up to four or five vertices is there.
    assert len(set(space.encode(genes).tolist())) == {"energy_4V9E": 91, "energy_5V9E": 2532}[path.stem]


def test_published_cells_have_the_parameters_that_nasbench101_counts(published, shared_data):
    _, trainings = published
    with gzip.open(shared_data / "nasbench101" / "sample_30001.csv.gz", "rt") as file:
        counted = {row["hash"]: int(row["trainable_parameters"]) for row in csv.DictReader(file)}
    common = [training for training in trainings if training.module_hash in counted]
    assert len({training.module_hash for training in common}) >= 6
    for training in common:
        assert training.metrics.trainable_parameters == counted[training.module_hash]


def test_published_trainings_hang_together(published):
    _, trainings = published
    for training in trainings:
        start, middle, end = training.metrics.evaluations
        assert start.epoch == start.training_seconds == 0
        assert 0 < middle.epoch <= training.epochs / 2
        assert end.epoch == training.epochs
        assert 0 < middle.training_seconds < end.training_seconds
        for moment in (start, middle, end):
            for accuracy in (moment.train_accuracy, moment.valid_accuracy, moment.test_accuracy):
                assert 0 < accuracy <= 1
        assert middle.energy_kwh < end.energy_kwh < training.metrics.total_energy_kwh
        assert end.training_seconds < training.metrics.total_seconds


def test_published_emissions_are_energy_times_intensity(published):
    _, trainings = published

    def ratios(measured):
        return np.array([grams / (energy * intensity) for energy, grams, intensity in measured])

    metrics = [training.metrics for training in trainings]
    np.testing.assert_allclose(ratios(m[3:] for m in metrics), 1, rtol=1e-4)
    np.testing.assert_allclose(ratios(m.evaluations[0][5:] for m in metrics), 1, rtol=2e-3)
    for moment in (1, 2):  # the intensity of the grid changes during a training; the file has one value of it
        assert np.median(np.abs(ratios(m.evaluations[moment][5:] for m in metrics) - 1)) < 1e-4


# -- records ---------------------------------------------------------------------------------------------


def test_a_record_of_nasbench101_is_decoded():
    training = decode_training(payload_of(METRICS), "made")
    assert (training.module_hash, training.epochs) == ("0123456789abcdef" * 2, 108)
    assert training.matrix() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert training.operations == ("input", "maxpool3x3", "output")
    metrics = training.metrics
    assert [moment[:5] for moment in metrics.evaluations] == [
        (0.0, 0.0, 0.1, 0.2, 0.3),
        (54.0, 500.5, 0.4, 0.5, 0.6),
        (108.0, 1000.25, 0.7, 0.8, 0.9),
    ]
    assert (metrics.trainable_parameters, metrics.total_seconds) == (2_694_282, 1234.5)
    assert all(math.isnan(value) for moment in metrics.evaluations for value in moment[5:])
    assert all(math.isnan(value) for value in metrics[3:])


@given(order=st.permutations(range(1, 9)), kept=st.integers(0, 8))
def test_fields_are_found_in_any_order_and_may_be_missing(order, kept):
    message = b"".join(double(number, number / 8) for number in order[:kept]) + double(99, 1.0)
    found = decode_metrics(delimited(1, message) + varint(16) + b"\x07").evaluations[0]
    for number, value in enumerate(found, start=1):
        assert value == number / 8 if number in order[:kept] else math.isnan(value)


def test_unknown_fields_of_every_kind_are_passed_over():
    unknown = varint(20 * 8) + varint(2**64 - 1) + double(21, 1.0) + delimited(22, b"x")
    unknown += varint(23 * 8 + 5) + b"four"
    assert repr(decode_metrics(unknown + METRICS + unknown)) == repr(decode_metrics(METRICS))
    assert list(fields(unknown)) == [(20, 0, 2**64 - 1), (21, 1, 1.0), (22, 2, b"x"), (23, 5, b"four")]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (METRICS[:-1], "it ends within field 3"),
        (METRICS + b"\x80", "it ends within an integer"),
        (METRICS + b"\x80" * 12, "more than 64 bits"),
        (METRICS + b"\x08" + b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (METRICS + b"\x00\x00", "field of number 0"),
        (METRICS + varint(9 * 8 + 3), "wire type 3"),
        (METRICS + varint(3 * 8) + b"\x01", "field 3 has wire type 0"),
        (METRICS + double(1, 1.0), "field 1 has wire type 1"),
        (METRICS + double(2, 1.0), "field 2 has wire type 1"),
        (METRICS + varint(1 * 8 + 5) + b"four", "field 1 has wire type 5"),
        (METRICS + delimited(1, varint(8) + b"\x01"), "field 1 of an evaluation has wire type 0"),
        (METRICS + delimited(1, delimited(3, b"0.5")), "field 3 of an evaluation has wire type 2"),
        (METRICS + delimited(1, evaluation(1.0)[:-1]), "it ends within field 1"),
        (METRICS + varint(16) + varint(2**31), "number of parameters"),
        (b"", "number of parameters is missing"),
    ],
)
def test_damaged_metrics_are_refused_with_the_reason(message, reason):
    with pytest.raises(MalformedMessageError, match=reason):
        decode_metrics(message)
    with pytest.raises(
        DamagedFileError, match=f"^made, record 3 is no training of NAS-Bench-101: .*{reason}"
    ):
        decode_training(payload_of(message), "made, record 3")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 10_000,
        b"{}",
        b"[1, 2, 3, 4]",
        payload_of(METRICS, hash="0123"),
        payload_of(METRICS, hash="0123456789ABCDEF" * 2),
        payload_of(METRICS, hash=None),
        payload_of(METRICS, epochs="108"),
        payload_of(METRICS, epochs=True),
        payload_of(METRICS, epochs=0),
        payload_of(METRICS, epochs=10**30),
        payload_of(METRICS, epochs=108.0),
        payload_of(METRICS, adjacency="0110010"),
        payload_of(METRICS, adjacency="011001002"),
        payload_of(METRICS, adjacency="011001000\n"),
        payload_of(METRICS, adjacency=11001000),
        payload_of(METRICS, operations="input,output"),
        payload_of(METRICS, operations=["input", "maxpool3x3", "output"]),
        payload_of(METRICS, metrics=None),
        payload_of(METRICS, metrics="!!!"),
        payload_of(METRICS, metrics="ä"),
        payload_of(METRICS, metrics=base64.b64encode(METRICS).decode()[:-1]),
        payload_of(METRICS, metrics=base64.b64encode(METRICS).decode().replace("A", "!A", 1)),
    ],
    ids=lambda payload: str(payload[:40]),
)
def test_payloads_of_another_form_are_refused(payload):
    with pytest.raises(
        DamagedFileError, match=r"^made is no training of NAS-Bench-101: .*; fetch the file again.$"
    ):
        decode_training(payload, "made")


@given(
    place=st.integers(0, 10_000),
    removed=st.integers(0, 20),
    inserted=st.binary(max_size=6),
    inside=st.booleans(),
)
def test_mutated_payloads_are_read_or_refused(place, removed, inserted, inside):
    content = METRICS if inside else payload_of(METRICS)
    place %= len(content)
    mutated = content[:place] + inserted + content[place + removed :]
    try:
        training = decode_training(payload_of(mutated) if inside else mutated, "made")
    except DamagedFileError:
        return
    assert len(training.operations) ** 2 == len(training.adjacency)
    assert 0 <= training.metrics.trainable_parameters < 2**31
