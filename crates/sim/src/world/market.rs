//! When traders come and go.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use assay_ledger::books;
use assay_store::Blobs as _;
use commonware_runtime::{Spawner as _, Supervisor as _};

use super::World;
use crate::{
    names::{address, provider_name, sealing},
    scenario::{Grief, Scenario, Span, TURNCOAT, Turncoat, VALIDATORS, Wash},
    traders::{self, BUYER, Desk, GRIEFER, SELLERS, WASHERS},
};

/// What a trader does.
#[derive(Clone, Copy)]
enum Plan {
    Honest,
    Wash(Wash),
    Grief(Grief),
    Turncoat(Turncoat),
}

/// A trader, or several of one mind.
pub(super) struct Trader {
    plan: Plan,
    span: Span,
    started: bool,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
}

impl Trader {
    /// Whether it came and is gone.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}

/// The traders of a run.
pub(super) fn traders(scenario: &Scenario) -> Vec<Trader> {
    let plans = [
        (Plan::Honest, scenario.honest),
        (Plan::Wash(scenario.wash), scenario.wash.span),
        (Plan::Grief(scenario.grief), scenario.grief.span),
        (Plan::Turncoat(scenario.turncoat.1), scenario.turncoat.0),
    ];
    let trader = |(plan, span)| Trader { plan, span, started: false, stop: Arc::default(), done: Arc::default() };
    plans.into_iter().map(trader).collect()
}

impl World {
    /// Starts a trader when its time comes, and tells it when it is over.
    pub(super) fn see_to(&self, trader: &mut Trader, now_ms: u64) {
        if now_ms >= trader.span.until_ms {
            trader.stop.store(true, Ordering::Relaxed);
        }
        if !trader.started && now_ms >= trader.span.from_ms {
            trader.started = true;
            self.start_trader(trader);
        }
    }

    fn start_trader(&self, trader: &Trader) {
        let desk = |name: &str| self.desk(name, trader);
        let work: futures::future::BoxFuture<'static, ()> = match trader.plan {
            Plan::Honest => Box::pin(traders::trade(desk(BUYER), SELLERS.map(desk))),
            Plan::Wash(plan) => Box::pin(traders::wash(WASHERS.map(desk), plan)),
            Plan::Grief(plan) => Box::pin(traders::grief(desk(GRIEFER), plan)),
            Plan::Turncoat(how) => {
                let name = provider_name(TURNCOAT);
                let provider = &self.providers[&TURNCOAT];
                // Its agent sends with the same account.
                let desk = Desk { sender: provider.sender.clone(), ..desk(&name) };
                let endpoint = provider.blobs.source().to_bytes().into();
                let terms = traders::terms(address(&name), sealing(&name).public().into(), endpoint);
                Box::pin(traders::turn(desk, terms, how))
            }
        };
        let done = trader.done.clone();
        self.context.child("trader").spawn(move |_| async move {
            work.await;
            done.store(true, Ordering::Relaxed);
        });
    }

    fn desk(&self, name: &str, trader: &Trader) -> Desk {
        let asked = name.len() % VALIDATORS;
        let (chain, sender) = (self.chain(asked), self.sender(name, asked));
        Desk { chain, host: self.host(&format!("{name}/trader")), sender, stop: trader.stop.clone() }
    }

    /// Whether no money lies behind a job, an order, a delivery or a seal any more.
    pub(super) fn nothing_pending(&self) -> bool {
        let state = self.best().and_then(|node| node.tip_state());
        state.is_some_and(|(_, state)| books(&state).expect("the books can be read").escrow == 0)
    }
}
