"""Load while things break: many senders that can be brought to rest."""

import random
import statistics
import threading
import time


class Sender(threading.Thread):
    """Does `step` again and again while the load goes; `idle` is set while it does nothing."""

    what = "what was sent by"

    def __init__(self, load, wallet):
        super().__init__(daemon=True)
        self.load, self.wallet = load, wallet
        self.idle = threading.Event()

    def run(self):
        while not self.load.ended.is_set():
            if self.load.going.is_set():
                self.idle.clear()
                self.step()
            else:
                self.idle.set()
                self.load.going.wait(0.2)


class Load:
    """All senders. `nodes` gives those that should answer, `height` the network's."""

    def __init__(self, chain_id, nodes, height):
        self.chain_id, self.nodes, self.height = chain_id, nodes, height
        self.going, self.ended = threading.Event(), threading.Event()
        self.transfers, self.jobs = [], []
        self.finals = []  # Transfers that nodes called final, as they did.

    def senders(self):
        return self.transfers + self.jobs

    def pick(self):
        """A node whose process lives, at random."""
        alive = [node for node in self.nodes() if node.alive()]
        return random.choice(alive or self.nodes())

    def start(self):
        for sender in self.senders():
            sender.start()

    def go(self):
        for sender in self.senders():
            sender.idle.clear()
        self.going.set()

    def pause(self, seconds):
        """Sends nothing new and waits until all sent is final and each job has ended; what has not by then."""
        self.going.clear()
        until = time.monotonic() + seconds
        late = [sender for sender in self.senders() if not sender.idle.wait(max(0, until - time.monotonic()))]
        return [f"{sender.what} {sender.wallet.address}" for sender in late]

    def finals_since(self, count):
        """Of the transfers final since there were `count`: how many, and seconds (p50, max) and most blocks to
        finality."""
        fresh = self.finals[count:]
        if not fresh:
            return 0, 0.0, 0.0, 0
        seconds = [one.seconds for one in fresh]
        return len(fresh), statistics.median(seconds), max(seconds), max(one.blocks for one in fresh)

    def verified(self):
        """Jobs whose result their renter has verified."""
        return sum(renter.verified for renter in self.jobs)

    def stop(self):
        self.ended.set()
        self.going.set()
