"""Load and nothing broken: what goes through."""

import time

from scenario import finality, must


def baseline(world, seconds):
    count, begin, first = len(world.load.finals), time.monotonic(), world.recorder.height()
    time.sleep(seconds)
    took, blocks = time.monotonic() - begin, world.recorder.height() - first
    sent, p50, worst, most = world.load.finals_since(count)
    must(sent > 0, f"no transfer was final within {seconds} s")
    return None, (
        f"{sent / took:.0f} transfers/s, final after p50 {p50:.2f} s, max {worst:.2f} s, {most} blocks; "
        f"{blocks / took:.1f} blocks/s{finality(world)}"
    )


def sustained(world, seconds):
    """Longer, and what a process needs."""
    jobs = world.load.verified()
    _, note = baseline(world, 3 * seconds)
    rss = max(node.resident_mib() for node in world.nodes)
    return None, f"{3 * seconds} s: {note}; {world.load.verified() - jobs} jobs verified; largest node {rss:.0f} MiB"
