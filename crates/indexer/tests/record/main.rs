//! The price record against real databases: the same suite on SQLite and on a PostgreSQL server of its
//! own, filled from a real JSON-RPC server over real sockets.

mod chain;
mod database;
mod failures;
mod filling;
mod http;
mod node;
mod postgres;
mod reading;

/// Runs each case on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::database::Database::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::database::Database::postgres().await).await;
            })*
        }
    };
}
