"""Who comes and goes: a new validator, one that leaves, a full node that syncs, all under load; and load alone."""

import json
import resource
import time

from chain import Node, RpcError, wait_for
from home import KRT, assay, knows
from scenarios import finality, must
from wallet import Wallet

STAKE_KRT = 20_000
JOIN_S = 300


class Absent(Exception):
    """This version of the program cannot do it, or nobody can make it happen: why."""


def upstreams(world):
    return [node.rpc.url for node in world.nodes[:3]]


def stake(world, *argv):
    """`assay stake …` at a node, signed by the founder's or the named key."""
    return assay(world.assay, "stake", *argv, "--rpc", world.nodes[0].rpc.url)


def give(world, account, krt):
    """A transfer by the founder, final when this returns."""
    rpc = world.nodes[0].rpc
    nonce = int(rpc.call("eth_getTransactionCount", world.founder.address, "latest"), 16)
    raw, hashed = world.founder.transfer(world.load.chain_id, nonce, account, krt * KRT, 10**9)
    rpc.call("eth_sendRawTransaction", raw)
    must(wait_for(lambda: rpc.call("eth_getTransactionReceipt", hashed), 60)[0], f"{hashed} was not final within 60 s")


def leads(world, account, above):
    """Height of a final block above `above` that this account led, or None. Looks at the newest 30."""
    newest, rpc = world.recorder.height(), world.nodes[0].rpc
    for height in range(newest, max(above, newest - 30), -1):
        try:
            block = rpc.call("assay_block", height)
        except (OSError, RpcError):
            continue
        if block and block["proposer"].lower() == account.lower():
            return height
    return None


def seats(world):
    """Accounts that sit now."""
    listed = world.nodes[0].rpc.call("assay_validators")
    return {one["account"].lower() for one in listed if one["seated"]}


def join_and_leave(world, seconds):
    """A new validator registers, syncs and leads blocks; then a genesis validator takes its stake out and is let go."""
    if not knows(world.assay, "stake", "register"):
        raise Absent("this version has no `assay stake`: the committee is the genesis for good")
    host = world.net.add("v8", "0.8")
    file = world.dir / "v8.json"
    assay(world.assay, "stake", "keys", "--out", file)
    home = world.homes.new_node("validator-8", host.address, upstreams(world), keys=file)
    account = account_of(world, file)
    give(world, account, STAKE_KRT + 100)
    node = Node(world.assay, host, home, world.logs, account.lower())
    node.start()
    must(wait_for(lambda: node.height() is not None, 60)[0], "the new validator's node did not start")
    begin, first = time.monotonic(), world.recorder.height()
    stake(world, "register", "--validator", file, "--peer", f"{host.address}:26656", "--amount", STAKE_KRT)
    done, joined = wait_for(lambda: leads(world, account, first), JOIN_S, every=0.5)
    must(done, f"the new validator led no block within {JOIN_S} s: {node.rpc.status()}")
    world.nodes.append(node)
    world.recorder.follow(node)
    leaver = world.nodes[5]
    begin = time.monotonic()
    stake(world, "undelegate", leaver.account, "--amount", 9_999, "--validator", leaver.home / "validator.json")
    done, _ = wait_for(lambda: leaver.account not in seats(world), JOIN_S, every=1)
    must(done, f"{leaver.name} still sits {JOIN_S} s after it took its stake out")
    left, above = time.monotonic() - begin, world.recorder.height()
    time.sleep(10)
    must(leads(world, leaver.account, above) is None, f"{leaver.name} leads blocks though it has no seat")
    leaver.stop()
    world.nodes.remove(leaver)
    return joined, f"registered to leading in {joined:.1f} s; {leaver.name} without a seat {left:.1f} s after asking, stopped"


def account_of(world, file):
    """Account of a validator's key file, from the key itself."""
    return Wallet.of_key(json.loads(file.read_text())["account"]).address


def sync(world, seconds):
    """A full node that has only the genesis and three addresses."""
    host = world.net.add("f1", "3.1")
    home = world.homes.new_node("full-1", host.address, upstreams(world))
    node = Node(world.assay, host, home, world.logs)
    begin, goal = time.monotonic(), world.recorder.height()
    node.start()
    time.sleep(1)
    if not node.alive():
        raise Absent("a node without keys does not start in this version: " + " ".join(node.log.read_text().split())[-200:])
    done, _ = wait_for(lambda: (node.height() or 0) >= goal, 180)
    must(done, f"the new node is at {node.height()} after 180 s, the network was at {goal} when it began")
    took = time.monotonic() - begin
    behind = lambda: world.recorder.height() - (node.height() or 0)
    must(wait_for(lambda: behind() <= 3, 60)[0], f"the new node stays {behind()} blocks behind")
    world.nodes.append(node)
    world.recorder.follow(node)
    return took, f"{goal} blocks behind at start; at the tip under load {took:.1f} s later"


def sustained(world, seconds):
    """Load alone: what goes through, and what a process needs."""
    count, first, begin = len(world.load.finals()), world.recorder.height(), time.monotonic()
    jobs = sum(renter.verified for renter in world.load.jobs)
    time.sleep(seconds * 3)
    took = time.monotonic() - begin
    sent, p50, worst, most = world.finals_since(count)
    jobs = sum(renter.verified for renter in world.load.jobs) - jobs
    rate = (world.recorder.height() - first) / took
    rss = max(resident_mib(node) for node in world.nodes)
    must(sent > 0, "no transfer was final")
    return None, (
        f"{took:.0f} s: {sent / took:.0f} transfers/s final, p50 {p50:.2f} s, max {worst:.2f} s, {most} blocks; "
        f"{rate:.1f} blocks/s; {jobs} jobs verified{finality(world)}; largest node {rss:.0f} MiB"
    )


def resident_mib(node):
    """Resident memory of a process, MiB."""
    with open(f"/proc/{node.running.pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def censorship(world, seconds):
    """A transaction that two of seven refuse. Nothing in this version makes a validator refuse one."""
    raise Absent("no setting makes a validator leave a transaction out; with two validators dead, see the row on kill -9")

