"""What is done to the network. Each function breaks something under load, mends it and gives a row: what it measured,
in seconds, and what it saw; a fault it raises as Broken. `main` runs the checks of checks.py after each."""

import time

from chain import wait_for


class Broken(Exception):
    """Something that had to hold did not."""


def must(held, fault):
    if not held:
        raise Broken(fault)


def moves(world, nodes, blocks=5, seconds=60):
    """Waits until each node has so many blocks more; seconds, or None."""
    goals = [(node, (node.height() or 0) + blocks) for node in nodes]
    done, took = wait_for(lambda: all((node.height() or 0) >= goal for node, goal in goals), seconds)
    return took if done else None


def restart(world, node, env=None):
    """Starts a node; seconds until it signs again."""
    node.start(env)
    took = world.signs_again(node)
    must(took is not None, f"{node.name} did not sign again within 120 s of its start")
    return took


def finality(world):
    """What a node itself measures from proposal to finality, for a note."""
    own = (world.nodes[0].rpc.status() or {}).get("finality_ms")
    return f", proposal to final p50 {own['p50']} ms, p99 {own['p99']} ms" if own else ""


def baseline(world, seconds):
    count, begin, first = len(world.load.finals()), time.monotonic(), world.recorder.height()
    time.sleep(seconds)
    took, blocks = time.monotonic() - begin, world.recorder.height() - first
    sent, p50, worst, most = world.finals_since(count)
    must(sent > 0, f"no transfer was final within {seconds} s")
    return None, (
        f"{sent / took:.0f} transfers/s, final after p50 {p50:.2f} s, max {worst:.2f} s, {most} blocks; "
        f"{blocks / took:.1f} blocks/s{finality(world)}"
    )


def bad_links(world, seconds):
    """All validators 40 ms apart each way, as across an ocean; one loses 3 % of its packets, one has 2 Mbit/s."""
    lossy, narrow = world.nodes[2:4]
    count = len(world.load.finals())
    try:
        for node in world.nodes:
            node.host.delay(40)
        lossy.host.lose(0.03)
        narrow.host.shape(2)
        went = moves(world, world.nodes, blocks=20, seconds=120)
        must(went is not None, "the chain did not make 20 blocks on all in 120 s over bad links")
        time.sleep(max(0, seconds - went))
        heights = [node.height() or 0 for node in world.nodes]
        sent, p50, worst, _ = world.finals_since(count)
    finally:
        for node in world.nodes:
            node.host.delay(0)
        lossy.host.lose(0)
        narrow.host.shape(world.net.mbit)
    return None, (
        f"20 blocks on all in {went:.1f} s, heights {max(heights) - min(heights)} apart; "
        f"{sent} transfers, final after p50 {p50:.2f} s, max {worst:.2f} s"
    )


def rolling_restart(world, seconds):
    times, stops = [], []
    for node in world.nodes:
        clean, stopped = node.stop()
        must(clean, f"{node.name} did not stop on Ctrl-C within 30 s")
        stops.append(stopped)
        times.append(restart(world, node))
        must(moves(world, world.nodes, 2) is not None, f"not all go on after {node.name} came back")
    return max(times), f"{len(times)} validators; stop {max(stops):.1f} s, signing again {min(times):.1f} to {max(times):.1f} s"


def kill_one(world, seconds):
    times = []
    for node in world.nodes[4:7] if seconds > 10 else world.nodes[4:5]:
        node.kill()
        last = world.recorder.height() + 2
        time.sleep(3)
        # The measure must be able to fail.
        dead = [height for height in range(last, world.recorder.height() + 1) if world.signed(node, height)]
        must(not dead, f"{node.name} was dead and signed blocks {dead}")
        times.append(restart(world, node))
    return max(times), f"kill -9, down 3 s; start to signing again {', '.join(f'{one:.1f}' for one in times)} s"


