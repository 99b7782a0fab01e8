//! Where blobs can be fetched: a node and its addresses, in the one encoding that goes on chain.
//!
//! ```text
//! version 1 | node 32 bytes | count 1 byte (1..=8) | count addresses, strictly ascending
//! address: 4 | IPv4 4 bytes | port u16 BE      or      6 | IPv6 16 bytes | port u16 BE
//! ```
//!
//! Decoding is strict: one source has one encoding, so bytes on chain can be compared as bytes.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

const VERSION: u8 = 1;
const TAG_V4: u8 = 4;
const TAG_V6: u8 = 6;

/// Most addresses a source may list.
pub const MAX_ADDRESSES: usize = 8;

/// Longest encoding of a source.
pub const MAX_SOURCE_BYTES: usize = 1 + 32 + 1 + MAX_ADDRESSES * (1 + 16 + 2);

/// The Ed25519 public key a node proves it holds whenever it is dialled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 32]);

impl NodeId {
    /// The identity of the node that runs with this secret key.
    pub fn from_secret(secret_key: &[u8; 32]) -> Self {
        Self(*iroh::SecretKey::from_bytes(secret_key).public().as_bytes())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::id::write_hex(f, &self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// A node that may hold blobs, and where it listens. Addresses are sorted, distinct and dialable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    node: NodeId,
    addrs: Vec<SocketAddr>,
}

/// Why bytes or parts are not a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Ends too early.
    #[error("the source ends too early")]
    Truncated,
    /// Goes on after its end.
    #[error("the source has trailing bytes")]
    Trailing,
    /// Written by a version this one does not know.
    #[error("the source is of an unknown version ({0})")]
    UnknownVersion(u8),
    /// The node is no Ed25519 public key.
    #[error("the source's node is not an Ed25519 public key")]
    BadNode,
    /// None, or more than [`MAX_ADDRESSES`].
    #[error("a source lists 1 to {MAX_ADDRESSES} addresses, not {0}")]
    AddressCount(usize),
    /// Neither IPv4 nor IPv6.
    #[error("an address of the source is neither IPv4 nor IPv6")]
    UnknownAddressKind(u8),
    /// Port 0, or an unspecified, multicast, broadcast or IPv4-in-IPv6 address.
    #[error("an address of the source cannot be dialled")]
    NotDialable,
    /// Out of order or listed twice.
    #[error("the addresses of the source are not strictly ascending")]
    NotAscending,
}

impl Source {
    /// A source from its parts; addresses are put in order and doubles dropped.
    pub fn new(node: [u8; 32], addrs: impl IntoIterator<Item = SocketAddr>) -> Result<Self, SourceError> {
        let mut addrs: Vec<SocketAddr> = addrs.into_iter().map(without_scope).collect();
        addrs.sort_unstable();
        addrs.dedup();
        if addrs.is_empty() || addrs.len() > MAX_ADDRESSES {
            return Err(SourceError::AddressCount(addrs.len()));
        }
        if !addrs.iter().all(dialable) {
            return Err(SourceError::NotDialable);
        }
        iroh::EndpointId::from_bytes(&node).map_err(|_| SourceError::BadNode)?;
        Ok(Self { node: NodeId(node), addrs })
    }

    /// Who answers there.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where, in ascending order.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_SOURCE_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.node.0);
        bytes.push(self.addrs.len() as u8);
        for addr in &self.addrs {
            match addr.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(TAG_V4);
                    bytes.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(TAG_V6);
                    bytes.extend_from_slice(&ip.octets());
                }
            }
            bytes.extend_from_slice(&addr.port().to_be_bytes());
        }
        bytes
    }

    /// Reads the canonical encoding; any other bytes are an error.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, SourceError> {
        let [version] = take(&mut bytes)?;
        if version != VERSION {
            return Err(SourceError::UnknownVersion(version));
        }
        let node = take::<32>(&mut bytes)?;
        let count = usize::from(take::<1>(&mut bytes)?[0]);
        if count == 0 || count > MAX_ADDRESSES {
            return Err(SourceError::AddressCount(count));
        }
        let mut addrs = Vec::with_capacity(count);
        for _ in 0..count {
            let ip = match take::<1>(&mut bytes)?[0] {
                TAG_V4 => IpAddr::V4(Ipv4Addr::from(take::<4>(&mut bytes)?)),
                TAG_V6 => IpAddr::V6(Ipv6Addr::from(take::<16>(&mut bytes)?)),
                kind => return Err(SourceError::UnknownAddressKind(kind)),
            };
            addrs.push(SocketAddr::new(ip, u16::from_be_bytes(take(&mut bytes)?)));
        }
        if !bytes.is_empty() {
            return Err(SourceError::Trailing);
        }
        if !addrs.is_sorted_by(|a, b| a < b) {
            return Err(SourceError::NotAscending);
        }
        Self::new(node, addrs)
    }

    pub(crate) fn endpoint(&self) -> Option<iroh::EndpointAddr> {
        let id = iroh::EndpointId::from_bytes(&self.node.0).ok()?;
        Some(iroh::EndpointAddr::from_parts(id, self.addrs.iter().copied().map(iroh::TransportAddr::Ip)))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node)?;
        self.addrs.iter().try_for_each(|addr| write!(f, "@{addr}"))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SourceError> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(SourceError::Truncated)?;
    *bytes = rest;
    Ok(*head)
}

