"""The network under test: hosts, processes and load."""

import os
import time
from pathlib import Path

from checks import Checks
from committees import Committees
from home import Homes
from jobs import Jobs
from load import Load
from net import Net, sh
from node import Node
from process import Process
from recorder import Recorder
from rpc import wait_for
from transfers import Transfers
from wallet import Wallet

DISK_MIB = 256
START_S = 120
BALANCE_KRT = 100_000
LOG = os.environ.get("ASSAY_LOG", "warn")
# Short epochs, so that validators come and go within a run.
PARAMS = {"validator_epoch_blocks": 120, "unbonding_ms": 600_000}


class World:
    """Seven validators, three providers and two renters, each a process on a host of its own. `founder` pays for what
    scenarios need, `outcast` is whom some validators refuse."""

    def __init__(self, assay, directory, program, validators=7, providers=3, mbit=200, senders=4, burst=5):
        self.assay, self.dir, self.program = str(Path(assay).resolve()), Path(directory).resolve(), program
        self.logs = self.dir / "logs"
        self.logs.mkdir(parents=True)
        self.net = Net(self.logs, mbit)
        self.homes = Homes(self.assay, self.dir / "net", validators, providers)
        at = [self.net.add(f"v{i}", f"0.{i}") for i in range(1, validators + 1)]
        sellers = [self.net.add(f"p{i}", f"1.{i}") for i in range(1, providers + 1)]
        wallets = [Wallet(f"sender {i}") for i in range(senders)]
        renters = [Wallet(f"renter {i}") for i in range(2)]
        self.founder, self.outcast = Wallet("founder"), Wallet("outcast")
        rich = [*wallets, *renters, self.founder, self.outcast]
        balances = {wallet.address: BALANCE_KRT for wallet in rich}
        self.homes.place([host.address for host in at], [host.address for host in sellers], balances, PARAMS)
        self.committees = Committees(self.homes.genesis)
        self.nodes = [
            self.node(host, self.homes.validator(i), self.homes.account(i)) for i, host in enumerate(at, 1)
        ]
        self.providers = [
            Process(host, [self.assay, "--log", LOG, "provider", "--config", self.homes.provider(i) / "provider.toml"],
                    self.logs)
            for i, host in enumerate(sellers, 1)
        ]
        self.recorder = Recorder(self.nodes)
        self.load = Load(self.homes.genesis["chain_id"], lambda: self.nodes, self.recorder.height)
        self.load.transfers = [Transfers(self.load, wallet, burst) for wallet in wallets]
        self.load.jobs = [self.renter(f"r{i}", f"2.{i}", wallet) for i, wallet in enumerate(renters, 1)]
        self.checks = Checks(self.recorder, self.load)

    def node(self, host, home, account=None):
        """A validator or full node, not started."""
        return Node(self.assay, LOG, host, home, self.logs, account)

    def renter(self, name, address, wallet):
        """A renter on a host of its own."""
        host = self.net.add(name, address)
        keys = self.homes.import_key(self.dir / f"keys-{name}", wallet, "for a test")
        return Jobs(self.load, self.assay, host, keys, wallet, self.program, self.dir / f"jobs-{name}")

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

    def enter(self, node):
        """Takes a new node into what is recorded, checked and loaded."""
        node.find_first()
        self.nodes.append(node)
        self.recorder.follow(node)

    def signed(self, node, height):
        """Whether a validator signed or led a final block, as another node has it."""
        other = next(one for one in self.nodes if one is not node and one.alive() and one.first <= height)
        return self.committees.signed(node.account, height, other.rpc)

    def validators(self):
        """Nodes with a validator's keys; full nodes have none."""
        return [node for node in self.nodes if node.account]

    def processes(self):
        return [*self.nodes, *self.providers]

    def stop(self):
        self.load.stop()
        self.recorder.ended.set()
        for process in self.processes():
            process.kill()
