"""A link with latency: packets to other hosts go through a TUN device and leave so much later.

Runs inside one namespace. A route sends the network's lower half into `lag0`; what is read there waits, and leaves by a raw socket
whose mark takes it past that route. Only what this host sends is delayed, so a round trip grows by `--ms` once.
Order is kept; nothing is dropped but what the queue of 20,000 packets cannot hold. Ends with its standard input.
"""

import argparse
import collections
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, SO_MARK = 0x400454CA, 0x0001, 0x1000, 36
MARK, TABLE, MTU, QUEUE = 91, 91, 1_500, 20_000


def open_tun():
    """The device's file descriptor: one packet a read."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", b"lag0", IFF_TUN | IFF_NO_PI))
    return tun


def routes(address):
    base = ".".join(address.split(".")[:2]) + ".0.0"
    for argv in (
        f"link set lag0 mtu {MTU} up",
        f"route replace {base}/16 dev eth0 src {address} table {TABLE}",
        f"rule add fwmark {MARK} lookup {TABLE} priority {TABLE}",
        f"route replace {base}/17 dev lag0 src {address}",
    ):
        subprocess.run(["ip", *argv.split()], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ms", type=float, required=True, help="milliseconds a packet waits")
    parser.add_argument("--address", required=True, help="this host's address")
    args = parser.parse_args()
    tun = open_tun()
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    out.setsockopt(socket.SOL_SOCKET, SO_MARK, MARK)
    routes(args.address)
    print("ready", flush=True)
    waiting, delay = collections.deque(), args.ms / 1_000
    try:
        while True:
            wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
            ready, _, _ = select.select([tun, 0], [], [], wait)
            if 0 in ready and not os.read(0, 1):
                return
            if tun in ready:
                packet = os.read(tun, MTU + 100)
                if packet[0] >> 4 == 4 and len(waiting) < QUEUE:
                    waiting.append((time.monotonic() + delay, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                packet = waiting.popleft()[1]
                try:
                    out.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
                except OSError as error:
                    print(f"a packet of {len(packet)} bytes was not sent: {error}", flush=True)
    finally:
        subprocess.run(["ip", "rule", "del", "fwmark", str(MARK)], check=False)


if __name__ == "__main__":
    main()