def kill_two(world, seconds):
    pair, rest = world.nodes[5:7], world.nodes[:5]
    count = len(world.load.finals())
    for node in pair:
        node.kill()
    went = moves(world, rest, blocks=10)
    must(went is not None, "five of seven did not make 10 blocks in 60 s")
    time.sleep(max(0, seconds - went))
    sent, p50, worst, most = world.finals_since(count)
    begin, times = time.monotonic(), []
    for node in pair:
        node.start()
    for node in pair:
        must(world.signs_again(node) is not None, f"{node.name} did not sign again within 120 s")
        times.append(time.monotonic() - begin)
    return max(times), f"five made 10 blocks in {went:.1f} s; meanwhile {sent} transfers final, max {worst:.1f} s, {most} blocks"


def partition_5_2(world, seconds):
    many, few = world.nodes[:5], world.nodes[5:]
    world.net.partition([node.host for node in many], [node.host for node in few])
    try:
        went = moves(world, many, blocks=10)
        must(went is not None, "the five did not go on")
        time.sleep(max(0, seconds - went))
        stuck = {node.name: node.height() for node in few}
        ahead = world.recorder.height()
        must(all((height or 0) < ahead for height in stuck.values()), f"the two followed through the cut: {stuck}")
    finally:
        world.net.heal()
    faults, took = world.checks.agree(world.nodes)
    must(not faults, "; ".join(faults))
    signs = [world.signs_again(node) for node in few]
    must(None not in signs, "one of the two did not sign again within 120 s")
    return took, f"the five made 10 blocks in {went:.1f} s; after healing all agree in {took:.1f} s, the two sign {max(signs):.1f} s later"


def partition_4_3(world, seconds):
    one, other = world.nodes[:4], world.nodes[4:]
    world.net.partition([node.host for node in one], [node.host for node in other])
    try:
        time.sleep(3)
        before = {node.name: node.height() for node in world.nodes}
        time.sleep(max(10, seconds))
        after = {node.name: node.height() for node in world.nodes}
    finally:
        healed = time.monotonic()
        world.net.heal()
    top = max(height or 0 for height in before.values())
    must(max(height or 0 for height in after.values()) <= top, f"somebody finalized in a 4/3 cut: {before} then {after}")
    done, _ = wait_for(lambda: all((node.height() or 0) > top for node in world.nodes), 180)
    must(done, f"no new block on all within 180 s of healing: {[node.height() for node in world.nodes]}")
    took = time.monotonic() - healed
    return took, f"nobody finalized for {max(10, seconds)} s; a new block on all {took:.1f} s after healing"


def slow_disk(world, seconds):
    node, env = world.nodes[2], world.slow_disk(50)
    must(env, "no C compiler: slow_disk.c cannot be built")
    node.stop()
    took = restart(world, node, env)
    went = moves(world, world.nodes, blocks=20, seconds=120)
    must(went is not None, "20 blocks took longer than 120 s with one slow disk")
    time.sleep(seconds / 2)
    lag = world.recorder.height() - (node.height() or 0)
    node.stop()
    back = restart(world, node)
    return back, f"each fsync of {node.name} 50 ms longer: signs after {took:.1f} s, 20 blocks on all in {went:.1f} s, {lag} behind"


def clock_skew(world, seconds):
    ahead, behind = world.nodes[3], world.nodes[4]
    times = []
    for node, by in ((ahead, 1), (behind, -1)):
        env = world.skew(by)
        must(env, "libfaketime is missing: install faketime")
        node.stop()
        times.append(restart(world, node, env))
    went = moves(world, world.nodes, blocks=20, seconds=90)
    must(went is not None, "20 blocks took longer than 90 s with two skewed clocks")
    time.sleep(seconds / 2)
    for node in (ahead, behind):
        node.stop()
        times.append(restart(world, node))
    return max(times), f"{ahead.name} +1 s, {behind.name} -1 s: both sign, 20 blocks on all in {went:.1f} s"


def full_disk(world, seconds):
    node, rest = world.nodes[6], world.nodes[:6]
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
    went = moves(world, rest, blocks=10)
    must(went is not None, "the others did not go on while one disk is full")
    filler.unlink()
    back = restart(world, node)
    return back, f"{node.name} ended after {took:.1f} s with exit code {code}; with room again it signs after {back:.1f} s"
