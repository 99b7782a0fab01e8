"""Links that are slow, lossy or cut."""

import time

from rpc import wait_for
from scenario import moves, must, signs_again


def bad_links(world, seconds):
    """All validators 40 ms apart each way, as across an ocean; one loses 3 % of its packets, one has 2 Mbit/s."""
    lossy, narrow = world.validators()[2:4]
    count = len(world.load.finals)
    try:
        for node in world.validators():
            node.host.delay(40)
        lossy.host.lose(0.03)
        narrow.host.shape(2)
        went = moves(world.nodes, blocks=20, seconds=120)
        must(went is not None, "the chain did not make 20 blocks on all in 120 s over bad links")
        time.sleep(max(0, seconds - went))
        heights = [node.height() or 0 for node in world.nodes]
        sent, p50, worst, _ = world.load.finals_since(count)
    finally:
        for node in world.validators():
            node.host.delay(0)
        lossy.host.lose(0)
        narrow.host.shape(world.net.mbit)
    return None, (
        f"20 blocks on all in {went:.1f} s, heights {max(heights) - min(heights)} apart; "
        f"{sent} transfers, final after p50 {p50:.2f} s, max {worst:.2f} s"
    )


def partition_5_2(world, seconds):
    many, few = world.validators()[:5], world.validators()[5:]
    world.net.partition([node.host for node in many], [node.host for node in few])
    try:
        went = moves(many, blocks=10)
        must(went is not None, "the five did not go on")
        time.sleep(max(0, seconds - went))
        stuck = {node.name: node.height() for node in few}
        ahead = world.recorder.height()
        must(all((height or 0) < ahead for height in stuck.values()), f"the two followed through the cut: {stuck}")
    finally:
        world.net.heal()
    faults, took = world.checks.agree(world.nodes)
    must(not faults, "; ".join(faults))
    signs = max(signs_again(world, node) for node in few)
    return took, f"the five made 10 blocks in {went:.1f} s; after healing all agree in {took:.1f} s, the two sign {signs:.1f} s later"


def partition_4_3(world, seconds):
    one, other = world.validators()[:4], world.validators()[4:]
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
