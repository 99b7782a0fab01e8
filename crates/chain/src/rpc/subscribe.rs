//! Blocks and logs as they become final.
//!
//! A subscriber has a short queue of messages on its connection and a longer one of shared blocks.
//! When both are full it is told so and dropped: what it missed it can ask for by height.

use std::{sync::Arc, time::Duration};

use alloy_rpc_types_eth::{Filter, pubsub::SubscriptionKind};
use assay_types::block::SharedBlock;
use jsonrpsee::{
    PendingSubscriptionSink, RpcModule, SubscriptionMessage, SubscriptionSink,
    core::{RegisterMethodError, SubscriptionResult},
    types::{ErrorObjectOwned, Params},
};
use parking_lot::Mutex;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::broadcast::error::RecvError;

use super::{
    blocks::logs_in,
    context::Context,
    error::{internal, invalid},
    shape,
};

/// What a subscriber wants.
#[derive(Debug, Clone)]
enum Topic {
    Heads,
    Logs(Box<Filter>),
    Blocks,
}

/// The newest block as text, made once for all subscribers.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    head: Mutex<Option<(u64, Arc<RawValue>)>>,
    block: Mutex<Option<(u64, Arc<RawValue>)>>,
}

fn once(
    cell: &Mutex<Option<(u64, Arc<RawValue>)>>,
    height: u64,
    make: impl FnOnce() -> serde_json::Result<Box<RawValue>>,
) -> serde_json::Result<Arc<RawValue>> {
    let mut cell = cell.lock();
    if let Some((_, text)) = cell.as_ref().filter(|(of, _)| *of == height) {
        return Ok(Arc::clone(text));
    }
    let text: Arc<RawValue> = make()?.into();
    *cell = Some((height, Arc::clone(&text)));
    Ok(text)
}

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, ctx, _| run(eth_topic(&params), pending, ctx),
    )?;
    module.register_subscription(
        "assay_subscribe",
        "assay_subscription",
        "assay_unsubscribe",
        |params, pending, ctx, _| {
            let topic = match params.one::<String>() {
                Ok(kind) if kind == "blocks" => Ok(Topic::Blocks),
                Ok(kind) => Err(invalid(format!("no \"{kind}\" subscription found: there is \"blocks\""))),
                Err(error) => Err(error),
            };
            run(topic, pending, ctx)
        },
    )?;
    module.register_subscription(
        "assay_subscribeBlocks",
        "assay_subscription",
        "assay_unsubscribeBlocks",
        |_, pending, ctx, _| run(Ok(Topic::Blocks), pending, ctx),
    )?;
    Ok(())
}

fn eth_topic(params: &Params<'_>) -> Result<Topic, ErrorObjectOwned> {
    let mut params = params.sequence();
    let kind: String = params.next()?;
    match kind.parse() {
        Ok(SubscriptionKind::NewHeads) => Ok(Topic::Heads),
        Ok(SubscriptionKind::Logs) => Ok(Topic::Logs(params.optional_next()?.unwrap_or_default())),
        _ => Err(invalid(format!("no \"{kind}\" subscription found: there are \"newHeads\" and \"logs\""))),
    }
}

async fn run(
    topic: Result<Topic, ErrorObjectOwned>,
    pending: PendingSubscriptionSink,
    ctx: Arc<Context>,
) -> SubscriptionResult {
    let topic = match topic {
        Ok(topic) => topic,
        Err(error) => {
            pending.reject(error).await;
            return Ok(());
        }
    };
    // Before it is accepted, so that no block falls between.
    let mut blocks = ctx.history.subscribe();
    let sink = pending.accept().await?;
    loop {
        let block = tokio::select! {
            () = sink.closed() => return Ok(()),
            block = blocks.recv() => block,
        };
        match block {
            Ok(block) => {
                for text in messages(&topic, &block, &ctx.rendered).map_err(|e| internal(e.to_string()))? {
                    send(&sink, &text, ctx.config.patience).await?;
                }
            }
            Err(RecvError::Lagged(missed)) => {
                return Err(format!("too slow: {missed} blocks were missed; ask for them by height").into());
            }
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

fn messages(topic: &Topic, block: &SharedBlock, rendered: &Rendered) -> serde_json::Result<Vec<Arc<RawValue>>> {
    match topic {
        Topic::Heads => Ok(vec![once(&rendered.head, block.height, || to_raw_value(&shape::header(block)))?]),
        Topic::Blocks => Ok(vec![once(&rendered.block, block.height, || to_raw_value(block))?]),
        Topic::Logs(filter) => logs_in(block, filter).iter().map(|log| to_raw_value(log).map(Arc::from)).collect(),
    }
}

async fn send(sink: &SubscriptionSink, text: &RawValue, patience: Duration) -> SubscriptionResult {
    let message = SubscriptionMessage::new(sink.method_name(), sink.subscription_id(), &text)?;
    match sink.send_timeout(message, patience).await {
        Ok(()) => Ok(()),
        Err(jsonrpsee::SendTimeoutError::Closed(_)) => Ok(()),
        Err(jsonrpsee::SendTimeoutError::Timeout(_)) => Err("too slow: messages are not read".into()),
    }
}
