//! Writing a block: its row and what its events change, in one transaction.

use alloy_primitives::B256;
use assay_types::node::NodeStatus;
use sqlx::{Any, AnyConnection, Row as _, any::AnyRow, query::Query};

use crate::{
    db::Index,
    error::{Doing as _, IndexError},
    event::{Event, Malformed},
    node::Block,
};

/// Numbers from here on are not exact in JSON.
const EXACT: u64 = 1 << 53;

const TABLES: [&str; 8] = [
    "DELETE FROM order_fills",
    "DELETE FROM orders",
    "DELETE FROM jobs",
    "DELETE FROM clearings",
    "DELETE FROM epochs",
    "DELETE FROM classes",
    "DELETE FROM blocks",
    "DELETE FROM chain",
];

/// What became of a block that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is written, by this call.
    Stored,
    /// It was there already, the same.
    Present,
    /// Blocks before it are missing: somebody else emptied the record meanwhile.
    Early,
}

/// The newest stored block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) height: u64,
    pub(crate) hash: B256,
}

type Statement = Query<'static, Any, sqlx::any::AnyArguments>;

impl Index {
    /// Makes the record that of the node's network if it is empty, or refuses a node of another.
    pub(crate) async fn claim(&self, node: &NodeStatus) -> Result<(), IndexError> {
        const DOING: &str = "noting which network it is of";
        let mut tx = self.writing().await?;
        match genesis(&mut tx).await? {
            Some(stored) if stored != node.genesis_hash => {
                Err(IndexError::WrongGenesis { stored, given: node.genesis_hash })
            }
            Some(_) => Ok(()),
            None => {
                note_network(&mut tx, node).await.doing(DOING)?;
                tx.commit().await.doing(DOING)
            }
        }
    }

    /// Removes every row and makes the record that of the node's network, which may be another than before.
    pub(crate) async fn clear(&self, node: &NodeStatus) -> Result<(), IndexError> {
        const DOING: &str = "emptying the record";
        let mut tx = self.writing().await?;
        for statement in TABLES {
            sqlx::query(statement).execute(&mut *tx).await.doing(DOING)?;
        }
        note_network(&mut tx, node).await.doing(DOING)?;
        tx.commit().await.doing(DOING)
    }

    /// The newest stored block; none in an empty record.
    pub(crate) async fn tip(&self) -> Result<Option<Tip>, IndexError> {
        let mut connection = self.pool.acquire().await.doing("looking for its newest block")?;
        tip(&mut connection).await
    }

    /// Hash of a stored block.
    pub(crate) async fn stored_hash(&self, height: u64) -> Result<Option<B256>, IndexError> {
        let mut connection = self.pool.acquire().await.doing("looking for a block")?;
        stored_hash(&mut connection, height).await
    }

    /// Writes a block of the network with this genesis.
    pub(crate) async fn put(&self, network: B256, block: &Block) -> Result<Put, IndexError> {
        const DOING: &str = "writing a block";
        // Decoded first: what cannot be read needs no turn to write.
        let events = events(block)?;
        let mut tx = self.writing().await?;
        match genesis(&mut tx).await? {
            None => return Ok(Put::Early),
            Some(stored) if stored != network => return Err(IndexError::WrongGenesis { stored, given: network }),
            Some(_) => {}
        }
        let tip = tip(&mut tx).await?;
        let next = tip.map_or(1, |tip| tip.height.saturating_add(1));
        if block.height < next {
            let stored = stored_hash(&mut tx, block.height).await?;
            return match stored {
                Some(stored) if stored != block.hash => {
                    Err(IndexError::OtherBlock { height: block.height, stored, given: block.hash })
                }
                _ => Ok(Put::Present),
            };
        }
        if block.height > next {
            return Ok(Put::Early);
        }
        if let Some(tip) = tip.filter(|tip| tip.hash != block.parent) {
            return Err(IndexError::BrokenChain { height: block.height, parent: tip.hash, given: block.parent });
        }
        let height = exact(block.height).ok_or_else(|| corrupt("a height", block.height))?;
        let time = exact(block.time).ok_or_else(|| corrupt("a time", block.time))?;
        let insert = sqlx::query("INSERT INTO blocks (height, hash, time) VALUES ($1, $2, $3)");
        insert.bind(height).bind(block.hash.to_string()).bind(time).execute(&mut *tx).await.doing(DOING)?;
        for (log_index, event) in events {
            let name = event.name();
            let malformed = |reason| malformed(block, log_index, (name, reason));
            let place = exact(log_index).ok_or_else(|| malformed("its position is out of range".to_owned()))?;
            let mut writer = Writer { connection: &mut tx, height, log_index: place };
            writer.event(event).await.map_err(|wrong| match wrong {
                Wrong::Event(reason) => malformed(reason),
                Wrong::Database(source) => IndexError::Database { doing: DOING, source },
            })?;
        }
        tx.commit().await.doing(DOING)?;
        Ok(Put::Stored)
    }
}

