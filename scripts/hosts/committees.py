"""Who sits in which epoch, and whose signature a final block has."""

from rpc import RpcError

SIGNATURE = 96


class Committees:
    """The validators of each epoch: those of the genesis, then as handovers name them."""

    def __init__(self, genesis):
        self.epoch_blocks = genesis["params"]["validator_epoch_blocks"]
        self.known = {0: self.sorted(genesis["validators"])}

    @staticmethod
    def sorted(seats):
        """Accounts in the order of the network keys, which is that of the signers' bitmap."""
        return [seat["account"].lower() for seat in sorted(seats, key=lambda seat: int(seat["network_key"], 16))]

    def of(self, height, rpc):
        """Accounts that sit at a height, or None when the node knows no handover to that epoch yet."""
        epoch = height // self.epoch_blocks
        if epoch not in self.known:
            for handover in rpc.call("assay_handovers", epoch, 1):
                self.known[epoch] = self.sorted(handover["seats"])
        return self.known.get(epoch)

    def signed(self, account, height, rpc):
        """Whether a validator led or signed a final block, as a node has it. The certificate ends with a bitmap of the
        signers, its length before it, and an aggregate signature."""
        try:
            block = rpc.call("assay_block", height)
            if block and block["proposer"].lower() == account:
                return True
            proof = bytes.fromhex(rpc.call("assay_certificate", height)["certificate"][2:])
            seats = self.of(height, rpc)
        except (OSError, RpcError):
            return False
        if not seats or account not in seats:
            return False
        start = len(proof) - SIGNATURE - (len(seats) + 7) // 8
        if int.from_bytes(proof[start - 8 : start], "big") != len(seats):
            raise ValueError(f"the certificate of block {height} has no bitmap of {len(seats)} seats where it should")
        place = seats.index(account)
        return bool(proof[start + place // 8] >> place % 8 & 1)
