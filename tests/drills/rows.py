"""A table of ten million rows: written, opened, asked and searched, with the memory that each takes.

python tests/drills/rows.py [--rows 10156250]
"""

import argparse
import tempfile
from pathlib import Path

from machine import measured, report

WRITE = """
import json, sys, time
import numpy as np
from pathlib import Path
from nasbench_suite import get_space
from nasbench_suite.benchmark import Metric
from nasbench_suite.tabular import Table
from nasbench_suite.tabular.table import TableDescription, save_table

rows, path = int(sys.argv[1]), Path(sys.argv[2])
a, b = ("|".join(map(str, range(number))) for number in (25, -(-rows // (25 * 15625))))
space = get_space(f"nats_topology*grid(a={a},b={b})")
rng = np.random.default_rng(0)
metrics = {n: Metric(n, "fraction", "max", r, "random") for n, r in (("valid", "valid"), ("test", "test"))}
description = TableDescription(
    task="drill/rows", space=space.name, valid="valid", test="test", rows="string", repeats=["0"],
    licence="none", source="random numbers", source_version="1", source_sha256="0" * 64,
    created_with="a drill",
)
table = Table(
    description=description, genes=space.decode(np.arange(rows)), epochs=np.array([1], dtype=np.int32),
    metrics=metrics, columns={n: rng.random((rows, 1, 1)) for n in metrics},
)
started = time.perf_counter()
save_table(table, path)
print(json.dumps({"write_seconds": round(time.perf_counter() - started, 1)}))
"""
OPEN = """
import json, sys, time
from pathlib import Path
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.table import read_table
started = time.perf_counter()
benchmark = TabularBenchmark(read_table(Path(sys.argv[1])))
print(json.dumps({"open_ms": round(1000 * (time.perf_counter() - started), 1)}))
"""
ASK = """
import json, sys, time
import numpy as np
from pathlib import Path
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.table import read_table
benchmark = TabularBenchmark(read_table(Path(sys.argv[1])))
genes = benchmark.space.decode(np.random.default_rng(1).integers(len(benchmark.table.genes), size=1_000_000))
started = time.perf_counter()
benchmark.query(genes[:1])
first = time.perf_counter() - started
started = time.perf_counter()
benchmark.query(genes)
print(json.dumps({"first_query_seconds": round(first, 2),
                  "million_look_ups_seconds": round(time.perf_counter() - started, 2)}))
"""
SEARCH = """
import json, sys, time
from pathlib import Path
from nasbench_suite import search
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.table import read_table
benchmark = TabularBenchmark(read_table(Path(sys.argv[1])))
started = time.perf_counter()
search("regularized_evolution", benchmark, evaluations=500, runs=500, seed=0)
print(json.dumps({"search_seconds": round(time.perf_counter() - started, 1)}))
"""


def main():
    """Measure, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=650 * 15_625)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "table.h5"
        found = {"rows": asked.rows, "write": measured(WRITE, asked.rows, path)}
        found["file_mb"] = round(path.stat().st_size / 1e6)
        found |= {
            "open": measured(OPEN, path),
            "ask": measured(ASK, path),
            "search 500 runs x 500": measured(SEARCH, path),
        }
    report("rows", found)


if __name__ == "__main__":
    main()
