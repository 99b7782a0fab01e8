//! A database of a case, and all that is in it as text.

use std::sync::atomic::{AtomicU32, Ordering};

use assay_indexer::Index;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use tempfile::TempDir;

use crate::postgres;

/// Every table with its columns.
const TABLES: [(&str, &str); 8] = [
    ("chain", "chain_id genesis_hash"),
    ("blocks", "height hash time"),
    ("classes", "class first_height"),
    ("clearings", "height log_index class delivery_window price volume low high"),
    ("epochs", "class epoch height open high low close volume turnover utilisation_bps index_price printed"),
    (
        "orders",
        "id owner class delivery_window side price quantity remaining min_fill expires placed_at amended_at closed_at \
         close_reason refunded",
    ),
    ("order_fills", "height log_index order_id price quantity remaining"),
    (
        "jobs",
        "id renter tasks lots escrow submitted_at log_index lots_settled fuel paid closed_at outcome cause refunded",
    ),
];

/// An empty database.
pub(crate) struct Database {
    pub(crate) url: String,
    _folder: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // A name that needs care.
        let url = format!("sqlite:{}/prices of 100% ?.db", folder.path().display());
        Self { url, _folder: Some(folder) }
    }

    pub(crate) async fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let socket = tokio::task::spawn_blocking(postgres::socket).await.expect("PostgreSQL starts");
        let name = format!("case_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let address = |name: &str| format!("postgres://postgres@localhost/{name}?host={}", socket.display());
        let admin = Self { url: address("postgres"), _folder: None };
        admin.run(&format!("CREATE DATABASE {name}")).await;
        Self { url: address(&name), _folder: None }
    }

    pub(crate) async fn open(&self) -> Index {
        Index::open(&self.url).await.expect("the database opens")
    }

    async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match self.url.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{}", path.replace('%', "%25").replace('?', "%3F").replace(' ', "%20")),
            None => self.url.clone(),
        };
        AnyConnection::connect(&url).await.expect("a connection")
    }

    /// Runs a statement beside the index.
    pub(crate) async fn run(&self, statement: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect(statement);
        connection.close().await.expect("it closes");
    }

    /// Every row of every table, in one order.
    pub(crate) async fn dump(&self) -> Vec<String> {
        let mut connection = self.connect().await;
        let mut lines = Vec::new();
        for (table, columns) in TABLES {
            let cast = |column| format!("COALESCE(CAST({column} AS TEXT), 'none')");
            let columns: Vec<String> = columns.split_whitespace().map(cast).collect();
            let select = format!("SELECT {} FROM {table}", columns.join(", "));
            let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut connection).await.expect(table);
            let mut rows: Vec<String> = rows
                .iter()
                .map(|row| (0..columns.len()).map(|at| row.get::<String, _>(at)).collect::<Vec<_>>().join(" "))
                .collect();
            rows.sort();
            lines.extend(rows.into_iter().map(|row| format!("{table} {row}")));
        }
        connection.close().await.expect("it closes");
        lines
    }
}
