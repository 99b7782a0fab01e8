//! HTTP over a socket: one request, the whole answer.

use assay_indexer::{Index, serve};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A server of an index; ends with the test's runtime.
pub(crate) struct Http(std::net::SocketAddr);

impl Http {
    pub(crate) async fn of(index: &Index) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve(index.clone(), listener, std::future::pending()));
        Self(address)
    }

    /// Status, head and body of an answer.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut socket = TcpStream::connect(self.0).await.expect("it listens");
        // Of 1.0, so that the end of the connection is the end of the body.
        let request = format!("{method} {path} HTTP/1.0\r\nHost: here\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("it takes a request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("it answers text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let (status, head, body) = self.ask("GET", path).await;
        assert!(head.contains("content-type: application/json"), "{path}: {head}");
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: not JSON: {body}")))
    }

    /// An answer that must be good.
    pub(crate) async fn good(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Status, parameter and words of a refusal.
    pub(crate) async fn refused(&self, path: &str) -> (u16, String, String) {
        let (status, body) = self.get(path).await;
        let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        (status, text("parameter"), text("message"))
    }
}
