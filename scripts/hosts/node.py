"""A validator or full node: its process, and what it says of the chain."""

from process import Process
from rpc import PRUNED, Rpc, RpcError


class Node(Process):
    """A node in a home. `account` is the validator's, lower case; a full node has none."""

    def __init__(self, assay, level, host, home, logs, account=None):
        super().__init__(host, [assay, "--log", level, "node", "--config", home / "node.toml"], logs)
        self.home, self.account = home, account
        self.rpc = Rpc(host.address)
        self.first = 0

    def height(self):
        """Its finalized height, or None when it does not answer."""
        status = self.rpc.status() if self.alive() else None
        return status and status["height"]

    def block(self, height):
        """(hash, state root) of its block at a height, or None when it has none."""
        block = self.rpc.ask("assay_block", height)
        return block and (block["hash"], block["state_root"])

    def lacks(self, height):
        """Whether it says that it does not hold blocks as old as this one, as after state sync."""
        try:
            self.rpc.call("assay_block", height)
        except RpcError as error:
            return error.code == PRUNED
        except OSError:
            pass
        return False

    def find_first(self):
        """Finds its first block by bisection, if it holds the newest: `first`."""
        low, high = 0, self.height() or 0
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.lacks(middle) else (low, middle)
        self.first = low
