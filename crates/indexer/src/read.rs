//! Queries. Every list is read by an index, at most a page of it, from a place that a cursor names.

use std::{fmt, str::FromStr, sync::atomic::Ordering};

use assay_types::{Address, JobId};
use sqlx::{Row as _, any::AnyRow};

use crate::{
    db::Index,
    error::{Doing as _, IndexError},
    store::exact,
    view::{Class, Clearing, Epoch, Fill, Job, Order as LimitOrder, OrderWithFills, Page, Status},
};

const READING: &str = "reading the record";

/// Which end of a list comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The oldest.
    Oldest,
    /// The newest.
    #[default]
    Newest,
}

/// A place in a list: height or number, and position within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(i64, i64);

/// Not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: give the 'next' of the page before")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let number = |text: &str| text.parse::<u64>().ok().and_then(exact).ok_or(CursorError);
        let (major, minor) = text.split_once('.').ok_or(CursorError)?;
        Ok(Self(number(major)?, number(minor)?))
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Lowest height or number, included.
    pub from: u64,
    /// Highest, included.
    pub to: u64,
    /// Which end first.
    pub order: Order,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// Most items.
    pub limit: u32,
}

impl Range {
    /// The newest so many.
    pub fn newest(limit: u32) -> Self {
        Self { from: 0, to: u64::MAX, order: Order::Newest, cursor: None, limit }
    }

    /// Bounds as the database takes them, and one more item than wanted, to see whether there are more.
    fn bounds(&self) -> Bounds {
        // What is stored lies below 2^53: any bound above means the same.
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let beyond = match self.order {
            Order::Oldest => Cursor(-1, -1),
            Order::Newest => Cursor(i64::MAX, i64::MAX),
        };
        let after = self.cursor.unwrap_or(beyond);
        // The cursor narrows the range too, so that a page far in is found as fast as the first.
        let (from, to) = match self.order {
            Order::Oldest => (bound(self.from).max(after.0), bound(self.to)),
            Order::Newest => (bound(self.from), bound(self.to).min(after.0)),
        };
        Bounds { from, to, after, rows: i64::from(self.limit).saturating_add(1) }
    }

    fn page<T>(
        &self,
        rows: &[AnyRow],
        read: impl Fn(&AnyRow) -> Result<T, IndexError>,
        place: impl Fn(&AnyRow) -> Result<Cursor, IndexError>,
    ) -> Result<Page<T>, IndexError> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let items = rows.iter().take(limit).map(read).collect::<Result<Vec<T>, _>>()?;
        let last = limit.checked_sub(1).and_then(|last| rows.get(last)).filter(|_| rows.len() > limit);
        let next = last.map(|row| place(row).map(|place| place.to_string())).transpose()?;
        Ok(Page { items, next })
    }
}

struct Bounds {
    from: i64,
    to: i64,
    after: Cursor,
    rows: i64,
}

/// A statement in both orders.
macro_rules! both_orders {
    ($order:expr, $select:literal, $place:literal, $by:literal, $by_down:literal) => {
        match $order {
            Order::Oldest => concat!($select, " AND ", $place, " > ($3, $4) ORDER BY ", $by, " LIMIT $5"),
            Order::Newest => concat!($select, " AND ", $place, " < ($3, $4) ORDER BY ", $by_down, " LIMIT $5"),
        }
    };
}

impl Index {
    /// Where it stands.
    pub async fn status(&self) -> Result<Status, IndexError> {
        let chain = sqlx::query("SELECT chain_id, genesis_hash FROM chain").fetch_optional(&self.pool);
        let chain = chain.await.doing(READING)?;
        let tip = sqlx::query("SELECT height, hash, time FROM blocks ORDER BY height DESC LIMIT 1");
        let tip = tip.fetch_optional(&self.pool).await.doing(READING)?;
        let height = tip.as_ref().map(|row| int(row, "height")).transpose()?.unwrap_or(0);
        let node_height = Some(self.node_height.load(Ordering::Relaxed)).filter(|height| *height > 0);
        Ok(Status {
            chain_id: chain.as_ref().map(|row| text(row, "chain_id")).transpose()?,
            genesis_hash: chain.as_ref().map(|row| text(row, "genesis_hash")).transpose()?,
            height,
            hash: tip.as_ref().map(|row| text(row, "hash")).transpose()?,
            time: tip.as_ref().map(|row| int(row, "time")).transpose()?,
            node_height,
            lag: node_height.map(|node| node.saturating_sub(height)),
        })
    }

    /// The classes that have a record, by number.
    pub async fn classes(&self) -> Result<Vec<Class>, IndexError> {
        let rows = sqlx::query("SELECT class, first_height FROM classes ORDER BY class").fetch_all(&self.pool);
        let mut classes = Vec::new();
        for row in rows.await.doing(READING)? {
            let id = int(&row, "class")?;
            let last = self.clearings(id, Some(0), Range::newest(1)).await?.items.pop();
            let epoch = self.epochs(id, Range::newest(1)).await?.items.pop();
            classes.push(Class { id, first_height: int(&row, "first_height")?, last, epoch });
        }
        Ok(classes)
    }

