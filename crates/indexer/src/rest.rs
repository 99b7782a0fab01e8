//! The record over HTTP: JSON under `/v1`, prices as CSV, and an OpenAPI document.
//!
//! Read only, without accounts. A request says what it wants in its address; a parameter that is
//! unknown, given twice or out of range is answered by 400 and its name.

mod answer;
mod csv;
mod params;

use std::{future::Future, net::SocketAddr};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use tokio::net::TcpListener;
use utoipa::OpenApi;

use crate::{
    Index,
    view::{Class, Clearing, Epoch, Job, Order, OrderWithFills, Page, Status},
};
use answer::{Answer, ErrorBody, Refusal};
pub use params::{MAX_PAGE, PAGE};
use params::{Params, parse};

/// Routes that answer from an index.
pub fn router(index: Index) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/classes", get(classes))
        .route("/v1/classes/{id}/epochs", get(epochs))
        .route("/v1/classes/{id}/clearings", get(clearings))
        .route("/v1/orders", get(orders))
        .route("/v1/orders/{id}", get(order))
        .route("/v1/jobs", get(jobs))
        .route("/v1/jobs/{id}", get(job))
        .route("/v1/prices.csv", get(csv::prices))
        .route("/openapi.json", get(|| async { Json(openapi()) }))
        .fallback(|| async {
            Refusal::NotFound("nothing is at this address: /openapi.json lists what there is".to_owned())
        })
        .method_not_allowed_fallback(|| async { Refusal::Method })
        .with_state(index)
}

/// Serves until `stop` is ready, then answers what it has taken.
pub async fn serve(
    index: Index,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let address: SocketAddr = listener.local_addr()?;
    tracing::info!(%address, "the price record listens");
    axum::serve(listener, router(index)).with_graceful_shutdown(stop).await
}

/// The description of what [`router`] answers.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Assay price record",
        description = "Prices are grains a unit of the class, quantities thousandths of a unit; both are strings of decimal digits."
    ),
    paths(status, classes, epochs, clearings, orders, order, jobs, job, csv::prices)
)]
struct Document;

/// Where the record stands.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status)))]
async fn status(State(index): State<Index>, params: Params) -> Answer<Status> {
    params.end()?;
    Ok(Json(index.status().await?))
}

/// The classes that have a record.
#[utoipa::path(get, path = "/v1/classes", responses((status = 200, body = Vec<Class>)))]
async fn classes(State(index): State<Index>, params: Params) -> Answer<Vec<Class>> {
    params.end()?;
    Ok(Json(index.classes().await?))
}

/// Open, high, low, close, volume, utilisation and index of a class's epochs.
#[utoipa::path(
    get, path = "/v1/classes/{id}/epochs",
    params(
        ("id" = u32, Path, description = "Number of the class"),
        ("from" = Option<u64>, Query, description = "First epoch"),
        ("to" = Option<u64>, Query, description = "Last epoch"),
        ("order" = Option<String>, Query, description = "`newest` (default) or `oldest` first"),
        ("limit" = Option<u32>, Query, description = "Items, 100 unless told, 1000 at most"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Page<Epoch>), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
async fn epochs(State(index): State<Index>, Path(id): Path<String>, mut params: Params) -> Answer<Page<Epoch>> {
    let class = parse("id", &id)?;
    let range = params.range()?;
    params.end()?;
    known(&index, class).await?;
    Ok(Json(index.epochs(class, range).await?))
}

/// Each clearing of a class that traded.
#[utoipa::path(
    get, path = "/v1/classes/{id}/clearings",
    params(
        ("id" = u32, Path, description = "Number of the class"),
        ("window" = Option<u32>, Query, description = "Delivery window, 0 for now; all unless told"),
        ("from" = Option<u64>, Query, description = "First height"),
        ("to" = Option<u64>, Query, description = "Last height"),
        ("order" = Option<String>, Query, description = "`newest` (default) or `oldest` first"),
        ("limit" = Option<u32>, Query, description = "Items, 100 unless told, 1000 at most"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Page<Clearing>), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
async fn clearings(State(index): State<Index>, Path(id): Path<String>, mut params: Params) -> Answer<Page<Clearing>> {
    let class = parse("id", &id)?;
    let (window, range) = (params.optional("window")?, params.range()?);
    params.end()?;
    known(&index, class).await?;
    Ok(Json(index.clearings(class, window, range).await?))
}

/// Limit orders of an owner.
#[utoipa::path(
    get, path = "/v1/orders",
    params(
        ("owner" = String, Query, description = "Address"),
        ("from" = Option<u64>, Query, description = "Lowest number"),
        ("to" = Option<u64>, Query, description = "Highest number"),
        ("order" = Option<String>, Query, description = "`newest` (default) or `oldest` first"),
        ("limit" = Option<u32>, Query, description = "Items, 100 unless told, 1000 at most"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Page<Order>), (status = 400, body = ErrorBody))
)]
async fn orders(State(index): State<Index>, mut params: Params) -> Answer<Page<Order>> {
    let (owner, range) = (params.required("owner")?, params.range()?);
    params.end()?;
    Ok(Json(index.orders(owner, range).await?))
}

