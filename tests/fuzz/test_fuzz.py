"""A brief run of the fuzzer; `python tests/fuzz/readers.py --inputs 1000000 --jobs 2` is a long one."""

import subprocess
import sys
from pathlib import Path

READERS = Path(__file__).with_name("readers.py")


def fuzz(*options):
    command = [sys.executable, str(READERS), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_mutated_files_are_read_or_refused_in_one_sentence(tmp_path):
    done = fuzz("--inputs", "6000", "--seed", "7", "--findings", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "6000 inputs, 0 violations"


def test_the_fuzzer_finds_a_reader_that_fails(tmp_path):
    program = (
        "import sys; sys.argv = ['readers', '--inputs', '20', '--reader', 'csv', '--findings', "
        f"{str(tmp_path)!r}]; sys.path.insert(0, {str(READERS.parent)!r}); import readers; "
        "readers.READERS['csv'] = readers.Reader(lambda content, path: 1 / 0, readers.READERS['csv'].seeds); "
        "sys.exit(readers.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert len(list(tmp_path.iterdir())) == 1
