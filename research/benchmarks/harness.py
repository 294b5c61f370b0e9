"""What every benchmark shares: timing, peak memory, an environment for the peer, and the last line, the ratio."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parents[1] / ".bench"


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = perf_counter()
    work()
    return perf_counter() - start


def best_of(work: Callable[[], object], repeats: int = 3) -> float:
    """Wall-clock seconds of the fastest of several calls; warm up before, if there is something to compile."""
    return min(seconds(work) for _ in range(repeats))


def interleaved(
    ours: Callable[[], float], peer: Callable[[], float], repeats: int, peer_repeats: int
) -> tuple[float, float]:
    """Best seconds of ours and of the peer, taken in turns so that a busy neighbour disturbs both.

    `ours` and `peer` return the seconds they took: a peer in another process does its own timing, without its imports.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(max(repeats, peer_repeats)):
        if turn < repeats:
            taken[0].append(ours())
        if turn < peer_repeats:
            taken[1].append(peer())
    return min(taken[0]), min(taken[1])


def peak_rss_gib() -> float:
    """Highest resident memory of this process so far, in GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would also report what the parent held when it started us
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found.group(1)) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def peer_python(name: str) -> Path:
    """Interpreter of the peer's environment; built from peers/NAME.txt the first time and whenever that changes."""
    wanted = HERE / "peers" / f"{name}.txt"
    home = ENVIRONMENTS / name
    python = home / "bin" / "python"
    built = home / "built-from.txt"
    if not (built.exists() and built.read_text() == wanted.read_text()):
        print(f"building the environment of {name} in {home} ...", flush=True)
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([python, "-I", "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
        built.write_text(wanted.read_text())
    return python


def report(
    name: str, ours: float, peer: float, at_least: float, peer_name: str = "peer", peak: float | None = None
) -> None:
    """Print both times, the peak memory and, last, `ratio NAME VALUE` (how many times faster we are).

    `peak` in GiB, taken before a peer of the same process ran; None: this process so far.
    """
    print(f"{name}: nexus {ours:.4f} s, {peer_name} {peer:.4f} s, at least {at_least:g} times faster wanted")
    print(f"peak_rss_gib {peak_rss_gib() if peak is None else peak:.2f}")
    print(f"ratio {name} {peer / ours:.1f}", flush=True)
