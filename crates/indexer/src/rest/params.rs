//! Parameters of a request: each is known, given once and in range, or refused by name.

use std::str::FromStr;

use assay_types::{Address, JobId};
use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};

use super::answer::Refusal;
use crate::{
    CursorError,
    read::{Cursor, Order, Range},
};

/// Items of a page unless told.
pub const PAGE: u32 = 100;
/// The most.
pub const MAX_PAGE: u32 = 1_000;

/// What a request's address says after the question mark, taken out one by one.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

/// What a parameter can be.
pub(super) trait Param: Sized {
    /// What to write.
    const FORM: &'static str;
    fn read(text: &str) -> Option<Self>;
}

macro_rules! param {
    ($type:ty, $form:literal) => {
        impl Param for $type {
            const FORM: &'static str = $form;
            fn read(text: &str) -> Option<Self> {
                Self::from_str(text).ok()
            }
        }
    };
}

param!(u32, "a whole number below 2^32");
param!(u64, "a whole number below 2^64");
param!(Address, "an address, 0x and 40 hexadecimal digits");
param!(JobId, "a job's id, 0x and 64 hexadecimal digits");

/// Reads a parameter, or refuses it by name.
pub(super) fn parse<T: Param>(name: &str, text: &str) -> Result<T, Refusal> {
    T::read(text).ok_or_else(|| wrong(name, format!("'{text}' is not {}", T::FORM)))
}

pub(super) fn wrong(name: &str, message: String) -> Refusal {
    Refusal::Parameter { name: name.to_owned(), message }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = query.map_err(|error| wrong("?", error.to_string()))?;
        Ok(Self(pairs))
    }
}

impl Params {
    fn take(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(at) = self.0.iter().position(|(given, _)| given == name) else { return Ok(None) };
        let (_, text) = self.0.swap_remove(at);
        if self.0.iter().any(|(given, _)| given == name) {
            return Err(wrong(name, "it is given twice".to_owned()));
        }
        Ok(Some(text))
    }

    pub(super) fn optional<T: Param>(&mut self, name: &str) -> Result<Option<T>, Refusal> {
        self.take(name)?.map(|text| parse(name, &text)).transpose()
    }

    pub(super) fn required<T: Param>(&mut self, name: &str) -> Result<T, Refusal> {
        self.optional(name)?.ok_or_else(|| wrong(name, format!("it is missing: give {}", T::FORM)))
    }

    /// `from`, `to`, `order`, `limit` and `cursor`.
    pub(super) fn range(&mut self) -> Result<Range, Refusal> {
        let (from, to) = self.span()?;
        let order = match self.take("order")?.as_deref() {
            None | Some("newest") => Order::Newest,
            Some("oldest") => Order::Oldest,
            Some(other) => return Err(wrong("order", format!("'{other}' is not newest or oldest"))),
        };
        let limit = self.optional("limit")?.unwrap_or(PAGE);
        if limit == 0 || limit > MAX_PAGE {
            return Err(wrong("limit", format!("{limit} is not from 1 to {MAX_PAGE}")));
        }
        let cursor = self.take("cursor")?.map(|text| text.parse::<Cursor>()).transpose();
        let cursor = cursor.map_err(|error: CursorError| wrong("cursor", error.to_string()))?;
        Ok(Range { from, to, order, cursor, limit })
    }

    /// `from` and `to`.
    pub(super) fn span(&mut self) -> Result<(u64, u64), Refusal> {
        let (from, to) = (self.optional("from")?.unwrap_or(0), self.optional("to")?.unwrap_or(u64::MAX));
        if from > to {
            return Err(wrong("from", format!("{from} is after to, {to}")));
        }
        Ok((from, to))
    }

    /// Refuses what was not taken.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(wrong(&name, "there is no such parameter here: see /openapi.json".to_owned())),
        }
    }
}
