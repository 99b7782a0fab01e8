//! A class's epochs as CSV, oldest first: all of them, written as they are read.

use std::fmt::Write as _;

use axum::{
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use futures::stream;

use super::{
    answer::{ErrorBody, Refusal},
    known,
    params::{MAX_PAGE, Params},
};
use crate::{
    Index, IndexError,
    read::{Order, Range},
    view::Epoch,
};

const HEADER: &str = "class,epoch,height,time,open,high,low,close,volume,turnover,utilisation_bps,index,printed\n";

/// Open, high, low, close, volume, utilisation and index of a class's epochs as CSV, oldest first.
#[utoipa::path(
    get, path = "/v1/prices.csv",
    params(
        ("class" = u32, Query, description = "Number of the class"),
        ("from" = Option<u64>, Query, description = "First epoch"),
        ("to" = Option<u64>, Query, description = "Last epoch"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/csv"),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn prices(State(index): State<Index>, mut params: Params) -> Result<Response, Refusal> {
    let (class, (from, to)) = (params.required("class")?, params.span()?);
    params.end()?;
    known(&index, class).await?;
    let range = Range { from, to, order: Order::Oldest, cursor: None, limit: MAX_PAGE };
    // The first page here, so that a database that is away is a refusal and not half a file.
    let (first, next) = page(&index, class, range).await?;
    let rest = stream::try_unfold(next, move |range| {
        let index = index.clone();
        async move {
            let Some(range) = range else { return Ok(None) };
            Ok::<_, IndexError>(Some(page(&index, class, range).await?))
        }
    });
    let first = stream::iter([Ok(format!("{HEADER}{first}"))]);
    let body = Body::from_stream(futures::StreamExt::chain(first, rest));
    Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response())
}

/// A page as lines, and the range of the next.
async fn page(index: &Index, class: u32, range: Range) -> Result<(String, Option<Range>), IndexError> {
    let page = index.epochs(class, range).await?;
    let mut lines = String::new();
    for epoch in &page.items {
        line(&mut lines, epoch);
    }
    let cursor = page.next.and_then(|next| next.parse().ok());
    Ok((lines, cursor.map(|cursor| Range { cursor: Some(cursor), ..range })))
}

fn line(out: &mut String, e: &Epoch) {
    let place = (e.class, e.epoch, e.height, e.time);
    let prices = (e.open, e.high, e.low, e.close);
    // Writing to a string does not fail.
    write!(out, "{},{},{},{},", place.0, place.1, place.2, place.3).unwrap_or_default();
    write!(out, "{},{},{},{},", prices.0, prices.1, prices.2, prices.3).unwrap_or_default();
    writeln!(out, "{},{},{},{},{}", e.volume, e.turnover, e.utilisation_bps, e.index, e.printed).unwrap_or_default();
}
