"""Whether this machine lets hosts be made at all: two, with everything the scenarios do to a link."""

import os
import sys

from net import Net, sh

CORES, FREE_MIB = 2, 6_144
# A closed port refuses: the packets went there and back.
REACHED = "import socket, sys; s = socket.socket(); s.settimeout(5); sys.exit(s.connect_ex((sys.argv[1], 9)) != 111)"


def free_mib():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith("MemAvailable"))


def lacking(directory):
    """What is missing, as a sentence, or None."""
    if (os.cpu_count() or 1) < CORES:
        return f"{os.cpu_count()} core, {CORES} are needed"
    if free_mib() < FREE_MIB:
        return f"{free_mib()} MiB of memory are free, {FREE_MIB} are needed"
    try:
        net = Net(directory, mbit=10)
        one, other = net.add("a", "0.1"), net.add("b", "0.2")
        sh("mount", "-t", "tmpfs", "-o", "size=1m", "disk", str(net.logs))
        one.lose(0.5)
        one.heal()
        one.delay(1)
        one.inside(sys.executable, "-c", REACHED, other.address)
        one.delay(0)
        net.partition([one], [other])
        net.heal()
    except (RuntimeError, OSError, StopIteration) as error:
        return str(error)
    return None


def main():
    """The exit code: 0 if it can."""
    why = lacking(os.environ["HOSTS_DIR"])
    if why:
        print(f"cannot start: {why}", file=sys.stderr)
        return 2
    return 0
