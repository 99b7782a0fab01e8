"""Keys and signed transfers, so that load needs no process for each transaction.

secp256k1 after SEC 2 v2, deterministic nonces after RFC 6979, Keccak-256 (the one before FIPS 202 changed the padding),
RLP and EIP-1559 transactions as Ethereum has them. Not constant in time: for keys of a test network only.
"""

import hashlib
import hmac

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
MASK = 2**64 - 1


def _constants():
    rounds, state = [], 1
    for _ in range(24):
        value = 0
        for j in range(7):
            if state & 1:
                value |= 1 << (2**j - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        rounds.append(value)
    return rounds


ROUNDS = _constants()
SHIFTS = [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14]


def keccak(data):
    """Keccak-256 of bytes, 32 bytes."""
    rate = 136
    padded = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % rate)
    padded[-1] |= 0x80
    a = [0] * 25
    for start in range(0, len(padded), rate):
        for i in range(rate // 8):
            a[i] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        for constant in ROUNDS:
            c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
            d = [c[x - 1] ^ ((c[(x + 1) % 5] << 1 | c[(x + 1) % 5] >> 63) & MASK) for x in range(5)]
            b = [0] * 25
            for i in range(25):
                x, y = i % 5, i // 5
                lane, shift = a[i] ^ d[x], SHIFTS[i]
                b[y + 5 * ((2 * x + 3 * y) % 5)] = (lane << shift | lane >> (64 - shift)) & MASK
            for i in range(25):
                y = i - i % 5
                a[i] = b[i] ^ (~b[y + (i + 1) % 5] & b[y + (i + 2) % 5] & MASK)
            a[0] ^= constant
    return b"".join(lane.to_bytes(8, "little") for lane in a[:4])


def _add(p, q):
    """Sum of two points in Jacobian coordinates; None is infinity."""
    if p is None:
        return q
    if q is None:
        return p
    x1, y1, z1 = p
    x2, y2, z2 = q
    s1, s2 = z1 * z1 % P, z2 * z2 % P
    u1, u2, t1, t2 = x1 * s2 % P, x2 * s1 % P, y1 * s2 * z2 % P, y2 * s1 * z1 % P
    if u1 == u2:
        if t1 != t2:
            return None
        s, m = 4 * x1 * y1 * y1 % P, 3 * x1 * x1 % P
        x3 = (m * m - 2 * s) % P
        return x3, (m * (s - x3) - 8 * pow(y1, 4, P)) % P, 2 * y1 * z1 % P
    h, r = (u2 - u1) % P, (t2 - t1) % P
    h2 = h * h % P
    h3, v = h * h2 % P, u1 * h2 % P
    x3 = (r * r - h3 - 2 * v) % P
    return x3, (r * (v - x3) - t1 * h3) % P, h * z1 * z2 % P


def _table():
    rows, base = [], (*G, 1)
    for _ in range(64):
        row = [None]
        for _ in range(15):
            row.append(_add(row[-1], base))
        rows.append(row)
        base = _add(row[-1], base)
    return rows


TABLE = _table()


def _times_g(k):
    """k times the generator, affine."""
    point = None
    for row in TABLE:
        point = _add(point, row[k & 15])
        k >>= 4
    inverse = pow(point[2], -1, P)
    square = inverse * inverse % P
    return point[0] * square % P, point[1] * square * inverse % P


def _nonces(key, digest):
    """Candidates for k after RFC 6979, section 3.2."""
    mac = lambda k, data: hmac.new(k, data, hashlib.sha256).digest()
    seed = key.to_bytes(32, "big") + (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    k, v = bytes(32), b"\x01" * 32
    for tag in (b"\0", b"\1"):
        k = mac(k, v + tag + seed)
        v = mac(k, v)
    while True:
        v = mac(k, v)
        yield int.from_bytes(v, "big")
        k = mac(k, v + b"\0")
        v = mac(k, v)


def rlp(item):
    """RLP of bytes, a non-negative int, or a list of such."""
    if isinstance(item, list):
        body, base = b"".join(map(rlp, item)), 0xC0
    else:
        body = item.to_bytes((item.bit_length() + 7) // 8, "big") if isinstance(item, int) else item
        base = 0x80
        if len(body) == 1 and body[0] < 0x80:
            return body
    if len(body) < 56:
        return bytes([base + len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(size)]) + size + body


class Wallet:
    """An account. Unless a key is given it is made from a label, so that a run can be repeated."""

    def __init__(self, label, key=None):
        self.key = key or int.from_bytes(hashlib.sha256(label.encode()).digest(), "big") % (N - 1) + 1
        x, y = _times_g(self.key)
        self.address = "0x" + keccak(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[12:].hex()

    @classmethod
    def of_key(cls, text):
        """The account of a secret key in hexadecimal."""
        return cls("", int(text, 16))

    def key_hex(self):
        """The secret key, 0x and 64 hexadecimal digits."""
        return f"0x{self.key:064x}"

    def sign(self, digest):
        """Signature (y parity, r, s) of 32 bytes, s low as EIP-2 wants."""
        for k in _nonces(self.key, digest):
            if not 0 < k < N:
                continue
            x, y = _times_g(k)
            r = x % N
            s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * self.key) % N
            if r == 0 or s == 0 or x >= N:
                continue
            return (y & 1, r, s) if s <= N // 2 else (1 - (y & 1), r, N - s)

    def transfer(self, chain_id, nonce, to, grains, fee_grains):
        """A signed transfer paying at most `fee_grains` a gas: (raw bytes, hash), both as 0x hexadecimal."""
        fields = [chain_id, nonce, 0, fee_grains, 21_000, bytes.fromhex(to[2:]), grains, b"", []]
        signature = self.sign(keccak(b"\x02" + rlp(fields)))
        raw = b"\x02" + rlp([*fields, *signature])
        return "0x" + raw.hex(), "0x" + keccak(raw).hex()
