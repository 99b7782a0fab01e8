"""What scenarios share. A scenario is a function that breaks something under load, mends it and gives a row: what it
measured, in seconds or None, and what it saw. A fault it raises as Broken; `main` runs checks.py after each."""

from process import tail
from rpc import wait_for

SIGN_S = 120


class Broken(Exception):
    """Something that had to hold did not."""


def must(held, fault):
    if not held:
        raise Broken(fault)


def moves(nodes, blocks=5, seconds=60):
    """Waits until each node has so many blocks more; seconds, or None."""
    goals = [(node, (node.height() or 0) + blocks) for node in nodes]
    done, took = wait_for(lambda: all((node.height() or 0) >= goal for node, goal in goals), seconds)
    return took if done else None


def signs_again(world, node):
    """Seconds until a new final block has this validator's signature, or it led one."""
    # Two above: a vote cast before it went down may end in the next one.
    next_height = world.recorder.height() + 2

    def found():
        nonlocal next_height
        must(node.alive(), f"{node.name} ended: {' | '.join(tail(node.log, 4))}")
        while next_height <= world.recorder.height():
            next_height += 1
            if world.signed(node, next_height - 1):
                return True
        return False

    done, took = wait_for(found, SIGN_S, every=0.05)
    must(done, f"{node.name} did not sign again within {SIGN_S} s")
    return took


def restart(world, node, env=None):
    """Starts a node; seconds until it signs again."""
    node.start(env)
    return signs_again(world, node)


def finality(world):
    """What a node itself measures from proposal to finality, for a note."""
    own = (world.nodes[0].rpc.status() or {}).get("finality_ms")
    return f", proposal to final p50 {own['p50']} ms, p99 {own['p99']} ms" if own else ""
