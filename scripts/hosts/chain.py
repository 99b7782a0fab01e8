"""A node's JSON-RPC, and the processes of a network: start, stop, kill, logs."""

import http.client
import json
import os
import signal
import subprocess
import time
from pathlib import Path

RPC_PORT, PEER_PORT, METRICS_PORT, DATA_PORT = 8545, 26656, 9464, 27000


class RpcError(Exception):
    """The node answered with an error; `code` is its number."""

    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code = error.get("code")


class Rpc:
    """JSON-RPC 2.0 over HTTP. Raises OSError when the node does not answer within `timeout` seconds."""

    def __init__(self, address, port=RPC_PORT):
        self.address, self.port = address, port
        self.url = f"http://{address}:{port}"

    def call(self, method, *params, timeout=3.0):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        link = http.client.HTTPConnection(self.address, self.port, timeout=timeout)
        try:
            link.request("POST", "/", body, {"content-type": "application/json"})
            answer = json.loads(link.getresponse().read())
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"{self.url}: {error!r}") from error
        finally:
            link.close()
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def status(self, timeout=2.0):
        """`assay_status`, or None when the node does not answer."""
        try:
            return self.call("assay_status", timeout=timeout)
        except (OSError, RpcError):
            return None


def wait_for(what, seconds, every=0.1):
    """Calls `what` until it gives something true; that and the seconds it took, or (None, seconds)."""
    start = time.monotonic()
    while True:
        found = what()
        took = time.monotonic() - start
        if found or took > seconds:
            return found or None, took
        time.sleep(every)


def tail(path, lines=12):
    """The last lines of a file, for a report of a failure."""
    try:
        return Path(path).read_text(errors="replace").splitlines()[-lines:]
    except OSError as error:
        return [str(error)]


class Process:
    """A program in a host."""

    def __init__(self, host, argv, logs, name):
        self.host, self.argv, self.name = host, [str(word) for word in argv], name
        self.log = Path(logs) / f"{name}.log"
        self.running = None

    def start(self, env=None):
        """Starts it with further environment; `LD_PRELOAD` reaches the program and not the tools around it."""
        wrap = ["env", *[f"{key}={value}" for key, value in (env or {}).items()], "NO_COLOR=1"]
        with open(self.log, "ab") as log:
            log.write(f"--- start {time.time():.3f} {env or ''}\n".encode())
            log.flush()
            # A session of its own: Ctrl-C at the terminal is for the runner, not for it.
            self.running = subprocess.Popen(
                self.host.argv(wrap + self.argv),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )

    def alive(self):
        return self.running is not None and self.running.poll() is None

    def kill(self):
        """SIGKILL, as a power cut: nothing is written any more."""
        if self.alive():
            self.running.kill()
            self.running.wait()

    def stop(self, seconds=30):
        """Ctrl-C, and SIGKILL if that is not enough; whether it ended by itself, and the seconds that took."""
        if not self.alive():
            return True, 0.0
        start = time.monotonic()
        self.running.send_signal(signal.SIGINT)
        try:
            self.running.wait(seconds)
            return True, time.monotonic() - start
        except subprocess.TimeoutExpired:
            self.kill()
            return False, time.monotonic() - start


class Node(Process):
    """A validator or full node."""

    def __init__(self, assay, host, home, logs, account=None):
        super().__init__(host, [assay, "--log", LOG, "node", "--config", home / "node.toml"], logs, host.name)
        self.home, self.account = home, account
        self.rpc = Rpc(host.address)

    def height(self):
        """Its finalized height, or None when it does not answer."""
        status = self.rpc.status() if self.alive() else None
        return status and status["height"]

    def block(self, height):
        """(hash, state root) of its block at a height, or None when it has none."""
        try:
            block = self.rpc.call("assay_block", height)
        except (OSError, RpcError):
            return None
        return block and (block["hash"], block["state_root"])

    def proposed_since(self, height):
        """Newest block by this validator above a height, by this node's own chain; None when there is none."""
        newest = self.height()
        for at in range(newest or 0, max(height, (newest or 0) - 16), -1):
            block = self.rpc.call("assay_block", at)
            if block and block["proposer"] == self.account:
                return at
        return None


LOG = os.environ.get("ASSAY_LOG", "warn")