    /// Whether a class has a record.
    pub async fn has_class(&self, class: u32) -> Result<bool, IndexError> {
        let select = sqlx::query("SELECT class FROM classes WHERE class = $1").bind(i64::from(class));
        Ok(select.fetch_optional(&self.pool).await.doing(READING)?.is_some())
    }

    /// Epochs of a class; the range is of epochs.
    pub async fn epochs(&self, class: u32, range: Range) -> Result<Page<Epoch>, IndexError> {
        let sql = both_orders!(
            range.order,
            "SELECT e.*, b.time FROM epochs e JOIN blocks b ON b.height = e.height \
             WHERE e.class = $6 AND e.epoch BETWEEN $1 AND $2",
            "(e.epoch, 0)",
            "e.epoch",
            "e.epoch DESC"
        );
        let rows = self.list(sql, range, |query| query.bind(i64::from(class))).await?;
        range.page(&rows, epoch, |row| Ok(Cursor(signed(row, "epoch")?, 0)))
    }

    /// Clearings of a class, of one delivery window or all; the range is of heights.
    pub async fn clearings(&self, class: u32, window: Option<u32>, range: Range) -> Result<Page<Clearing>, IndexError> {
        let rows = match window {
            Some(window) => {
                let sql = both_orders!(
                    range.order,
                    "SELECT c.*, b.time FROM clearings c JOIN blocks b ON b.height = c.height \
                     WHERE c.class = $6 AND c.delivery_window = $7 AND c.height BETWEEN $1 AND $2",
                    "(c.height, c.log_index)",
                    "c.height, c.log_index",
                    "c.height DESC, c.log_index DESC"
                );
                self.list(sql, range, |query| query.bind(i64::from(class)).bind(i64::from(window))).await?
            }
            None => {
                let sql = both_orders!(
                    range.order,
                    "SELECT c.*, b.time FROM clearings c JOIN blocks b ON b.height = c.height \
                     WHERE c.class = $6 AND c.height BETWEEN $1 AND $2",
                    "(c.height, c.log_index)",
                    "c.height, c.log_index",
                    "c.height DESC, c.log_index DESC"
                );
                self.list(sql, range, |query| query.bind(i64::from(class))).await?
            }
        };
        range.page(&rows, clearing, |row| place(row, "height"))
    }

    /// An order and a page of its fills; the range is of heights.
    pub async fn order(&self, id: u64, range: Range) -> Result<Option<OrderWithFills>, IndexError> {
        let Some(id) = exact(id) else { return Ok(None) };
        let select = sqlx::query("SELECT * FROM orders WHERE id = $1").bind(id);
        let Some(row) = select.fetch_optional(&self.pool).await.doing(READING)? else { return Ok(None) };
        let sql = both_orders!(
            range.order,
            "SELECT * FROM order_fills WHERE order_id = $6 AND height BETWEEN $1 AND $2",
            "(height, log_index)",
            "height, log_index",
            "height DESC, log_index DESC"
        );
        let rows = self.list(sql, range, |query| query.bind(id)).await?;
        let fills = range.page(&rows, fill, |row| place(row, "height"))?;
        Ok(Some(OrderWithFills { order: order(&row)?, fills }))
    }

    /// Orders of an owner; the range is of numbers of orders.
    pub async fn orders(&self, owner: Address, range: Range) -> Result<Page<LimitOrder>, IndexError> {
        let sql = both_orders!(
            range.order,
            "SELECT * FROM orders WHERE owner = $6 AND id BETWEEN $1 AND $2",
            "(id, 0)",
            "id",
            "id DESC"
        );
        let rows = self.list(sql, range, |query| query.bind(format!("{owner:#x}"))).await?;
        range.page(&rows, order, |row| Ok(Cursor(signed(row, "id")?, 0)))
    }

    /// A job.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, IndexError> {
        let select = sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(id.to_string());
        select.fetch_optional(&self.pool).await.doing(READING)?.map(|row| job(&row)).transpose()
    }

    /// Jobs of a renter or of all; the range is of heights of submission.
    pub async fn jobs(&self, renter: Option<Address>, range: Range) -> Result<Page<Job>, IndexError> {
        let rows = match renter {
            Some(renter) => {
                let sql = both_orders!(
                    range.order,
                    "SELECT * FROM jobs WHERE renter = $6 AND submitted_at BETWEEN $1 AND $2",
                    "(submitted_at, log_index)",
                    "submitted_at, log_index",
                    "submitted_at DESC, log_index DESC"
                );
                self.list(sql, range, |query| query.bind(format!("{renter:#x}"))).await?
            }
            None => {
                let sql = both_orders!(
                    range.order,
                    "SELECT * FROM jobs WHERE submitted_at BETWEEN $1 AND $2",
                    "(submitted_at, log_index)",
                    "submitted_at, log_index",
                    "submitted_at DESC, log_index DESC"
                );
                self.list(sql, range, |query| query).await?
            }
        };
        range.page(&rows, job, |row| place(row, "submitted_at"))
    }

    async fn list(
        &self,
        sql: &'static str,
        range: Range,
        more: impl FnOnce(Statement) -> Statement,
    ) -> Result<Vec<AnyRow>, IndexError> {
        let Bounds { from, to, after: Cursor(major, minor), rows } = range.bounds();
        let query = sqlx::query(sql).bind(from).bind(to).bind(major).bind(minor).bind(rows);
        more(query).fetch_all(&self.pool).await.doing(READING)
    }
}

