"""Two of seven validators that refuse an account: how long its transfers and its job wait."""

import time

from home import drop_fields, set_fields
from rpc import RpcError, wait_for
from scenario import must, restart
from transfers import FEE, TO

# See docs/protocol/epochs.md. A block may be under way, and one be begun before it is final, when a transfer is sent.
REFUSING = 2
UNDER_WAY = 2


def refuse(world, nodes, account):
    """Restarts nodes so that they take no transactions from an account, or from all again if it is None."""
    for node in nodes:
        if account:
            set_fields(node.home / "node.toml", refuse=[account])
        else:
            drop_fields(node.home / "node.toml", "refuse")
        node.stop()
        restart(world, node)


def one_transfer(world, node, nonce):
    """Sends the outcast's next transfer; the heights of the blocks it waited for, and that of the one that has it."""
    raw, hashed = world.outcast.transfer(world.load.chain_id, nonce, TO, 1, FEE)
    before = node.height()
    node.rpc.call("eth_sendRawTransaction", raw)
    receipt, _ = wait_for(lambda: node.rpc.ask("eth_getTransactionReceipt", hashed), 60, every=0.05)
    must(receipt, f"{hashed} of the refused account was not final within 60 s")
    height = int(receipt["blockNumber"], 16)
    return range(before + 1, height), height


def censorship(world, seconds):
    refusing, honest, account = world.nodes[1 : 1 + REFUSING], world.nodes[0], world.outcast.address
    renter, accounts = world.renter("r3", "2.3", world.outcast), {node.account for node in refusing}
    proposer = lambda height: honest.rpc.call("assay_block", height)["proposer"].lower()
    waits, by_them = [], 0
    refuse(world, refusing, account)
    try:
        for node in refusing:
            raw, _ = world.outcast.transfer(world.load.chain_id, 0, TO, 1, FEE)
            try:
                node.rpc.call("eth_sendRawTransaction", raw)
                must(False, f"{node.name} took a transaction that it is told to refuse")
            except RpcError as error:
                said = str(error)
        for nonce in range(20 if seconds < 10 else 100):
            passed, height = one_transfer(world, honest, nonce)
            must(proposer(height) not in accounts, f"block {height} has a transfer that its leader is told to refuse")
            by_them += sum(proposer(one) in accounts for one in passed)
            turns = len({one // world.committees.epoch_blocks for one in (*passed, height)})
            bound = REFUSING * turns + UNDER_WAY
            must(len(passed) <= bound, f"a transfer sent at block {passed.start - 1} waited for {len(passed)} blocks")
            waits.append(len(passed))
        begin = time.monotonic()
        must(renter.step(lambda: honest), f"the refused account's job failed: {'; '.join(renter.said)}")
        took = time.monotonic() - begin
    finally:
        refuse(world, refusing, None)
    must(by_them, f"none of {len(waits)} transfers had to wait for a leader that refuses, so this shows nothing")
    return None, (
        f"{len(waits)} transfers waited for {max(waits)} blocks at most, {sum(waits) / len(waits):.1f} on average, bound "
        f"{REFUSING + UNDER_WAY}; {by_them} of them led by the two; a job verified in {took:.1f} s; refused: {said[:60]}"
    )