fn events(block: &Block) -> Result<Vec<(u64, Event)>, IndexError> {
    let decoded = block.logs.iter().filter_map(|log| match Event::of(log.address, &log.data) {
        Ok(event) => event.map(|event| Ok((log.index, event))),
        Err(reason) => Some(Err(malformed(block, log.index, reason))),
    });
    decoded.collect()
}

fn malformed(block: &Block, log_index: u64, (event, reason): Malformed) -> IndexError {
    IndexError::MalformedLog { height: block.height, log_index, event, reason }
}

fn corrupt(column: &'static str, value: u64) -> IndexError {
    IndexError::Corrupt { column, value: value.to_string() }
}

/// A number as a database column, if JSON can write it exactly too.
pub(crate) fn exact(number: u64) -> Option<i64> {
    i64::try_from(number).ok().filter(|_| number < EXACT)
}

async fn note_network(connection: &mut AnyConnection, node: &NodeStatus) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO chain (id, chain_id, genesis_hash) VALUES (1, $1, $2)");
    let insert = insert.bind(node.chain_id.to_string()).bind(node.genesis_hash.to_string());
    insert.execute(connection).await.map(drop)
}

async fn genesis(connection: &mut AnyConnection) -> Result<Option<B256>, IndexError> {
    const DOING: &str = "looking which network it is of";
    let row = sqlx::query("SELECT genesis_hash FROM chain").fetch_optional(connection).await.doing(DOING)?;
    row.map(|row| hash(&row, "genesis_hash", "chain.genesis_hash")).transpose()
}

async fn tip(connection: &mut AnyConnection) -> Result<Option<Tip>, IndexError> {
    const DOING: &str = "looking for its newest block";
    let select = sqlx::query("SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1");
    let Some(row) = select.fetch_optional(connection).await.doing(DOING)? else { return Ok(None) };
    let height: i64 = row.try_get("height").doing(DOING)?;
    let height = u64::try_from(height)
        .map_err(|_| IndexError::Corrupt { column: "blocks.height", value: height.to_string() })?;
    Ok(Some(Tip { height, hash: hash(&row, "hash", "blocks.hash")? }))
}

async fn stored_hash(connection: &mut AnyConnection, height: u64) -> Result<Option<B256>, IndexError> {
    let Some(height) = exact(height) else { return Ok(None) };
    let select = sqlx::query("SELECT hash FROM blocks WHERE height = $1").bind(height);
    let row = select.fetch_optional(connection).await.doing("looking for a block")?;
    row.map(|row| hash(&row, "hash", "blocks.hash")).transpose()
}

fn hash(row: &AnyRow, name: &str, column: &'static str) -> Result<B256, IndexError> {
    let value: String = row.try_get(name).doing("reading a hash")?;
    value.parse().map_err(|_| IndexError::Corrupt { column, value })
}

