//! Nodes exchanging blobs over real QUIC on loopback, among honest and hostile peers.

mod exchange;
mod hostile_clients;
mod hostile_servers;
mod support;
