//! The database: SQLite or PostgreSQL, opened, brought to the newest layout, written under one lock.
//!
//! All statements are the same for both; what differs is here.

use std::{
    fmt::Write as _,
    path::Path,
    sync::{Arc, Once, atomic::AtomicU64},
    time::Duration,
};

use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Row as _, Transaction, any::AnyPoolOptions};

use crate::error::{Doing as _, IndexError};

/// Layouts in order; a database is brought from the one it has to the last. Never edited, only added to.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_price_record.sql")];

/// Names this index's lock within a PostgreSQL database: "assayidx".
const LOCK: &str = "SELECT pg_advisory_xact_lock(7022083106486707320)";

/// Connections: one writes, the rest read.
const CONNECTIONS: u32 = 8;
/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A price record. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Index {
    pub(crate) pool: AnyPool,
    kind: Kind,
    /// The newest height heard of from a node; 0 before.
    pub(crate) node_height: Arc<AtomicU64>,
}

impl Index {
    /// Opens a database, made if missing: `sqlite:PATH` (or a bare path) or `postgres://…`.
    ///
    /// Several programs may have one open; they take turns writing.
    pub async fn open(url: &str) -> Result<Self, IndexError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let (kind, address) = parse(url)?;
        // Once without the pool, which would try again where that cannot help and hide why.
        let opened = async {
            let mut connection = AnyConnection::connect(&address).await?;
            prepare(kind, &mut connection).await?;
            connection.close().await
        };
        opened.await.map_err(|source| IndexError::Open { url: without_password(url), source })?;
        let options = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| Box::pin(async move { prepare(kind, connection).await }));
        let pool = options
            .connect(&address)
            .await
            .map_err(|source| IndexError::Open { url: without_password(url), source })?;
        let index = Self { pool, kind, node_height: Arc::default() };
        index.migrate().await?;
        Ok(index)
    }

    /// Closes all connections, and waits until that is done.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that no other writer of this database overlaps, in this program or another.
    pub(crate) async fn writing(&self) -> Result<Transaction<'static, Any>, IndexError> {
        const DOING: &str = "waiting for its turn to write";
        match self.kind {
            Kind::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await.doing(DOING),
            Kind::Postgres => {
                let mut tx = self.pool.begin().await.doing(DOING)?;
                sqlx::raw_sql(LOCK).execute(&mut *tx).await.doing(DOING)?;
                Ok(tx)
            }
        }
    }

    async fn migrate(&self) -> Result<(), IndexError> {
        const DOING: &str = "bringing its layout up to date";
        let mut tx = self.writing().await?;
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS layout (version BIGINT PRIMARY KEY)")
            .execute(&mut *tx)
            .await
            .doing(DOING)?;
        let row = sqlx::query("SELECT version FROM layout ORDER BY version DESC LIMIT 1").fetch_optional(&mut *tx);
        let found: i64 = match row.await.doing(DOING)? {
            Some(row) => row.try_get(0).doing(DOING)?,
            None => 0,
        };
        let corrupt = || IndexError::Corrupt { column: "layout.version", value: found.to_string() };
        let known = MIGRATIONS.len();
        let done = usize::try_from(found).map_err(|_| corrupt())?;
        let Some(missing) = MIGRATIONS.get(done..) else {
            let found = u64::try_from(found).map_err(|_| corrupt())?;
            return Err(IndexError::Schema { found, known: u64::try_from(known).unwrap_or(u64::MAX) });
        };
        for (version, statements) in (found.saturating_add(1)..).zip(missing) {
            sqlx::raw_sql(*statements).execute(&mut *tx).await.doing(DOING)?;
            sqlx::query("INSERT INTO layout (version) VALUES ($1)")
                .bind(version)
                .execute(&mut *tx)
                .await
                .doing(DOING)?;
        }
        tx.commit().await.doing(DOING)
    }
}

/// What every new connection is told. A lost tail of commits is read from the node again, so neither
/// database needs to wait for the disk at each block.
async fn prepare(kind: Kind, connection: &mut AnyConnection) -> sqlx::Result<()> {
    match kind {
        Kind::Sqlite => {
            // The change to WAL does not wait for its turn by itself.
            let mut tries = 0_u32;
            loop {
                let set = "PRAGMA busy_timeout = 15000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
                match sqlx::raw_sql(set).execute(&mut *connection).await {
                    Err(sqlx::Error::Database(error)) if tries < 100 && error.message().contains("locked") => {
                        tries = tries.saturating_add(1);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    other => return other.map(drop),
                }
            }
        }
        Kind::Postgres => sqlx::raw_sql("SET synchronous_commit = off").execute(connection).await.map(drop),
    }
}

/// Which database a setting means, and its address as the driver wants it.
fn parse(url: &str) -> Result<(Kind, String), IndexError> {
    let wrong = |reason: &str| IndexError::Url { url: without_password(url), reason: reason.to_owned() };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok((Kind::Postgres, url.to_owned()));
    }
    let path = match url.strip_prefix("sqlite:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None if url.contains("://") => return Err(wrong("only sqlite and postgres are known")),
        None => url,
    };
    if path.is_empty() {
        return Err(wrong("it names no file"));
    }
    if path == ":memory:" {
        return Err(wrong("it must be a file, so that a restart finds it"));
    }
    if let Some(folder) = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(wrong(&format!("the folder {} does not exist", folder.display())));
    }
    let mut address = String::from("sqlite:");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => address.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => write!(address, "%{byte:02X}").unwrap_or_default(),
        }
    }
    address.push_str("?mode=rwc");
    Ok((Kind::Sqlite, address))
}

/// An address fit to be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split_once(['/', '?']).map_or(rest, |(authority, _)| authority);
    let Some((user, host)) = authority.rsplit_once('@') else { return url.to_owned() };
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    let rest = rest.strip_prefix(authority).unwrap_or_default();
    let rest = if rest.contains("password") { "" } else { rest };
    format!("{scheme}://{user}@{host}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(without_password("postgres://a:b@c:5432/d?x=y"), "postgres://a@c:5432/d?x=y");
        assert_eq!(without_password("postgres://a:p@ss@c/d"), "postgres://a@c/d");
        assert_eq!(without_password("postgres://a@c/d?password=b"), "postgres://a@c");
        assert_eq!(without_password("sqlite:/tmp/a:b@c"), "sqlite:/tmp/a:b@c");
    }

    #[test]
    fn a_path_may_have_any_letters() {
        let (kind, address) = parse("sqlite:/tmp/a b?#%.db").expect("good");
        assert_eq!((kind, address.as_str()), (Kind::Sqlite, "sqlite:/tmp/a%20b%3F%23%25.db?mode=rwc"));
        assert_eq!(parse("index.db").expect("good").1, "sqlite:index.db?mode=rwc");
    }

    #[test]
    fn what_is_not_a_database_is_refused_with_what_to_write() {
        for url in ["mysql://a/b", "", "sqlite:", "sqlite::memory:", "sqlite:/no/such/folder/index.db"] {
            let error = parse(url).expect_err(url).to_string();
            assert!(error.contains("write sqlite:PATH or postgres://"), "{error}");
        }
    }
}