/// Why an event is not written.
enum Wrong {
    Event(String),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Wrong {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}

/// Writes the events of one block.
struct Writer<'a> {
    connection: &'a mut AnyConnection,
    height: i64,
    log_index: i64,
}

impl Writer<'_> {
    async fn event(&mut self, event: Event) -> Result<(), Wrong> {
        let (height, log_index) = (self.height, self.log_index);
        match event {
            Event::Cleared(e) => {
                self.class(e.class).await?;
                let insert = sqlx::query(
                    "INSERT INTO clearings (height, log_index, class, delivery_window, price, volume, low, high) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                );
                let insert = insert.bind(height).bind(log_index).bind(i64::from(e.class)).bind(i64::from(e.window));
                let insert = insert.bind(e.price.to_string()).bind(e.volume.to_string());
                self.run(insert.bind(e.low.to_string()).bind(e.high.to_string())).await.map(drop)
            }
            Event::EpochClosed(e) => {
                self.class(e.class).await?;
                let insert = sqlx::query(
                    "INSERT INTO epochs (class, epoch, height, open, high, low, close, volume, turnover, \
                     utilisation_bps, index_price, printed) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
                );
                let insert = insert.bind(i64::from(e.class)).bind(number("epoch", e.epoch)?).bind(height);
                let insert = insert.bind(e.open.to_string()).bind(e.high.to_string()).bind(e.low.to_string());
                let insert = insert.bind(e.close.to_string()).bind(e.volume.to_string()).bind(e.turnover.to_string());
                let insert = insert.bind(i64::from(e.utilisationBps)).bind(e.index.to_string());
                self.once(insert.bind(i64::from(e.printed)), || {
                    format!("epoch {} of class {} closed before", e.epoch, e.class)
                })
                .await
            }
            Event::OrderPlaced(e) if e.side > 1 => Err(Wrong::Event(format!("side {} is neither bid nor ask", e.side))),
            Event::OrderPlaced(e) => {
                self.class(e.class).await?;
                let insert = sqlx::query(
                    "INSERT INTO orders (id, owner, class, delivery_window, side, price, quantity, remaining, \
                     min_fill, expires, placed_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
                );
                let insert = insert.bind(number("order", e.id)?).bind(format!("{:#x}", e.owner));
                let insert = insert.bind(i64::from(e.class)).bind(i64::from(e.window)).bind(i64::from(e.side));
                let insert = insert.bind(e.price.to_string()).bind(e.quantity.to_string()).bind(e.quantity.to_string());
                let insert = insert.bind(e.minFill.to_string()).bind(e.expires.to_string()).bind(height);
                self.once(insert, || format!("order {} was placed before", e.id)).await
            }
            // Orders that jobs and providers have in the book were never placed, so there may be no row.
            Event::OrderAmended(e) => {
                let update = sqlx::query(
                    "UPDATE orders SET price = $1, remaining = $2, expires = $3, amended_at = $4 WHERE id = $5",
                );
                let update = update.bind(e.price.to_string()).bind(e.quantity.to_string()).bind(e.expires.to_string());
                self.run(update.bind(height).bind(number("order", e.id)?)).await.map(drop)
            }
            Event::OrderFilled(e) => {
                let id = number("order", e.id)?;
                let insert = sqlx::query(
                    "INSERT INTO order_fills (height, log_index, order_id, price, quantity, remaining) \
                     VALUES ($1, $2, $3, $4, $5, $6)",
                );
                let insert = insert.bind(height).bind(log_index).bind(id).bind(e.price.to_string());
                self.run(insert.bind(e.quantity.to_string()).bind(e.left.to_string())).await?;
                let update = sqlx::query("UPDATE orders SET remaining = $1 WHERE id = $2");
                self.run(update.bind(e.left.to_string()).bind(id)).await.map(drop)
            }
            Event::OrderClosed(e) => {
                let update =
                    sqlx::query("UPDATE orders SET closed_at = $1, close_reason = $2, refunded = $3 WHERE id = $4");
                let update = update.bind(height).bind(i64::from(e.reason)).bind(e.refunded.to_string());
                self.run(update.bind(number("order", e.id)?)).await.map(drop)
            }
            Event::JobSubmitted(e) => {
                let insert = sqlx::query(
                    "INSERT INTO jobs (id, renter, tasks, lots, escrow, submitted_at, log_index, lots_settled, fuel, paid) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '0', '0') ON CONFLICT DO NOTHING",
                );
                let insert = insert.bind(e.job.to_string()).bind(format!("{:#x}", e.renter)).bind(i64::from(e.tasks));
                let insert = insert.bind(i64::from(e.lots)).bind(e.escrow.to_string()).bind(height).bind(log_index);
                self.once(insert, || format!("job {} was submitted before", e.job)).await
            }
            Event::JobAmended(e) => {
                let update = sqlx::query("UPDATE jobs SET escrow = $1 WHERE id = $2").bind(e.escrow.to_string());
                self.once(update.bind(e.job.to_string()), || unknown_job(&e.job)).await
            }
            Event::LotSettled(e) => self.settled(&e.job, e.fuel, e.paid).await,
            Event::JobClosed(e) => {
                let update = sqlx::query(
                    "UPDATE jobs SET closed_at = $1, outcome = $2, cause = $3, paid = $4, refunded = $5 WHERE id = $6",
                );
                let update = update.bind(height).bind(i64::from(e.outcome)).bind(i64::from(e.cause));
                let update = update.bind(e.paid.to_string()).bind(e.refunded.to_string()).bind(e.job.to_string());
                self.once(update, || unknown_job(&e.job)).await
            }
        }
    }

    /// Adds a settled lot to its job.
    async fn settled(&mut self, job: &B256, fuel: u64, paid: u128) -> Result<(), Wrong> {
        let select = sqlx::query("SELECT fuel, paid FROM jobs WHERE id = $1").bind(job.to_string());
        let row = select.fetch_optional(&mut *self.connection).await?;
        let row = row.ok_or_else(|| Wrong::Event(unknown_job(job)))?;
        let sum = |column: &str, more: u128| -> Result<String, Wrong> {
            let before: Option<u128> = row.try_get::<String, _>(column)?.parse().ok();
            let sum = before.and_then(|before| before.checked_add(more));
            sum.map(|sum| sum.to_string()).ok_or_else(|| Wrong::Event(format!("the sum of {column} is out of range")))
        };
        let update = sqlx::query("UPDATE jobs SET lots_settled = lots_settled + 1, fuel = $1, paid = $2 WHERE id = $3");
        let update = update.bind(sum("fuel", u128::from(fuel))?).bind(sum("paid", paid)?).bind(job.to_string());
        self.run(update).await.map(drop)
    }

    async fn class(&mut self, class: u32) -> Result<(), Wrong> {
        let insert = sqlx::query("INSERT INTO classes (class, first_height) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        self.run(insert.bind(i64::from(class)).bind(self.height)).await.map(drop)
    }

    async fn run(&mut self, statement: Statement) -> Result<u64, Wrong> {
        Ok(statement.execute(&mut *self.connection).await?.rows_affected())
    }

    /// Runs what must change one row; else the event does not fit what came before it.
    async fn once(&mut self, statement: Statement, reason: impl FnOnce() -> String) -> Result<(), Wrong> {
        if self.run(statement).await? == 1 { Ok(()) } else { Err(Wrong::Event(reason())) }
    }
}

fn unknown_job(job: &B256) -> String {
    format!("job {job} was never submitted")
}

fn number(what: &str, number: u64) -> Result<i64, Wrong> {
    exact(number).ok_or_else(|| Wrong::Event(format!("{what} {number} is not below 2^53")))
}
