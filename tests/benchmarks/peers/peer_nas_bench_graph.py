"""Times nas-bench-graph's own look-up, `bench[arch.valid_hash()]`, as its README shows; it has no search.

`valid_hash` finds the representative of the architecture's isomorphism class. The architecture objects exist
before anything is timed.
"""

from nas_bench_graph import Arch, gnn_list, light_read, link_list
from shared import LOOK_UPS, Row, architectures, microseconds, report


def main() -> None:
    bench = light_read("cora")
    asked = [
        Arch(link_list[links], [gnn_list[operation] for operation in operations])
        for links, *operations in architectures(LOOK_UPS)
    ]

    def look_up() -> None:
        for arch in asked:
            bench[arch.valid_hash()]["valid_perf"]

    look_up()
    report(
        __file__,
        ["nas-bench-graph"],
        [Row("`bench[arch.valid_hash()]`", look_up=microseconds(look_up, LOOK_UPS))],
    )


if __name__ == "__main__":
    main()