// Flow labels and scope ids mean something on one machine only.
fn without_scope(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip(), addr.port())
}

fn dialable(addr: &SocketAddr) -> bool {
    let ip = addr.ip();
    let odd = match ip {
        IpAddr::V4(ip) => ip.is_broadcast(),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().is_some(),
    };
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !odd
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node() -> [u8; 32] {
        NodeId::from_secret(&[5; 32]).0
    }

    fn source(addrs: &[&str]) -> Result<Source, SourceError> {
        Source::new(node(), addrs.iter().map(|a| a.parse().unwrap()))
    }

    #[test]
    fn a_source_survives_its_encoding() {
        let source = source(&["[2001:db8::1]:9000", "127.0.0.1:4000", "127.0.0.1:4000"]).unwrap();
        let bytes = source.to_bytes();
        assert_eq!(bytes.len(), 34 + 7 + 19);
        assert!(bytes.len() <= MAX_SOURCE_BYTES);
        assert_eq!(Source::from_bytes(&bytes), Ok(source));
    }

    #[test]
    fn addresses_nobody_can_dial_are_refused() {
        for bad in ["0.0.0.0:1", "127.0.0.1:0", "255.255.255.255:1", "224.0.0.1:1", "[::]:1", "[::ffff:1.2.3.4]:1"] {
            assert_eq!(source(&[bad]), Err(SourceError::NotDialable), "{bad}");
        }
        assert_eq!(source(&[]), Err(SourceError::AddressCount(0)));
        let many: Vec<SocketAddr> = (1..=9).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        assert_eq!(Source::new(node(), many), Err(SourceError::AddressCount(9)));
    }

    #[test]
    fn every_other_spelling_of_a_source_is_refused() {
        let good = source(&["127.0.0.1:1", "127.0.0.1:2"]).unwrap().to_bytes();
        let mut swapped = good.clone();
        swapped[34..41].copy_from_slice(&good[41..48]);
        swapped[41..48].copy_from_slice(&good[34..41]);
        assert_eq!(Source::from_bytes(&swapped), Err(SourceError::NotAscending));
        let mut twice = good.clone();
        twice[41..48].copy_from_slice(&good[34..41]);
        assert_eq!(Source::from_bytes(&twice), Err(SourceError::NotAscending));
        let mut long = good.clone();
        long.push(0);
        assert_eq!(Source::from_bytes(&long), Err(SourceError::Trailing));
        for len in 0..good.len() {
            assert_eq!(Source::from_bytes(&good[..len]), Err(SourceError::Truncated));
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Source::from_bytes(&bytes)
        };
        assert_eq!(with(0, 2), Err(SourceError::UnknownVersion(2)));
        assert_eq!(with(33, 0), Err(SourceError::AddressCount(0)));
        assert_eq!(with(33, 9), Err(SourceError::AddressCount(9)));
        assert_eq!(with(34, 5), Err(SourceError::UnknownAddressKind(5)));
        assert_eq!(Source::new([2; 32], ["1.2.3.4:5".parse().unwrap()]), Err(SourceError::BadNode));
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_back_to_the_same_bytes(
            head in prop_oneof![Just(node())],
            count in 0u8..10,
            tail in proptest::collection::vec(prop_oneof![Just(4u8), Just(6u8), any::<u8>()], 0..60),
        ) {
            let bytes = [&[VERSION], head.as_slice(), &[count], &tail].concat();
            if let Ok(source) = Source::from_bytes(&bytes) {
                prop_assert_eq!(source.to_bytes(), bytes);
            }
        }

        #[test]
        fn any_list_of_addresses_survives(
            v4 in proptest::collection::vec((any::<[u8; 4]>(), any::<u16>()), 0..5),
            v6 in proptest::collection::vec((any::<[u8; 16]>(), any::<u16>()), 0..5),
        ) {
            let addrs = v4.into_iter().map(SocketAddr::from).chain(v6.into_iter().map(SocketAddr::from));
            if let Ok(source) = Source::new(node(), addrs) {
                prop_assert_eq!(Source::from_bytes(&source.to_bytes()), Ok(source));
            }
        }
    }
}
