//! A task's input on the wire: one slice's quotes and the other slices' put-call pairs.

use quant::{
    black::Kind,
    date::Date,
    wire::{Reader, WireError, Writer},
};

use crate::{
    chain::{Quote, SliceKey},
    parity::{Pair, Pairs},
};

const MAGIC: [u8; 4] = *b"AVS1";

/// One slice's work.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The day the quotes are of.
    pub as_of: Date,
    /// The slice.
    pub key: SliceKey,
    /// Its quotes.
    pub quotes: Vec<Quote>,
    /// Pairs of the other slices.
    pub curve: Vec<Pairs>,
}

pub(crate) fn write_key(w: &mut Writer, key: &SliceKey) {
    w.i32(key.expiration.0);
    w.text(&key.root);
}

pub(crate) fn read_key(r: &mut Reader<'_>) -> Result<SliceKey, WireError> {
    Ok(SliceKey { expiration: Date(r.i32()?), root: r.text()? })
}

pub(crate) fn write_kind(w: &mut Writer, kind: Kind) {
    w.u8(u8::from(kind == Kind::Put));
}

pub(crate) fn read_kind(r: &mut Reader<'_>) -> Result<Kind, WireError> {
    match r.u8()? {
        0 => Ok(Kind::Call),
        1 => Ok(Kind::Put),
        _ => Err(WireError::Invalid("the kind of an option")),
    }
}

impl Task {
    /// The task's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(MAGIC);
        w.i32(self.as_of.0);
        write_key(&mut w, &self.key);
        w.count(self.quotes.len());
        for q in &self.quotes {
            write_kind(&mut w, q.kind);
            w.u32(q.strike_milli);
            w.f64s(&[q.bid, q.ask]);
        }
        w.count(self.curve.len());
        for pairs in &self.curve {
            write_key(&mut w, &pairs.key);
            w.count(pairs.points.len());
            for p in &pairs.points {
                w.f64s(&[p.strike, p.difference, p.error]);
            }
        }
        w.finish()
    }

    /// Reads a task's bytes and checks what a computation relies on.
    ///
    /// # Errors
    /// [`WireError`] where the bytes are not a task, hold a number that is not finite or not in its range,
    /// or a date on or before the as-of date.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(bytes, MAGIC)?;
        let as_of = Date(r.i32()?);
        let later = |key: SliceKey| {
            let days = i64::from(key.expiration.0) - i64::from(as_of.0);
            if (1..=40_000).contains(&days) { Ok(key) } else { Err(WireError::Invalid("an expiration")) }
        };
        let key = later(read_key(&mut r)?)?;
        let sound = |x: f64| (0.0..=1e9).contains(&x);
        let mut quotes = Vec::new();
        for _ in 0..r.count(21)? {
            let q = Quote { kind: read_kind(&mut r)?, strike_milli: r.u32()?, bid: r.f64()?, ask: r.f64()? };
            if !(sound(q.bid) && sound(q.ask) && q.strike_milli > 0) {
                return Err(WireError::Invalid("a quote"));
            }
            quotes.push(q);
        }
        let mut curve = Vec::new();
        for _ in 0..r.count(12)? {
            let key = later(read_key(&mut r)?)?;
            let mut points = Vec::new();
            for _ in 0..r.count(24)? {
                let [strike, difference, error] = r.f64s()?;
                if !(sound(strike) && strike > 0.0 && difference.abs() <= 1e9 && error > 0.0 && sound(error)) {
                    return Err(WireError::Invalid("a put-call pair"));
                }
                points.push(Pair { strike, difference, error });
            }
            curve.push(Pairs { key, points });
        }
        r.end()?;
        Ok(Self { as_of, key, quotes, curve })
    }
}
