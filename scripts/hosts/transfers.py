"""Transfers, signed here. Nothing sent is forgotten until it is final, and what a node called final is kept, so that
`checks` can ask for it again."""

import time
from typing import NamedTuple

from load import Sender
from rpc import RpcError

TO = "0x" + "5a" * 20
FEE = 10**9
RESEND_S = 5.0
SLOW_S = 10.0


class Final(NamedTuple):
    """A transfer as a node told it final: seconds and blocks from sending."""

    hash: str
    height: int
    block: str
    seconds: float
    blocks: int


class Transfers(Sender):
    """One account that sends bursts of transfers, each after the one before is final."""

    what = "transfers of"

    def __init__(self, load, wallet, burst):
        super().__init__(load, wallet)
        self.burst, self.nonce = burst, 0
        self.final, self.errors, self.slow = 0, {}, []

    def step(self):
        left = {}
        for _ in range(self.burst):
            raw, hashed = self.wallet.transfer(self.load.chain_id, self.nonce, TO, 1 + self.nonce, FEE)
            left[hashed] = raw
            self.nonce += 1
        self.until_final(left)

    def until_final(self, left):
        """Sends by one node, after a while by another, until a node has a receipt for each."""
        start, base, due, sent_to = time.monotonic(), self.load.height(), 0.0, []
        while left and not self.load.ended.is_set():
            if time.monotonic() >= due:
                node = self.load.pick()
                said = {self.send(node, raw) for raw in left.values()} - {None}
                due = 0.0 if "down" in said else time.monotonic() + RESEND_S
                sent_to.append(f"{node.name} at {time.monotonic() - start:.1f} s {'; '.join(sorted(said))}".rstrip())
                asked = self.load.pick()
            time.sleep(0.1)
            for hashed in list(left):
                found = asked.rpc.ask("eth_getTransactionReceipt", hashed)
                if not found:
                    break
                height, took = int(found["blockNumber"], 16), time.monotonic() - start
                self.load.finals.append(Final(hashed, height, found["blockHash"], took, height - base))
                self.final += 1
                del left[hashed]
        if not left and took > SLOW_S:
            self.slow.append(f"{hashed} {took:.1f} s, {height - base} blocks, sent to {', '.join(sent_to)}")

    def send(self, node, raw):
        """None when the node took it, otherwise what it said."""
        try:
            node.rpc.call("eth_sendRawTransaction", raw)
            return None
        except ConnectionError:
            said = "down"
        except (OSError, RpcError) as error:
            said = str(error)[:80]
        if "known" not in said and "nonce" not in said:
            self.errors[said] = self.errors.get(said, 0) + 1
        return said
