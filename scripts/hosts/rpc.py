"""A node's JSON-RPC, and waiting for what it will say."""

import http.client
import json
import time

PORT = 8545
PRUNED = 4444  # EIP-4444: the node does not hold blocks that old.


class RpcError(Exception):
    """The node answered with an error; `code` is its number."""

    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code = error.get("code")


class Rpc:
    """JSON-RPC 2.0 over HTTP. Raises OSError when the node does not answer within `timeout` seconds."""

    def __init__(self, address):
        self.address = address
        self.url = f"http://{address}:{PORT}"

    def call(self, method, *params, timeout=3.0):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        link = http.client.HTTPConnection(self.address, PORT, timeout=timeout)
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

    def ask(self, method, *params, timeout=3.0):
        """The answer, or None when there is none or it is an error."""
        try:
            return self.call(method, *params, timeout=timeout)
        except (OSError, RpcError):
            return None

    def status(self):
        """`assay_status`, or None when the node does not answer."""
        return self.ask("assay_status", timeout=2.0)

    def transactions_of(self, account):
        """Final transactions of an account: its next nonce."""
        return int(self.call("eth_getTransactionCount", account, "latest"), 16)


def wait_for(what, seconds, every=0.1):
    """Calls `what` until it gives something true; that and the seconds it took, or (None, seconds)."""
    start = time.monotonic()
    while True:
        found = what()
        took = time.monotonic() - start
        if found or took > seconds:
            return found or None, took
        time.sleep(every)
