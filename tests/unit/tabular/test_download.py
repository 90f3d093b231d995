"""Downloads, against an HTTP server of the tests' own that breaks, forgets ranges or changes its file."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import requests

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError, UnknownNameError
from nasbench_suite.tabular import download
from nasbench_suite.tabular.datasheet import Download
from nasbench_suite.tabular.download import choose, fetch

CONTENT = np.random.default_rng(0).bytes(1_000_003)
OTHER = np.random.default_rng(1).bytes(1_000_003)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(dict(self.headers))
        if self.path != "/file.bin":
            self.send_error(404)
            return
        content, etag = server.content, f'"{hashlib.md5(server.content).hexdigest()}"'
        start = 0
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if found and server.ranges and self.headers.get("If-Range", etag) == etag:
            start = int(found[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = server.breaks.pop(0) if server.breaks else len(content)
        self.wfile.write(content[start : max(start, stop)])
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.content, server.ranges, server.etag, server.breaks, server.asked = CONTENT, True, True, [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def entry(server):
    def make(**values):
        url = f"http://127.0.0.1:{server.server_port}/file.bin"
        return Download(
            **{"url": url, "file": "data.bin", "sha256": hashlib.sha256(CONTENT).hexdigest(), **values}
        )

    return make


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def ranges(server):
    return [headers.get("Range") for headers in server.asked]


@pytest.mark.parametrize(
    "sums", [{}, {"sha256": "", "md5": hashlib.md5(CONTENT).hexdigest()}], ids=["sha256", "md5"]
)
def test_a_file_arrives_whole_and_is_fetched_once(server, entry, tmp_path, sums):
    seen = []
    path = fetch(entry(**sums), tmp_path / "to", progress=lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "to" / "data.bin"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    fetch(entry(**sums), tmp_path / "to")
    assert len(server.asked) == 1
    assert names(tmp_path / "to") == ["data.bin"]


def test_a_broken_transfer_goes_on_where_it_stopped(server, entry, tmp_path):
    server.breaks = [400_000, 0, 700_000]  # the second attempt brings nothing, so the first call ends
    with pytest.raises(NasbenchSuiteError, match="bytes are kept, give the same command to continue"):
        fetch(entry(), tmp_path)
    kept = (tmp_path / "data.bin.part").read_bytes()
    assert 300_000 < len(kept) <= 400_000
    assert kept == CONTENT[: len(kept)]
    assert not (tmp_path / "data.bin").exists()
    seen = []
    fetch(entry(), tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert ranges(server)[:3] == [None, f"bytes={len(kept)}-", f"bytes={len(kept)}-"]
    (_, _, _, last) = ranges(server)
    assert len(kept) < int(last[6:-1]) <= 700_000
    assert all("If-Range" in headers for headers in server.asked[1:])
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["data.bin"]
    assert seen[0][0] > len(kept)
    assert {total for _, total in seen} == {len(CONTENT)}


def test_a_transfer_that_broke_after_the_last_byte_is_complete(server, entry, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert fetch(entry(), tmp_path).read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_thrown_away(server, entry, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT + b"more")
    assert fetch(entry(), tmp_path).read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={len(CONTENT) + 4}-", None]


def test_halves_of_two_files_are_never_joined(server, entry, tmp_path):
    server.content, server.breaks = OTHER, [400_000, 0]
    trusted = entry(sha256="")
    with pytest.raises(NasbenchSuiteError, match="are kept"):
        fetch(trusted, tmp_path, trust=True)
    server.content = CONTENT
    assert fetch(trusted, tmp_path, trust=True).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_again(server, entry, tmp_path):
    server.ranges = server.etag = False
    (tmp_path / "data.bin.part").write_bytes(b"x" * 1000)
    assert fetch(entry(), tmp_path).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1000-"]


def test_a_wrong_checksum_removes_the_file(server, entry, tmp_path):
    server.content = OTHER
    with pytest.raises(DamagedFileError, match="another checksum"):
        fetch(entry(), tmp_path)
    assert names(tmp_path) == []


def test_a_damaged_file_is_fetched_again(server, entry, tmp_path):
    (tmp_path / "data.bin").write_bytes(OTHER)
    assert fetch(entry(), tmp_path).read_bytes() == CONTENT


def test_a_file_without_published_checksum_needs_trust_and_is_held_to_what_came_first(
    server, entry, tmp_path
):
    unknown = entry(sha256="")
    with pytest.raises(NasbenchSuiteError, match="give --trust"):
        fetch(unknown, tmp_path)
    assert server.asked == []
    path = fetch(unknown, tmp_path, trust=True)
    assert (tmp_path / "data.bin.sha256").read_text() == f"{hashlib.sha256(CONTENT).hexdigest()}  data.bin\n"
    path.unlink()
    server.content = OTHER
    with pytest.raises(DamagedFileError, match="another checksum"):
        fetch(unknown, tmp_path, trust=True)
    (tmp_path / "data.bin.sha256").write_text("nonsense")
    with pytest.raises(DamagedFileError, match="holds no SHA-256"):
        fetch(unknown, tmp_path, trust=True)


def test_a_file_that_is_not_there_is_one_sentence(server, entry, tmp_path):
    url = f"http://127.0.0.1:{server.server_port}/none.bin"
    with pytest.raises(NasbenchSuiteError, match="HTTP status 404"):
        fetch(entry(url=url), tmp_path)
    assert names(tmp_path) == []


def test_no_connection_is_one_sentence(entry, tmp_path, server):
    broken = entry(url="http://127.0.0.1:1/file.bin")
    with pytest.raises(
        NasbenchSuiteError, match=r"could not be fetched from 127\.0\.0\.1:1; check the connection"
    ):
        fetch(broken, tmp_path)


def test_a_silent_server_is_given_up(entry, tmp_path, server, monkeypatch):
    def silent(*arguments, **options):
        assert options["timeout"] > 0
        raise requests.ReadTimeout

    monkeypatch.setattr(download.requests, "get", silent)
    with pytest.raises(NasbenchSuiteError, match="could not be fetched"):
        fetch(entry(), tmp_path)


def test_an_unwritable_folder_is_one_sentence(entry, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NasbenchSuiteError, match="cannot write"):
        fetch(entry(), tmp_path / "file")


def test_files_are_chosen_by_name_or_as_wanted(entry):
    full, part = entry(file="full.bin"), entry(file="part.bin", wanted=False)
    assert choose([full, part], "made", []) == [full]
    assert choose([full, part], "made", ["part.bin"]) == [part]
    with pytest.raises(UnknownNameError, match="did you mean part"):
        choose([full, part], "made", ["prat.bin"])
    with pytest.raises(NasbenchSuiteError, match="no file of made has a direct address"):
        choose([], "made", [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "file:///etc/passwd"},
        {"file": "../data.bin"},
        {"file": ".hidden"},
        {"sha256": "abc"},
        {"md5": "Z" * 32},
    ],
    ids=str,
)
def test_entries_that_could_do_harm_are_refused(entry, wrong):
    with pytest.raises(ValueError, match="String should match"):
        entry(**wrong)
