"""Two of seven validators that refuse an account: how long its transfers and its job wait."""

import statistics
import time
from typing import NamedTuple

from home import drop_fields, set_fields
from rpc import RpcError, wait_for
from scenario import must, restart
from transfers import FEE, TO

# Turns in a row that the refusing have at most in one order of leaders: docs/protocol/epochs.md.
REFUSING = 2
WAIT_S = 60
# Blocks of the refusing that transfers are to wait for, and transfers that are sent for it at most.
SHOWN, MOST = 3, 200


class Waited(NamedTuple):
    """Blocks a transfer waited for: all that are final since it was sent, and those of them that were begun when every
    other validator was seen to have it, so many seconds after."""

    all: list
    late: list
    spread: float


def refuse(world, nodes, account):
    """Restarts nodes so that they take no transactions from an account, or from all again if it is None."""
    for node in nodes:
        if account:
            set_fields(node.home / "node.toml", refuse=[account])
        else:
            drop_fields(node.home / "node.toml", "refuse")
        node.stop()
        restart(world, node)


def turned_away(world, node):
    """What a refusing node says to the outcast's transfer."""
    raw, _ = world.outcast.transfer(world.load.chain_id, 0, TO, 1, FEE)
    try:
        node.rpc.call("eth_sendRawTransaction", raw)
    except RpcError as error:
        return str(error)
    must(False, f"{node.name} took a transaction that it is told to refuse")


def send(world, honest, accounts, nonce):
    """Sends the outcast's next transfer to one honest node; what it waited for."""
    raw, hashed = world.outcast.transfer(world.load.chain_id, nonce, TO, 1, FEE)
    before = honest[0].height()
    honest[0].rpc.call("eth_sendRawTransaction", raw)
    known = lambda: all(node.rpc.ask("eth_getTransactionByHash", hashed) for node in honest)
    seen, spread = wait_for(known, WAIT_S, every=0.02)
    must(seen, f"not all of {len(honest)} nodes heard of {hashed} within {WAIT_S} s")
    # A block's time may be ahead of when it was begun by the shortest interval.
    known_ms = time.time_ns() // 10**6 + world.homes.genesis["params"]["min_block_interval_ms"]
    receipt, _ = wait_for(lambda: honest[0].rpc.ask("eth_getTransactionReceipt", hashed), WAIT_S, every=0.05)
    must(receipt, f"{hashed} of the refused account was not final within {WAIT_S} s")
    height = int(receipt["blockNumber"], 16)
    *passed, last = [honest[0].rpc.call("assay_block", at) for at in range(before + 1, height + 1)]
    must(last["proposer"].lower() not in accounts, f"block {height} has a transfer that its leader is told to refuse")
    late = [block for block in passed if block["timestamp_ms"] > known_ms]
    left_out = [block["height"] for block in late if block["proposer"].lower() not in accounts]
    must(not left_out, f"blocks {left_out} are by others than the refusing, who had the transfer, and leave it out")
    turns = len({block["height"] // world.committees.epoch_blocks for block in [*late, last]})
    must(len(late) <= REFUSING * turns, f"a transfer that all others had waited for {len(late)} blocks up to {height}")
    return Waited(passed, late, spread)


def censorship(world, seconds):
    refusing, honest = world.validators()[1 : 1 + REFUSING], [world.validators()[0], *world.validators()[1 + REFUSING :]]
    renter, accounts = world.renter("r3", "2.3", world.outcast), {node.account for node in refusing}
    refuse(world, refusing, world.outcast.address)
    try:
        for node in refusing:
            said = turned_away(world, node)
        waits, least = [], 20 if seconds < 10 else 100
        while len(waits) < least or (sum(len(wait.late) for wait in waits) < SHOWN and len(waits) < MOST):
            waits.append(send(world, honest, accounts, len(waits)))
        begin = time.monotonic()
        must(renter.step(lambda: honest[0]), f"the refused account's job failed: {'; '.join(renter.said)}")
        took = time.monotonic() - begin
    finally:
        refuse(world, refusing, None)
    late, every = [len(wait.late) for wait in waits], [len(wait.all) for wait in waits]
    spread = statistics.median(wait.spread for wait in waits)
    must(sum(late), f"none of {len(waits)} transfers had to wait for a leader that refuses, so this shows nothing")
    return None, (
        f"{len(waits)} transfers: once the others had it (p50 {spread:.2f} s) one waited for {max(late)} blocks at most, bound "
        f"{REFUSING}, {sum(late)} blocks of the two in all; {max(every)} since it was sent; a job verified in {took:.1f} s; told: "
        f"{said[:44]}"
    )
