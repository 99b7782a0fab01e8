"""The network under test: hosts, processes, load, and how long it takes until a validator signs again."""

import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from chain import LOG, Node, Process, RpcError, wait_for
from checks import Checks, Recorder
from home import Homes
from load import Jobs, Load, Transfers
from net import HERE, Net, sh
from wallet import Wallet

DISK_MIB = 256
START_S = 120
# Short epochs, so that validators come and go within a run.
PARAMS = {"validator_epoch_blocks": 120, "unbonding_ms": 600_000}


class World:
    """Seven validators, three providers and two renters, each a process on a host of its own."""

    def __init__(self, assay, directory, program, validators=7, providers=3, mbit=200, senders=4, burst=5):
        self.assay, self.dir = str(Path(assay).resolve()), Path(directory).resolve()
        self.logs = self.dir / "logs"
        self.logs.mkdir(parents=True)
        self.net = Net(self.logs, mbit)
        self.homes = Homes(self.assay, self.dir / "net", validators, providers)
        at = [self.net.add(f"v{i}", f"0.{i}") for i in range(1, validators + 1)]
        sellers = [self.net.add(f"p{i}", f"1.{i}") for i in range(1, providers + 1)]
        wallets = [Wallet(f"sender {i}") for i in range(senders)]
        renters = [Wallet(f"renter {i}") for i in range(2)]
        self.founder = Wallet("founder")
        balances = {wallet.address: 100_000 for wallet in [*wallets, *renters, self.founder]}
        self.homes.place([host.address for host in at], [host.address for host in sellers], balances, PARAMS)
        self.nodes = [
            Node(self.assay, host, self.homes.validator(i), self.logs, self.homes.account(i))
            for i, host in enumerate(at, 1)
        ]
        self.providers = [
            Process(host, [self.assay, "--log", LOG, "provider", "--config", self.homes.provider(i) / "provider.toml"],
                    self.logs, host.name)
            for i, host in enumerate(sellers, 1)
        ]
        self.seats = sorted(int(seat["network_key"], 16) for seat in self.homes.genesis["validators"])
        self.recorder = Recorder(self.nodes)
        self.load = Load(self.homes.genesis["chain_id"], lambda: self.nodes, self.recorder.height)
        self.load.transfers = [Transfers(self.load, wallet, burst) for wallet in wallets]
        for i, wallet in enumerate(renters, 1):
            keys = self.homes.import_key(self.dir / f"renter-{i}", wallet, "for a test")
            host = self.net.add(f"r{i}", f"2.{i}")
            self.load.jobs.append(Jobs(self.load, self.assay, host, keys, wallet, program, self.dir / f"jobs-{i}"))
        self.checks = Checks(self.recorder, self.load)

    def start(self):
        """Brings all up; seconds until the chain moves and the providers are registered."""
        begin = time.monotonic()
        self.small_disk(self.nodes[-1])
        for node in self.nodes:
            node.start()
        if not wait_for(lambda: all((node.height() or 0) >= 2 for node in self.nodes), START_S)[0]:
            raise RuntimeError(f"no block within {START_S} s: {[node.rpc.status() for node in self.nodes]}")
        self.recorder.start()
        for provider in self.providers:
            provider.start()
        registered = lambda: len(self.nodes[0].rpc.call("assay_providers")) == len(self.providers)
        if not wait_for(registered, START_S)[0]:
            raise RuntimeError(f"the providers did not register within {START_S} s")
        self.load.start()
        return time.monotonic() - begin

    def small_disk(self, node):
        """A disk of its own for a node's state, so that it can be filled."""
        state = node.home / "state"
        state.mkdir(exist_ok=True)
        sh("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "disk", str(state))

    def signed(self, node, height):
        """Whether a validator of the genesis signed or led a final block, as another node has it. The certificate
        ends with a bitmap of the signers, by network key, and an aggregate signature of 96 bytes."""
        other = next(one for one in self.nodes if one is not node and one.alive())
        try:
            block = other.rpc.call("assay_block", height)
            if block and block["proposer"] == node.account:
                return True
            proof = bytes.fromhex(other.rpc.call("assay_certificate", height)["certificate"][2:])
        except (OSError, RpcError):
            return False
        listed = next((seat for seat in self.homes.genesis["validators"] if seat["account"].lower() == node.account), None)
        size = (len(self.seats) + 7) // 8
        # Another committee than the genesis sits: the bitmap means others.
        if not listed or int.from_bytes(proof[-104 - size : -96 - size], "big") != len(self.seats):
            return False
        place = self.seats.index(int(listed["network_key"], 16))
        return bool(proof[-96 - size + place // 8] >> place % 8 & 1)

    def signs_again(self, node, seconds=120):
        """Seconds until a new final block has this validator's signature; None when none has within `seconds`."""
        # Two above: a vote cast before it went down may end in the next one.
        next_height = self.recorder.height() + 2

        def found():
            nonlocal next_height
            while next_height <= self.recorder.height():
                next_height += 1
                if self.signed(node, next_height - 1):
                    return True
            return False

        done, took = wait_for(found, seconds, every=0.05)
        return took if done else None

    def preload(self, path, **env):
        """Environment that loads a library into a process, after those the caller's own names."""
        before = os.environ.get("LD_PRELOAD")
        return {"LD_PRELOAD": f"{path}:{before}" if before else str(path), **env}

    def slow_disk(self, ms):
        """Environment of a process whose every fsync takes so many milliseconds more, or None without a C compiler."""
        library, compiler = self.dir / "slow_disk.so", shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            return None
        if not library.exists():
            subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, HERE / "slow_disk.c", "-ldl"], check=True)
        return self.preload(library, SLOW_DISK_MS=ms)

    def skew(self, seconds):
        """Environment of a process whose wall clock is off by so many seconds; its timers are not."""
        library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
        library = library or next(iter(Path("/usr/lib").glob("**/libfaketimeMT.so.1")), None)
        if not library:
            return None
        return self.preload(library, FAKETIME=f"{seconds:+}s", FAKETIME_DONT_FAKE_MONOTONIC=1, DONT_FAKE_MONOTONIC=1)

    def finals_since(self, count):
        """Of the transfers final since there were `count`: how many, and seconds and blocks to finality (p50, max)."""
        fresh = self.load.finals()[count:]
        if not fresh:
            return 0, 0.0, 0.0, 0
        seconds = [one[3] for one in fresh]
        return len(fresh), statistics.median(seconds), max(seconds), max(one[4] for one in fresh)

    def stop(self):
        self.load.stop()
        self.recorder.ended.set()
        for process in [*self.providers, *self.nodes]:
            if process.alive():
                process.kill()
