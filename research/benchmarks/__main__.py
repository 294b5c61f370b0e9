"""`make bench`: every benchmark in a process of its own, then one table of ratios.

    python -m research.benchmarks [NAME ...]

The status is 1 where a benchmark did not end or a ratio is under its goal: say so, and on which machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RATIO = re.compile(r"^ratio (\w+) ([\d.]+)$", re.MULTILINE)
PEAK = re.compile(r"^peak_rss_gib ([\d.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Benchmark:
    """A script with its arguments, and how many times faster than its peer it should be."""

    name: str
    script: str
    arguments: tuple[str, ...]
    at_least: float


BENCHMARKS = [
    Benchmark("ic_small", "ic.py", ("small",), 200),
    Benchmark("ic_large", "ic.py", ("large",), 60),
    Benchmark("ingest", "ingest.py", ("ingest",), 6),
    Benchmark("ingest_again", "ingest.py", ("ingest_again",), 1),
    Benchmark("panel_cold", "panel.py", ("cold",), 7),
    Benchmark("panel_warm", "panel.py", ("warm",), 80),
    Benchmark("asof", "asof.py", (), 12),
    Benchmark("evaluate_many", "evaluate_many.py", (), 3),
    Benchmark("backtest_small", "backtest.py", ("small",), 50),
    Benchmark("backtest_large", "backtest.py", ("large",), 300),
    Benchmark("backtest_sweep", "backtest_sweep.py", (), 5),
    Benchmark("hgt_epoch", "hgt_epoch.py", (), 7),
    Benchmark("hgt_embed", "hgt_embed.py", (), 3),
    Benchmark("corr_edges", "corr_edges.py", (), 300),
    Benchmark("edges_store", "edges_store.py", (), 10),
]


def main(names: list[str]) -> int:
    """Run the named benchmarks, all without a name."""
    unknown = set(names) - {benchmark.name for benchmark in BENCHMARKS}
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(b.name for b in BENCHMARKS)}")
        return 2
    rows = [(benchmark, *_run(benchmark)) for benchmark in BENCHMARKS if not names or benchmark.name in names]
    print(f"\n{'benchmark':<16}{'ratio':>10}{'at least':>10}{'peak GiB':>10}")
    for benchmark, ratio, peak in rows:
        shown = "failed" if ratio is None else f"{ratio:.1f}"
        print(f"{benchmark.name:<16}{shown:>10}{benchmark.at_least:>10g}{peak or '':>10}")
    return int(any(ratio is None or ratio < benchmark.at_least for benchmark, ratio, _ in rows))


def _run(benchmark: Benchmark) -> tuple[float | None, str | None]:
    print(f"\n== {benchmark.name}", flush=True)
    command = [sys.executable, str(HERE / benchmark.script), *benchmark.arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    said = "".join(lines)
    ratios = {name: float(value) for name, value in RATIO.findall(said)}
    peak = PEAK.search(said)
    done = process.returncode == 0
    return (ratios.get(benchmark.name) if done else None), peak.group(1) if peak else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
