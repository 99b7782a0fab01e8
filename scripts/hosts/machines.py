"""Disks that are slow or full, clocks that are wrong."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from net import HERE
from rpc import wait_for
from scenario import moves, must, restart


def preload(path, **env):
    """Environment that loads a library into a process, after those the caller's own names."""
    before = os.environ.get("LD_PRELOAD")
    return {"LD_PRELOAD": f"{path}:{before}" if before else str(path), **env}


def slower_fsync(directory, ms):
    """Environment of a process whose every fsync takes so many milliseconds more."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    must(compiler, "no C compiler: slow_disk.c cannot be built")
    library = directory / "slow_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, HERE / "slow_disk.c", "-ldl"], check=True)
    return preload(library, SLOW_DISK_MS=ms)


def skewed(seconds):
    """Environment of a process whose wall clock is off by so many seconds; its timers are not."""
    library = next(iter(Path("/usr/lib").glob("**/libfaketimeMT.so.1")), None)
    must(library, "libfaketime is missing: install faketime")
    return preload(library, FAKETIME=f"{seconds:+}s", FAKETIME_DONT_FAKE_MONOTONIC=1, DONT_FAKE_MONOTONIC=1)


def slow_disk(world, seconds):
    node = world.validators()[2]
    node.stop()
    took = restart(world, node, slower_fsync(world.dir, 50))
    went = moves(world.nodes, blocks=20, seconds=120)
    must(went is not None, "20 blocks took longer than 120 s with one slow disk")
    time.sleep(seconds / 2)
    lag = world.recorder.height() - (node.height() or 0)
    node.stop()
    back = restart(world, node)
    return back, f"each fsync of {node.name} 50 ms longer: signs after {took:.1f} s, 20 blocks on all in {went:.1f} s, {lag} behind"


def clock_skew(world, seconds):
    ahead, behind = world.validators()[3], world.validators()[4]
    times = []
    for node, by in ((ahead, 1), (behind, -1)):
        node.stop()
        times.append(restart(world, node, skewed(by)))
    went = moves(world.nodes, blocks=20, seconds=90)
    must(went is not None, "20 blocks took longer than 90 s with two skewed clocks")
    time.sleep(seconds / 2)
    for node in (ahead, behind):
        node.stop()
        times.append(restart(world, node))
    return max(times), f"{ahead.name} +1 s, {behind.name} -1 s: both sign, 20 blocks on all in {went:.1f} s"


def full_disk(world, seconds):
    node, rest = world.validators()[6], world.validators()[:6]
    filler = node.home / "state" / "filler"
    with open(filler, "wb") as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            pass
    ended, took = wait_for(lambda: not node.alive(), 30)
    must(ended, f"{node.name} still runs 30 s after its disk is full")
    code = node.running.returncode
    went = moves(rest, blocks=10)
    must(went is not None, "the others did not go on while one disk is full")
    filler.unlink()
    back = restart(world, node)
    return back, f"{node.name} ended after {took:.1f} s with exit code {code}; with room again it signs after {back:.1f} s"
