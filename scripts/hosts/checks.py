"""What must hold after everything that was broken: one chain, one state, balanced books, nothing lost."""

import random
import threading
import time

from chain import RpcError, wait_for

CALM_S = 240
AGREE_S = 90
POTS = ("burned", "balances", "escrow", "collateral", "stake", "treasury")
CLOSED = {"completed", "cancelled", "expired", "partial"}


class Recorder(threading.Thread):
    """Asks every node where it stands, four times a second. Two nodes that say differently about a height are a fork."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes, self.points, self.tips, self.faults = nodes, {}, {}, []
        self.ended = threading.Event()

    def run(self):
        for node in self.nodes:
            self.follow(node)
        self.ended.wait()

    def follow(self, node):
        threading.Thread(target=self.watch, args=(node,), daemon=True).start()

    def watch(self, node):
        while not self.ended.wait(0.25):
            status = node.rpc.status() if node.alive() else None
            if not status:
                continue
            height, said = status["height"], (status["hash"], status["state_root"])
            known = self.points.setdefault(height, said)
            if known != said:
                self.faults.append(f"fork at {height}: {node.name} says {said}, another {known}")
            before = self.tips.get(node.name)
            if not before or before[1] != height:
                self.tips[node.name] = (time.monotonic(), height)

    def height(self):
        """The highest finalized height any node told."""
        return max((height for _, height in self.tips.values()), default=0)


class Checks:
    """The invariants; each method gives the faults it found, as sentences."""

    def __init__(self, recorder, load):
        self.recorder, self.load = recorder, load
        self.asked, self.confirmed = 0, 0

    def agree(self, nodes, seconds=AGREE_S):
        """Waits until all nodes have the highest block told so far: faults, and the seconds it took."""
        target = self.recorder.height()
        last, took = wait_for(lambda: all((node.height() or 0) >= target for node in nodes), seconds)
        if not last:
            behind = {node.name: node.height() for node in nodes}
            return [f"not all reached height {target} within {seconds} s: {behind}"], took
        said = {node.name: node.block(target) for node in nodes}
        if len(set(said.values())) != 1 or None in said.values():
            return [f"nodes differ at height {target}: {said}"], took
        return [], took

    def books(self, nodes):
        faults = []
        for node in nodes:
            try:
                books = node.rpc.call("assay_books", timeout=10)
            except (OSError, RpcError) as error:
                faults.append(f"{node.name} did not show its books: {error}")
                continue
            if int(books["minted"]) != sum(int(books[pot]) for pot in POTS):
                faults.append(f"the books of {node.name} do not balance: {books}")
        return faults

    def history(self, nodes):
        """Every point told since the last time is still there, each asked of one node by turns."""
        faults, points = [], sorted(self.recorder.points.items())
        fresh = points[self.asked :] + random.sample(points[: self.asked], min(50, self.asked))
        for number, (height, said) in enumerate(fresh):
            node = nodes[number % len(nodes)]
            found = node.block(height)
            if found != said:
                faults.append(f"block {height} was final as {said}, {node.name} has {found}")
        self.asked = len(points)
        return faults[:5]

    def transfers(self, nodes):
        """Every transfer that was told final is still in the same block, also elsewhere."""
        faults, finals = [], self.load.finals()
        fresh = finals[self.confirmed :]
        for number, (hashed, height, block, _, _) in enumerate(random.sample(fresh, min(len(fresh), 300))):
            node = nodes[number % len(nodes)]
            try:
                found = node.rpc.call("eth_getTransactionReceipt", hashed)
            except (OSError, RpcError) as error:
                found = {"blockHash": repr(error)}
            if not found or found["blockHash"] != block:
                faults.append(f"{hashed} was final in block {height} {block}, {node.name} says {found}")
        self.confirmed = len(finals)
        for sender in self.load.transfers:
            count = int(nodes[0].rpc.call("eth_getTransactionCount", sender.wallet.address, "latest"), 16)
            if count != len(sender.done):
                faults.append(f"{sender.wallet.address} sent {len(sender.done)} final transfers, its nonce is {count}")
        return faults[:5]

    def jobs(self, nodes):
        """Every job on chain has ended; faults, and how many ended how."""
        faults, ends = [], {}
        for renter in self.load.jobs:
            for job in nodes[0].rpc.call("assay_jobs", renter.wallet.address, 1000):
                ends[job["outcome"]] = ends.get(job["outcome"], 0) + 1
                if job["outcome"] not in CLOSED:
                    faults.append(f"job {job['id']} of height {job['submitted_at']} has not ended")
        return faults, ends

    def all(self, nodes):
        """Lets the load come to rest, then everything. Faults, and seconds until all agreed."""
        late = self.load.pause(CALM_S)
        faults = [f"not final within {CALM_S} s: {one}" for one in late]
        split, took = self.agree(nodes)
        faults += split
        if not split:
            faults += self.books(nodes) + self.history(nodes) + self.transfers(nodes) + self.jobs(nodes)[0]
        faults += self.recorder.faults
        self.recorder.faults = []
        return faults, took
