"""Prints the speed table of the README from a pytest-benchmark file: `python report.py bench.json`."""

import json
import platform
import sys
from pathlib import Path


def main(path: str) -> None:
    data = json.loads(Path(path).read_text())
    machine = data["machine_info"]
    print(
        f"{machine['cpu'].get('brand_raw', platform.processor())}, {machine['cpu'].get('count')} cores, "
        f"Python {machine['python_version']}, {data['datetime'][:10]}\n"
    )
    print("| what | goal | median | fastest to slowest |")
    print("| --- | --- | ---: | ---: |")
    for entry in data["benchmarks"]:
        info = entry["extra_info"]
        scale, unit = info["scale"], info["unit"]
        stats = entry["stats"]
        values = [convert(stats[name], scale) for name in ("median", "min", "max")]
        median, first, last = (f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in values)
        print(f"| {info['what']} | {info['goal']} | {median} {unit} | {first} to {last} |")


def convert(seconds: float, scale: float) -> float:
    """Return seconds times `scale`, or for a negative scale the rate `-scale / seconds`."""
    return seconds * scale if scale > 0 else -scale / seconds


if __name__ == "__main__":
    main(sys.argv[1])
