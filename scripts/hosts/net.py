"""Hosts of their own on one machine: network namespaces on one bridge, shaped links, loss, partitions.

    x.x.255.254 ---- bridge ---- veth | namespace v1, x.x.0.1, its own loopback, routes and filter
                        |------- veth | namespace p1, x.x.1.1

Rates are set with `tc tbf` on both ends of a link, loss and partitions with the namespace's own iptables, latency
with relay.py (many kernels lack netem). hosts.sh starts all this in namespaces of its own, so nothing here is seen
outside, no packet leaves, and nothing is left behind, however it ends. The addresses are public ones, as hosts on the
Internet have; ASSAY_HOSTS_NET sets other first two numbers.
"""

import os
import subprocess
import sys
from pathlib import Path

BASE = os.environ.get("ASSAY_HOSTS_NET", "11.91")
HERE = Path(__file__).resolve().parent


def sh(*argv, check=True):
    """Runs a command; returns its output, or raises with what it said."""
    done = subprocess.run(argv, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Host:
    """One network namespace with one address."""

    def __init__(self, net, name, address):
        self.net, self.name, self.address = net, name, address
        self.space, self.link = f"assay-{name}", f"to-{name}"
        self.relay = None

    def up(self):
        sh("ip", "netns", "add", self.space)
        sh("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        sh("ip", "link", "set", self.link, "master", self.net.bridge, "up")
        self.ip("addr", "add", f"{self.address}/16", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.ip("link", "set", "lo", "up")

    def ip(self, *argv, check=True):
        return sh("ip", "-n", self.space, *argv, check=check)

    def inside(self, *argv, check=True):
        return sh("ip", "netns", "exec", self.space, *argv, check=check)

    def argv(self, argv):
        """A command line that runs inside this host; it becomes that program, so signals reach it."""
        return ["ip", "netns", "exec", self.space, *map(str, argv)]

    def shape(self, mbit):
        """Rate of the link both ways, Mbit/s; queues hold up to 200 ms."""
        rate = ["rate", f"{mbit}mbit", "burst", "64kb", "latency", "200ms"]
        sh("tc", "qdisc", "replace", "dev", self.link, "root", "tbf", *rate)
        self.inside("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", *rate)

    def lose(self, part):
        """Drops this share (0 to 1) of the packets that come in from other hosts; 0 stops that."""
        rule = ["INPUT", "-i", "eth0", "-m", "statistic", "--mode", "random", "--probability", str(part), "-j", "DROP"]
        self.inside("iptables", "-w", "-F", "INPUT")
        if part:
            self.inside("iptables", "-w", "-A", *rule)

    def delay(self, ms):
        """Adds so many milliseconds to each packet this host sends; 0 stops that."""
        if self.relay:
            self.relay.terminate()
            self.relay.wait()
            self.relay = None
            self.ip("route", "del", f"{BASE}.0.0/17", "dev", "lag0", check=False)
            self.ip("route", "flush", "cache", check=False)
        if ms:
            log = open(self.net.logs / f"{self.name}-relay.log", "ab")
            argv = self.argv([sys.executable, HERE / "relay.py", "--ms", ms, "--address", self.address])
            self.relay = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
            if not self.relay.stdout.readline():
                raise RuntimeError(f"the latency relay of {self.name} did not start: see {log.name}")

    def drop(self, addresses):
        """Cuts this host off from these addresses, silently as a broken line does."""
        for address in addresses:
            self.inside("iptables", "-w", "-A", "INPUT", "-s", address, "-j", "DROP")
            self.inside("iptables", "-w", "-A", "OUTPUT", "-d", address, "-j", "DROP")

    def heal(self):
        """Takes back loss and partitions."""
        self.inside("iptables", "-w", "-F")


class Net:
    """A bridge and its hosts."""

    bridge = "assay"

    def __init__(self, logs, mbit):
        self.logs, self.mbit, self.hosts = Path(logs), mbit, {}
        # Namespaces are named by files; these are seen here only.
        Path("/run/netns").mkdir(exist_ok=True)
        sh("mount", "-t", "tmpfs", "hosts", "/run/netns")
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", self.bridge, "type", "bridge")
        sh("ip", "addr", "add", f"{BASE}.255.254/16", "dev", self.bridge)
        sh("ip", "link", "set", self.bridge, "up")

    def add(self, name, address):
        """A new host, `address` in the network as "0.1"."""
        host = Host(self, name, f"{BASE}.{address}")
        self.hosts[name] = host
        host.up()
        host.shape(self.mbit)
        return host

    def partition(self, one, other):
        """Cuts two groups of hosts off from one another."""
        for mine, theirs in ((one, other), (other, one)):
            for host in mine:
                host.drop([peer.address for peer in theirs])

    def heal(self):
        for host in self.hosts.values():
            host.heal()
