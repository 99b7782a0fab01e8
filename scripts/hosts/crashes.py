"""Validators that are killed or stopped and started again."""

import time

from scenario import moves, must, restart, signs_again


def kill_one(world, seconds):
    times = []
    for node in world.validators()[4:7] if seconds > 10 else world.validators()[4:5]:
        node.kill()
        last = world.recorder.height() + 2
        time.sleep(3)
        # The measure must be able to fail.
        dead = [height for height in range(last, world.recorder.height() + 1) if world.signed(node, height)]
        must(not dead, f"{node.name} was dead and signed blocks {dead}")
        times.append(restart(world, node))
    return max(times), f"kill -9, down 3 s; start to signing again {', '.join(f'{one:.1f}' for one in times)} s"


def kill_two(world, seconds):
    pair, rest = world.validators()[5:7], world.validators()[:5]
    count = len(world.load.finals)
    for node in pair:
        node.kill()
    went = moves(rest, blocks=10)
    must(went is not None, "five of seven did not make 10 blocks in 60 s")
    time.sleep(max(0, seconds - went))
    sent, _, worst, most = world.load.finals_since(count)
    begin = time.monotonic()
    for node in pair:
        node.start()
    for node in pair:
        signs_again(world, node)
    note = f"five made 10 blocks in {went:.1f} s; meanwhile {sent} transfers final, max {worst:.1f} s, {most} blocks"
    return time.monotonic() - begin, note


def rolling_restart(world, seconds):
    times, stops = [], []
    for node in world.validators():
        clean, stopped = node.stop()
        must(clean, f"{node.name} did not stop well on Ctrl-C within 30 s: exit code {node.running.returncode}")
        stops.append(stopped)
        times.append(restart(world, node))
        must(moves(world.nodes, 2) is not None, f"not all go on after {node.name} came back")
    return max(times), f"{len(times)} validators; stop {max(stops):.1f} s, signing again {min(times):.1f} to {max(times):.1f} s"
