"""The files of a network whose roles have addresses of their own.

`assay` makes them for loopback; before the first start this puts the hosts' addresses, further balances and parameters
into genesis.json and the TOML files. The genesis hash follows from the file, keys stay as they are.
"""

import json
import re
import subprocess
from pathlib import Path

from rpc import PORT as RPC_PORT

KRT = 10**18
PEER_PORT, METRICS_PORT, DATA_PORT = 26656, 9464, 27000


def assay(binary, *argv, timeout=120):
    """Runs the binary; its JSON document, or raises with what it said."""
    done = subprocess.run([binary, "--output", "json", *map(str, argv)], capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise RuntimeError(f"assay {' '.join(map(str, argv))} (exit {done.returncode}): {said}")
    return json.loads(done.stdout)


def set_fields(path, **fields):
    """Sets top-level string or list fields of a TOML file, those above its first table."""
    text = Path(path).read_text()
    for name, value in fields.items():
        line = f"{name} = {json.dumps(value)}"
        text, found = re.subn(rf"^{name} = .*$", lambda _, line=line: line, text, count=1, flags=re.M)
        if not found:
            text = f"{line}\n{text}"
    Path(path).write_text(text)


def drop_fields(path, *names):
    text = Path(path).read_text()
    for name in names:
        text = re.sub(rf"^{name} = .*\n", "", text, flags=re.M)
    Path(path).write_text(text)


class Homes:
    """A network's directory."""

    def __init__(self, binary, directory, validators, providers):
        self.binary, self.dir = binary, Path(directory)
        assay(binary, "devnet", "init", "--dir", self.dir, "--validators", validators, "--providers", providers)
        self.genesis_path = self.dir / "genesis.json"
        self.genesis = json.loads(self.genesis_path.read_text())
        self.keys = self.dir / "keys"

    def validator(self, number):
        return self.dir / f"validator-{number}"

    def provider(self, number):
        return self.dir / f"provider-{number}"

    def account(self, number):
        """Account of a genesis validator, lower case."""
        return self.genesis["validators"][number - 1]["account"].lower()

    def place(self, validators, providers, balances, params):
        """Writes addresses (lists of IPs), balances in KRT by account, and parameters."""
        genesis = self.genesis
        for seat, address in zip(genesis["validators"], validators, strict=True):
            seat["address"] = f"{address}:{PEER_PORT}"
        for account, krt in balances.items():
            genesis["accounts"].append({"address": account, "balance": str(krt * KRT)})
        genesis["params"].update(params)
        self.genesis_path.write_text(json.dumps(genesis, indent=2))
        for number, address in enumerate(validators, 1):
            self.listen(self.validator(number), address)
        for number, address in enumerate(providers, 1):
            node = validators[(number - 1) % len(validators)]
            set_fields(
                self.provider(number) / "provider.toml", rpc=f"http://{node}:{RPC_PORT}",
                listen=f"{address}:{DATA_PORT}", advertise=[f"{address}:{DATA_PORT}"],
            )
        assay(self.binary, "genesis", "check", self.genesis_path)

    def listen(self, home, address):
        """Lets a node listen on a host's address."""
        set_fields(
            home / "node.toml", rpc=f"{address}:{RPC_PORT}", listen=f"{address}:{PEER_PORT}",
            metrics=f"{address}:{METRICS_PORT}",
        )

    def new_node(self, name, address, upstreams, keys=None):
        """A home for a node that was not in the genesis; with a key file it is a validator, otherwise a full node."""
        home = self.dir / name
        home.mkdir()
        (home / "node.toml").write_text('genesis = "../genesis.json"\ndir = "state"\n')
        self.listen(home, address)
        set_fields(home / "node.toml", upstream=upstreams)
        if keys:
            set_fields(home / "node.toml", keys=str(keys))
        else:
            drop_fields(home / "node.toml", "listen")
        return home

    def import_key(self, directory, wallet, password):
        """A keystore of its own for an account, unlocked by a file beside it."""
        directory.mkdir(parents=True)
        (directory / "password").write_text(password)
        (directory / "key").write_text(wallet.key_hex())
        assay(self.binary, "account", "import", directory / "key", "--keys", directory)
        (directory / "key").unlink()
        return directory
