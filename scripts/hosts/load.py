"""Load while things break: transfers signed here, and jobs by the command line as a renter runs them.

What a node said is final is kept, so that `checks` can ask for it again; nothing sent is forgotten until it is final.
"""

import json
import random
import subprocess
import threading
import time
from pathlib import Path

from chain import RpcError

TO = "0x" + "5a" * 20
FEE = 10**9
RESEND_S = 5.0
SLOW_S = 10.0
JOB_TIMEOUT_S = 150
RESUMES = 4


class Transfers(threading.Thread):
    """One account that sends bursts of transfers, each after the one before is final."""

    def __init__(self, load, wallet, burst):
        super().__init__(daemon=True)
        self.load, self.wallet, self.burst, self.nonce = load, wallet, burst, 0
        self.done = []  # (hash, height, block hash, seconds to final, blocks to final)
        self.errors, self.refused, self.slow = {}, [], []
        self.idle = threading.Event()

    def run(self):
        while not self.load.ended.is_set():
            if not self.load.going.is_set():
                self.idle.set()
                self.load.going.wait(0.2)
                continue
            self.idle.clear()
            first, self.nonce = self.nonce, self.nonce + self.burst
            sign = lambda nonce: self.wallet.transfer(self.load.chain_id, nonce, TO, 1 + nonce, FEE)
            self.confirm([sign(nonce) for nonce in range(first, self.nonce)])

    def confirm(self, burst):
        start, base, sent, asked = time.monotonic(), self.load.height(), 0.0, []
        left = dict((hashed, raw) for raw, hashed in burst)
        while left and not self.load.ended.is_set():
            if time.monotonic() - sent > RESEND_S:
                sent, node = time.monotonic(), self.load.pick()
                self.refused = []
                for raw in left.values():
                    self.ask(node, "eth_sendRawTransaction", raw)
                if any("refused" in text or "reset" in text for text in self.refused):
                    sent = 0.0  # Down: another one at once.
                said = f" ({'; '.join(sorted(set(self.refused)))})" if self.refused else ""
                asked.append(f"{node.name} at {time.monotonic() - start:.1f} s{said}")
                node = self.load.pick()
            time.sleep(0.1)
            for hashed in list(left):
                found = self.ask(node, "eth_getTransactionReceipt", hashed)
                if not found:
                    break
                height = int(found["blockNumber"], 16)
                took = time.monotonic() - start
                self.done.append((hashed, height, found["blockHash"], took, height - base))
                del left[hashed]
                if took > SLOW_S and not left:
                    self.slow.append(f"{hashed} {took:.1f} s, block {height} ({height - base} later), sent to {asked}")

    def ask(self, node, method, argument):
        try:
            return node.rpc.call(method, argument)
        except (OSError, RpcError) as error:
            text = str(error)
            self.refused.append(text[:80])
            if "known" not in text and "nonce" not in text:
                self.errors[text[:80]] = self.errors.get(text[:80], 0) + 1
            return None


class Jobs(threading.Thread):
    """One renter that submits a job, stays until its result is verified, and goes on. A command that fails, because
    the node it spoke to died for instance, is gone on with by `job resume` at another node."""

    def __init__(self, load, assay, host, keys, wallet, program, directory):
        super().__init__(daemon=True)
        self.load, self.assay, self.host, self.keys, self.wallet = load, assay, host, keys, wallet
        self.program, self.dir, self.number = program, Path(directory), 0
        self.verified, self.failed, self.said = 0, 0, []
        self.idle = threading.Event()

    def run(self):
        while not self.load.ended.is_set():
            if not self.load.going.is_set():
                self.idle.set()
                self.load.going.wait(0.2)
                continue
            self.idle.clear()
            self.number += 1
            self.one(self.dir / f"job-{self.number}")

    def one(self, home):
        home.mkdir(parents=True)
        (home / "input").write_text(f"{self.host.name} {self.number} one two three")
        submit = ["submit", self.program, "--abi", "wasi", "--input", home / "input", "--wait"]
        code = self.command(submit, home)
        for attempt in range(RESUMES):
            made = [path.parent for path in (home / "jobs").glob("*/job.json")]
            if code == 0 or self.load.ended.is_set():
                break
            time.sleep(1 + attempt)
            code = self.command(["resume", made[0]] if made else submit, home)
        self.verified += code == 0
        self.failed += code != 0

    def command(self, argv, home):
        # `job resume` has no --timeout.
        limit = ["--timeout", JOB_TIMEOUT_S] if argv[0] == "submit" else []
        node = self.load.pick()
        argv = [
            self.assay, "--output", "json", "job", *argv, *limit,
            "--rpc", node.rpc.url, "--keys", self.keys, "--jobs-dir", home / "jobs",
        ]
        running = subprocess.Popen(self.host.argv(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = running.communicate(timeout=JOB_TIMEOUT_S + 30)
        except subprocess.TimeoutExpired:
            running.kill()
            out, err = running.communicate()
            err += " (killed after its own timeout)"
        if running.returncode:
            said = " ".join(err.split())
            self.said.append(f"{argv[4]} at {node.name}, exit {running.returncode}: {said[:300]}")
        elif not json.loads(out).get("verified", True):
            self.said.append(f"{argv[4]} ended well but is not verified: {out[:200]}")
        return running.returncode


class Load:
    """All senders. `pick` gives a node that should answer, `height` the network's."""

    def __init__(self, chain_id, nodes, height):
        self.chain_id, self.nodes, self.height = chain_id, nodes, height
        self.going, self.ended = threading.Event(), threading.Event()
        self.transfers, self.jobs = [], []

    def pick(self):
        alive = [node for node in self.nodes() if node.alive()]
        return random.choice(alive or self.nodes())

    def start(self):
        for thread in self.transfers + self.jobs:
            thread.start()

    def go(self):
        for thread in self.transfers + self.jobs:
            thread.idle.clear()
        self.going.set()

    def pause(self, seconds):
        """Sends nothing new and waits until all sent is final and each job has ended; what has not by then."""
        self.going.clear()
        until = time.monotonic() + seconds
        late = []
        for thread in self.transfers + self.jobs:
            if not thread.idle.wait(max(0, until - time.monotonic())):
                what = "transfers of" if thread in self.transfers else "a job of"
                late.append(f"{what} {thread.wallet.address}")
        return late

    def finals(self):
        return [one for thread in self.transfers for one in thread.done]

    def stop(self):
        self.ended.set()
        self.going.set()