/// A limit order and its fills.
#[utoipa::path(
    get, path = "/v1/orders/{id}",
    params(
        ("id" = u64, Path, description = "Number of the order"),
        ("from" = Option<u64>, Query, description = "First height of its fills"),
        ("to" = Option<u64>, Query, description = "Last height of its fills"),
        ("order" = Option<String>, Query, description = "`newest` (default) or `oldest` fills first"),
        ("limit" = Option<u32>, Query, description = "Fills, 100 unless told, 1000 at most"),
        ("cursor" = Option<String>, Query, description = "`next` of the page of fills before"),
    ),
    responses((status = 200, body = OrderWithFills), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
async fn order(State(index): State<Index>, Path(id): Path<String>, mut params: Params) -> Answer<OrderWithFills> {
    let (id, range) = (parse("id", &id)?, params.range()?);
    params.end()?;
    let order = index.order(id, range).await?;
    order
        .map(Json)
        .ok_or_else(|| Refusal::NotFound(format!("no limit order {id} was placed up to the newest block here")))
}

/// Jobs, of a renter or of all.
#[utoipa::path(
    get, path = "/v1/jobs",
    params(
        ("renter" = Option<String>, Query, description = "Address"),
        ("from" = Option<u64>, Query, description = "First height of submission"),
        ("to" = Option<u64>, Query, description = "Last height of submission"),
        ("order" = Option<String>, Query, description = "`newest` (default) or `oldest` first"),
        ("limit" = Option<u32>, Query, description = "Items, 100 unless told, 1000 at most"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Page<Job>), (status = 400, body = ErrorBody))
)]
async fn jobs(State(index): State<Index>, mut params: Params) -> Answer<Page<Job>> {
    let (renter, range) = (params.optional("renter")?, params.range()?);
    params.end()?;
    Ok(Json(index.jobs(renter, range).await?))
}

/// A job.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", params(("id" = String, Path, description = "Id of the job, 0x and 64 digits")),
    responses((status = 200, body = Job), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
async fn job(State(index): State<Index>, Path(id): Path<String>, params: Params) -> Answer<Job> {
    params.end()?;
    let id = parse("id", &id)?;
    let job = index.job(id).await?;
    job.map(Json).ok_or_else(|| Refusal::NotFound(format!("no job {id} was submitted up to the newest block here")))
}

async fn known(index: &Index, class: u32) -> Result<(), Refusal> {
    if index.has_class(class).await? {
        return Ok(());
    }
    Err(Refusal::NotFound(format!("class {class} has no record yet: /v1/classes lists those that have")))
}
