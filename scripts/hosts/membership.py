"""Who comes and goes under load: a full node that syncs, a validator that joins and one that leaves."""

import json
import time

from home import KRT, assay
from rpc import wait_for
from scenario import must
from wallet import Wallet

STAKE_KRT = 20_000
JOIN_S = 300
SYNC_S = 180
# Nodes replay a shorter chain, and take the state of a longer one.
SYNC_BEYOND = 1_024
GROW_S = 600


def upstreams(world):
    return [node.rpc.url for node in world.nodes[:3]]


def stake(world, *argv):
    """`assay stake …` at the first node."""
    return assay(world.assay, "stake", *argv, "--rpc", world.nodes[0].rpc.url)


def give(world, account, krt):
    """A transfer by the founder, final when this returns."""
    rpc = world.nodes[0].rpc
    nonce = rpc.transactions_of(world.founder.address)
    raw, hashed = world.founder.transfer(world.load.chain_id, nonce, account, krt * KRT, 10**9)
    rpc.call("eth_sendRawTransaction", raw)
    must(wait_for(lambda: rpc.ask("eth_getTransactionReceipt", hashed), 60)[0], f"{hashed} was not final within 60 s")


def leads(world, account, above):
    """Whether one of the newest 30 final blocks above `above` was led by this account."""
    newest, rpc = world.recorder.height(), world.nodes[0].rpc
    blocks = (rpc.ask("assay_block", height) for height in range(newest, max(above, newest - 30), -1))
    return any(block and block["proposer"].lower() == account for block in blocks)


def sits(world, account):
    listed = world.nodes[0].rpc.call("assay_validators")
    return any(one["seated"] and one["account"].lower() == account for one in listed)


def grow(world):
    """Waits until a new node takes the state instead of replaying all blocks."""
    grown = wait_for(lambda: world.recorder.height() > SYNC_BEYOND + 50, GROW_S)[0]
    must(grown, f"the chain is no longer than {world.recorder.height()} blocks")


def follow(world, name, address):
    """A full node that has only the genesis and three addresses, until it is at the tip: the node, the height the chain
    had when it began, and the seconds it took."""
    host = world.net.add(name, address)
    node = world.node(host, world.homes.new_node(f"full-{name}", host.address, upstreams(world)))
    begin, goal = time.monotonic(), world.recorder.height()
    node.start()
    behind = lambda: world.recorder.height() - (node.height() or 0)
    must(wait_for(lambda: behind() <= 3, SYNC_S)[0], f"{behind()} blocks behind {SYNC_S} s after its start, {goal} then")
    took = time.monotonic() - begin
    world.enter(node)
    return node, goal, took


def replay(world, seconds):
    node, goal, took = follow(world, "f1", "3.1")
    must(node.first == 0 or goal > SYNC_BEYOND, f"{goal} blocks behind, it holds none before {node.first}")
    return took, f"{goal} blocks behind at start, at the tip under load {took:.1f} s later, holds block {node.first} and later"


def state_sync(world, seconds):
    grow(world)
    node, goal, took = follow(world, "f2", "3.2")
    must(node.first > 0, f"{goal} blocks behind, it replayed them all instead of taking the state")
    return took, f"{goal} blocks behind at start, at the tip under load {took:.1f} s later, holds block {node.first} and later"


def join_and_leave(world, seconds):
    """A new validator registers, syncs and leads blocks; then a genesis validator takes its stake out and is let go."""
    grow(world)
    host, file = world.net.add("v8", "0.8"), world.dir / "v8.json"
    assay(world.assay, "stake", "keys", "--out", file)
    account = Wallet.of_key(json.loads(file.read_text())["account"]).address
    node = world.node(host, world.homes.new_node("validator-8", host.address, upstreams(world), keys=file), account)
    give(world, account, STAKE_KRT + 100)
    node.start()
    must(wait_for(lambda: node.height() is not None, 60)[0], "the new validator's node did not start")
    begin, first = time.monotonic(), world.recorder.height()
    stake(world, "register", "--validator", file, "--peer", f"{host.address}:26656", "--amount", STAKE_KRT)
    must(wait_for(lambda: leads(world, account, first), JOIN_S, every=0.5)[0],
         f"the new validator led no block within {JOIN_S} s: {node.rpc.status()}")
    joined = time.monotonic() - begin
    world.enter(node)
    leaver = world.validators()[5]
    begin = time.monotonic()
    stake(world, "undelegate", leaver.account, "--amount", 9_999, "--validator", leaver.home / "validator.json")
    must(wait_for(lambda: not sits(world, leaver.account), JOIN_S, every=1)[0],
         f"{leaver.name} still sits {JOIN_S} s after it took its stake out")
    left, above = time.monotonic() - begin, world.recorder.height()
    time.sleep(10)
    must(not leads(world, leaver.account, above), f"{leaver.name} leads blocks though it has no seat")
    leaver.stop()
    world.nodes.remove(leaver)
    return joined, f"registered to leading in {joined:.1f} s; {leaver.name} without a seat {left:.1f} s after asking, stopped"