type Statement = sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments>;

fn epoch(row: &AnyRow) -> Result<Epoch, IndexError> {
    Ok(Epoch {
        class: int(row, "class")?,
        epoch: int(row, "epoch")?,
        height: int(row, "height")?,
        time: int(row, "time")?,
        open: decimal(row, "open")?,
        high: decimal(row, "high")?,
        low: decimal(row, "low")?,
        close: decimal(row, "close")?,
        volume: decimal(row, "volume")?,
        turnover: decimal(row, "turnover")?,
        utilisation_bps: int(row, "utilisation_bps")?,
        index: decimal(row, "index_price")?,
        printed: signed(row, "printed")? != 0,
    })
}

fn clearing(row: &AnyRow) -> Result<Clearing, IndexError> {
    Ok(Clearing {
        height: int(row, "height")?,
        time: int(row, "time")?,
        class: int(row, "class")?,
        window: int(row, "delivery_window")?,
        price: decimal(row, "price")?,
        volume: decimal(row, "volume")?,
        low: decimal(row, "low")?,
        high: decimal(row, "high")?,
    })
}

fn order(row: &AnyRow) -> Result<LimitOrder, IndexError> {
    Ok(LimitOrder {
        id: int(row, "id")?,
        owner: text(row, "owner")?,
        class: int(row, "class")?,
        window: int(row, "delivery_window")?,
        side: if signed(row, "side")? == 0 { "bid" } else { "ask" },
        price: decimal(row, "price")?,
        quantity: decimal(row, "quantity")?,
        left: decimal(row, "remaining")?,
        min_fill: decimal(row, "min_fill")?,
        expires: decimal(row, "expires")?,
        placed_at: int(row, "placed_at")?,
        amended_at: some_int(row, "amended_at")?,
        closed_at: some_int(row, "closed_at")?,
        close_reason: some_int(row, "close_reason")?,
        refunded: some_decimal(row, "refunded")?,
    })
}

fn fill(row: &AnyRow) -> Result<Fill, IndexError> {
    Ok(Fill {
        height: int(row, "height")?,
        price: decimal(row, "price")?,
        quantity: decimal(row, "quantity")?,
        left: decimal(row, "remaining")?,
    })
}

fn job(row: &AnyRow) -> Result<Job, IndexError> {
    Ok(Job {
        id: text(row, "id")?,
        renter: text(row, "renter")?,
        tasks: int(row, "tasks")?,
        lots: int(row, "lots")?,
        escrow: decimal(row, "escrow")?,
        submitted_at: int(row, "submitted_at")?,
        lots_settled: int(row, "lots_settled")?,
        fuel: decimal(row, "fuel")?,
        paid: decimal(row, "paid")?,
        closed_at: some_int(row, "closed_at")?,
        outcome: some_int(row, "outcome")?,
        cause: some_int(row, "cause")?,
        refunded: some_decimal(row, "refunded")?,
    })
}

fn place(row: &AnyRow, major: &'static str) -> Result<Cursor, IndexError> {
    Ok(Cursor(signed(row, major)?, signed(row, "log_index")?))
}

fn text(row: &AnyRow, column: &'static str) -> Result<String, IndexError> {
    row.try_get(column).doing(READING)
}

fn signed(row: &AnyRow, column: &'static str) -> Result<i64, IndexError> {
    row.try_get(column).doing(READING)
}

fn int<T: TryFrom<i64>>(row: &AnyRow, column: &'static str) -> Result<T, IndexError> {
    let value = signed(row, column)?;
    T::try_from(value).map_err(|_| IndexError::Corrupt { column, value: value.to_string() })
}

fn some_int<T: TryFrom<i64>>(row: &AnyRow, column: &'static str) -> Result<Option<T>, IndexError> {
    let value: Option<i64> = row.try_get(column).doing(READING)?;
    let read = |value| T::try_from(value).map_err(|_| IndexError::Corrupt { column, value: value.to_string() });
    value.map(read).transpose()
}

fn decimal<T: FromStr>(row: &AnyRow, column: &'static str) -> Result<T, IndexError> {
    let value = text(row, column)?;
    value.parse().map_err(|_| IndexError::Corrupt { column, value })
}

fn some_decimal(row: &AnyRow, column: &'static str) -> Result<Option<u128>, IndexError> {
    let value: Option<String> = row.try_get(column).doing(READING)?;
    value.map(|value| value.parse().map_err(|_| IndexError::Corrupt { column, value })).transpose()
}
