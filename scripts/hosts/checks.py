"""What must hold after everything that was broken: one chain, one state, balanced books, nothing lost."""

import random

from rpc import RpcError, wait_for

CALM_S = 240
AGREE_S = 90
POTS = ("burned", "balances", "escrow", "collateral", "stake", "treasury")
CLOSED = {"completed", "cancelled", "expired", "partial"}
SHOWN = 5


def holder(nodes, height, number):
    """A node that holds a height, another for each number."""
    holders = [node for node in nodes if node.first <= height]
    return holders[number % len(holders)]


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
            node = holder(nodes, height, number)
            found = node.block(height)
            if found != said:
                faults.append(f"block {height} was final as {said}, {node.name} has {found}")
        self.asked = len(points)
        return faults[:SHOWN]

    def transfers(self, nodes):
        """Every transfer that was told final is still in the same block, also elsewhere."""
        faults, finals = [], list(self.load.finals)
        fresh = finals[self.confirmed :]
        for number, one in enumerate(random.sample(fresh, min(len(fresh), 300))):
            node = holder(nodes, one.height, number)
            found = node.rpc.ask("eth_getTransactionReceipt", one.hash)
            if not found or found["blockHash"] != one.block:
                faults.append(f"{one.hash} was final in block {one.height} {one.block}, {node.name} says {found}")
        self.confirmed = len(finals)
        for sender in self.load.transfers:
            count = nodes[0].rpc.transactions_of(sender.wallet.address)
            if count != sender.final:
                faults.append(f"{sender.wallet.address} sent {sender.final} final transfers, its nonce is {count}")
        return faults[:SHOWN]

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
        faults = [f"not final within {CALM_S} s: {late}" for late in self.load.pause(CALM_S)]
        split, took = self.agree(nodes)
        faults += split
        if not split:
            faults += self.books(nodes) + self.history(nodes) + self.transfers(nodes) + self.jobs(nodes)[0]
        faults += self.recorder.faults
        self.recorder.faults = []
        return faults, took
