//! HTTP clients, on machines without root certificates too: slim containers have none, and ask plain addresses only.

use reqwest::{Client, ClientBuilder};

/// A client with these settings. Where the machine trusts nobody it asks `http` addresses and refuses `https` ones.
pub fn client(settings: impl Fn(ClientBuilder) -> ClientBuilder) -> reqwest::Result<Client> {
    // Somebody else of this process may have chosen one already, which is as good.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let trusting = settings(Client::builder()).build();
    trusting.or_else(|_| settings(Client::builder()).tls_certs_only([]).build())
}
