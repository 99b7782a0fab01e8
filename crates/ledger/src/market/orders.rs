//! An order's life: opened, kept in its place, closed.

use alloy_primitives::Address;
use assay_market::{Rule, Side};
use assay_types::class::Unit;

use super::{Booked, Order, Source, active, book, limits, trading::Trading};
use crate::{
    jobs::{self, Job, Terms},
    keys::{self, ORDER, PARKED, STALE, WINDOW_BOOK},
    math,
    providers::Provider,
    reject::{BrokenInvariant, Done, Failure, sane},
    schedule::{self, Due},
    state::StateRead,
    step::{Step, keys_under, read},
};

/// Parked orders looked at anew when a provider of their class has more to offer.
const WOKEN: usize = 2;
/// Most blocks between two tries of an order that nobody can serve.
const LONGEST_PAUSE: u64 = 8;
/// Blocks an order rests in one class before it tries its next choice.
const PATIENCE: u64 = 4;

impl Order {
    pub(crate) fn load(view: &dyn StateRead, id: u64) -> Result<Option<Self>, BrokenInvariant> {
        read(view, &keys::of_order(ORDER, id))
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, id: u64) {
        step.write(keys::of_order(ORDER, id), self);
    }

    /// A sealed order that has not been through a clearing before block `height` stands, as a sealed job does.
    pub(crate) fn must_stand(&self, height: u64) -> bool {
        self.opens_at > 0 && (self.booked.is_none() || height <= self.opens_at.saturating_add(1))
    }
}

/// Opens an order; its place in a book is found at the end of the block.
pub(crate) fn open(
    step: &mut Step<'_>,
    owner: Address,
    source: Source,
    side: Side,
    class: u32,
    expires: u64,
) -> Done<u64> {
    let counter = keys::of_address(keys::OWNED_COUNT, &owner);
    let count: u32 = step.read(&counter)?.unwrap_or_default();
    if count >= step.env.params.max_orders_per_account {
        return Err(Failure::TooManyOrders.into());
    }
    step.write(counter, &sane(count.checked_add(1))?);
    let id: u64 = step.read(&keys::next_order())?.unwrap_or(1);
    step.write(keys::next_order(), &sane(id.checked_add(1))?);
    let order = Order {
        owner,
        source,
        side,
        class,
        window: 0,
        price: 0,
        quantity: 0,
        min_fill: 0,
        placed_at: step.env.height(),
        opens_at: 0,
        expires,
        choice: 0,
        parked: None,
        unserved_since: None,
        booked: None,
        booked_at: 0,
        capacity: 0,
        busy: 0,
    };
    order.store(step, id);
    step.mark(keys::owned(&owner, id));
    touch(step, id);
    Ok(id)
}

/// Has an order's place seen to at the end of the block.
pub(crate) fn touch(step: &mut Step<'_>, id: u64) {
    step.mark(keys::of_order(STALE, id));
}

/// Ends an order; what is behind it is its closer's to return.
pub(crate) fn close(step: &mut Step<'_>, id: u64) -> Done {
    let Some(mut order) = Order::load(&step.state, id)? else { return Ok(()) };
    rebook(step, id, &mut order, None)?;
    unpark(step, id, &mut order);
    step.state.delete(keys::of_order(ORDER, id));
    step.state.delete(keys::of_order(STALE, id));
    step.state.delete(keys::owned(&order.owner, id));
    let counter = keys::of_address(keys::OWNED_COUNT, &order.owner);
    let count: u32 = step.must(&counter)?;
    match sane(count.checked_sub(1))? {
        0 => step.state.delete(counter),
        left => step.write(counter, &left),
    }
    if order.window == 0 { Ok(()) } else { super::trading::forget(step, order.class, order.window) }
}

/// Sees to the places of all orders that were touched in this block.
pub(crate) fn refresh(step: &mut Step<'_>) -> Done {
    let mut changed = false;
    loop {
        let stale: Vec<u64> = keys_under(&step.state, &[STALE]).filter_map(|key| keys::order_at_end(&key)).collect();
        if stale.is_empty() {
            break;
        }
        for id in stale {
            step.state.delete(keys::of_order(STALE, id));
            changed |= see_to(step, id)?;
        }
    }
    if changed {
        step.mark(keys::fresh());
    }
    Ok(())
}

/// Puts an order where it belongs; whether that changed a book.
fn see_to(step: &mut Step<'_>, id: u64) -> Done<bool> {
    let Some(mut order) = Order::load(&step.state, id)? else { return Ok(false) };
    let wanted = match order.source {
        Source::Job(job) => job_entry(step, &order, &job)?,
        Source::Ask(provider) => {
            let provider_record = Provider::must(step, &provider)?;
            count(step, &mut order, &provider_record)?;
            ask_entry(step, id, &provider_record, &provider)?
        }
        Source::Limit | Source::Claim(_) if active(&step.env.params, order.class).is_none() => {
            limits::end(step, id, limits::Reason::Retired)?;
            return Ok(true);
        }
        // All orders of one window come into the book at its end, in whatever block each was opened.
        Source::Limit | Source::Claim(_) if order.opens_at > step.env.height() => None,
        Source::Limit | Source::Claim(_) => Some(Booked {
            class: order.class,
            price: order.price,
            quantity: order.quantity,
            min_fill: order.min_fill.min(order.quantity),
        }),
    };
    let wanted = wanted.filter(|booked| booked.quantity > 0);
    let before = order.booked;
    if order.opens_at > 0 && before.is_none() && wanted.is_some() {
        order.opens_at = step.env.height();
    }
    let changed = rebook(step, id, &mut order, wanted)?;
    let grew = wanted.map(|b| b.quantity) > before.map(|b| b.quantity);
    let fresh_job = changed && before.map(|b| b.class) != wanted.map(|b| b.class);
    if fresh_job
        && let (Source::Job(job), Some(_)) = (order.source, wanted)
        && choices(step, &job)?.len() > 1
    {
        schedule::at(step, step.env.height().saturating_add(PATIENCE), Due::Order(id));
    }
    order.store(step, id);
    if let (Side::Ask, Some(booked), true) = (order.side, wanted, grew) {
        wake(step, booked.class)?;
    }
    Ok(changed)
}

/// Moves an order's entry, and keeps the book's counts; whether anything changed.
fn rebook(step: &mut Step<'_>, id: u64, order: &mut Order, wanted: Option<Booked>) -> Done<bool> {
    if order.booked == wanted {
        return Ok(false);
    }
    for (booked, comes) in [(order.booked, false), (wanted, true)] {
        let Some(booked) = booked else { continue };
        let mut trading = Trading::of(step, booked.class, order.window)?;
        let step_by = |count: u32| sane(if comes { count.checked_add(1) } else { count.checked_sub(1) });
        match order.side {
            Side::Bid => trading.bids = step_by(trading.bids)?,
            Side::Ask => trading.asks = step_by(trading.asks)?,
        }
        trading.store(step, booked.class, order.window);
        if order.window != 0 {
            let both = keys::of_book(WINDOW_BOOK, booked.class, order.window);
            match trading.bids > 0 && trading.asks > 0 {
                true => step.mark(both),
                false => step.state.delete(both),
            }
        }
        match comes {
            true => book::put(step, order.window, order.side, id, &booked),
            false => book::take(step, order.window, order.side, id, &booked),
        }
    }
    let place = |booked: Option<Booked>| booked.map(|booked| (booked.class, booked.price));
    if place(order.booked) != place(wanted) {
        order.booked_at = step.env.height();
    }
    order.booked = wanted;
    Ok(true)
}

/// Classes a job may run in, its first choice first, those that still take orders.
pub(crate) fn choices(step: &Step<'_>, job: &assay_types::JobId) -> Done<Vec<u32>> {
    let terms = Terms::load(&step.state, job)?;
    let all = std::iter::once(terms.class).chain(terms.substitutes.iter().copied());
    Ok(all.filter(|class| active(&step.env.params, *class).is_some()).collect())
}

fn job_entry(step: &mut Step<'_>, order: &Order, id: &assay_types::JobId) -> Done<Option<Booked>> {
    let Some(job) = Job::load(&step.state, id)?.filter(|job| job.outcome.is_none()) else { return Ok(None) };
    let choices = choices(step, id)?;
    // One of them may have retired since.
    let chosen = choices.get(usize::try_from(order.choice).unwrap_or(usize::MAX)).or(choices.first()).copied();
    // All bids of one window come into the book at its end, in whatever block each was opened.
    let sealed = job.opens_at > step.env.height();
    let Some(class) = chosen.filter(|_| !sealed && order.parked.is_none()) else { return Ok(None) };
    let terms = Terms::load(&step.state, id)?;
    let mut quantity = 0u64;
    for (lot, missing) in jobs::wanted::of_job(&step.state, id)? {
        let tasks = terms.tasks_of(lot, job.tasks);
        quantity = quantity.saturating_add(terms.units(tasks).saturating_mul(u64::from(missing)));
    }
    Ok(Some(Booked { class, price: job.limit, quantity, min_fill: 0 }))
}

/// Keeps the class's capacity and work up to date with one provider's.
fn count(step: &mut Step<'_>, order: &mut Order, provider: &Provider) -> Done {
    let capacity = if provider.open { provider.effective().max(provider.busy) } else { provider.busy };
    if (order.class, order.capacity, order.busy) == (provider.class, capacity, provider.busy) {
        return Ok(());
    }
    let height = step.env.height();
    let mut from = Trading::of(step, order.class, 0)?;
    from.accrue(height);
    from.capacity = sane(from.capacity.checked_sub(order.capacity))?;
    from.busy = sane(from.busy.checked_sub(order.busy))?;
    from.store(step, order.class, 0);
    let mut to = Trading::of(step, provider.class, 0)?;
    to.accrue(height);
    // A provider may say what it likes; the sum of all must not overflow.
    let room = u64::MAX.saturating_sub(to.capacity);
    let capacity = capacity.min(room);
    let busy = provider.busy.min(u64::MAX.saturating_sub(to.busy));
    to.capacity = sane(to.capacity.checked_add(capacity))?;
    to.busy = sane(to.busy.checked_add(busy))?;
    to.store(step, provider.class, 0);
    (order.class, order.capacity, order.busy) = (provider.class, capacity, busy);
    Ok(())
}

/// What a provider can take on: what its machines and its collateral have free, the collateral at the
/// highest price the band allows.
fn ask_entry(step: &mut Step<'_>, id: u64, provider: &Provider, account: &Address) -> Done<Option<Booked>> {
    let params = &step.env.params;
    let Some(class) = active(params, provider.class).filter(|class| class.unit == Unit::Gigafuel) else {
        return Ok(None);
    };
    if !provider.open || provider.active_lots >= provider.max_lots {
        return Ok(None);
    }
    if provider.suspended_until > step.env.after(1) {
        schedule::at(step, provider.suspended_until, Due::Order(id));
        return Ok(None);
    }
    let trading = Trading::of(step, class.id, 0)?;
    let rule =
        Rule::new(trading.reference, params.band_bps, Default::default()).map_err(|_| BrokenInvariant::Arithmetic)?;
    let free = provider.free(&step.state, account)?;
    let most = rule.band().high.max(provider.price);
    let covered = math::mul_div_down(free, 10_000, u128::from(params.collateral_bps))
        .and_then(|earned| math::mul_div_down(earned, 1_000, most))
        .map_or(u64::MAX, |units| u64::try_from(units).unwrap_or(u64::MAX));
    let quantity = provider.effective().saturating_sub(provider.busy).min(covered);
    Ok(Some(Booked { class: class.id, price: provider.price, quantity, min_fill: 0 }))
}

/// An order's deadline, or the time to try it again.
pub(crate) fn due(step: &mut Step<'_>, id: u64) -> Done {
    let Some(mut order) = Order::load(&step.state, id)? else { return Ok(()) };
    let height = step.env.height();
    match order.source {
        Source::Limit | Source::Claim(_) if height >= order.expires && order.must_stand(height.saturating_add(1)) => {
            // More was due than a block handles, so its turn comes late: it takes part all the same.
            schedule::at(step, height.saturating_add(1), Due::Order(id));
        }
        Source::Limit | Source::Claim(_) if height >= order.expires => {
            return limits::end(step, id, limits::Reason::Expired);
        }
        Source::Limit | Source::Claim(_) | Source::Ask(_) => {}
        Source::Job(job) => match order.parked {
            Some(_) => unpark(step, id, &mut order),
            // It rested in this class long enough.
            None if order.booked.is_some() => {
                let count = u32::try_from(choices(step, &job)?.len()).unwrap_or(u32::MAX);
                if count > 1 {
                    order.choice = order.choice.saturating_add(1).checked_rem(count).unwrap_or_default();
                }
            }
            None => {}
        },
    }
    order.store(step, id);
    touch(step, id);
    Ok(())
}

/// A job's order that nobody could serve as it is: it tries its next class, and once it has tried all it
/// pauses, so that it cannot hold up others block after block.
pub(crate) fn unserved(step: &mut Step<'_>, id: u64) -> Done {
    let Some(mut order) = Order::load(&step.state, id)? else { return Ok(()) };
    let Source::Job(job) = order.source else { return Ok(()) };
    let count = u32::try_from(choices(step, &job)?.len()).unwrap_or(u32::MAX);
    let next = order.choice.saturating_add(1);
    let height = step.env.height();
    let since = *order.unserved_since.get_or_insert(height);
    if next < count {
        order.choice = next;
    } else {
        order.choice = 0;
        order.parked = Some(since);
        let class = choices(step, &job)?.first().copied().unwrap_or(order.class);
        step.mark(parked_key(class, since, id));
        order.class = class;
        let pause = height.saturating_sub(since).clamp(1, LONGEST_PAUSE);
        schedule::at(step, height.saturating_add(pause), Due::Order(id));
    }
    order.store(step, id);
    touch(step, id);
    Ok(())
}

/// Notes that an order got something.
pub(crate) fn served(step: &mut Step<'_>, id: u64) -> Done {
    if let Some(mut order) = Order::load(&step.state, id)? {
        order.unserved_since = None;
        order.store(step, id);
        touch(step, id);
    }
    Ok(())
}

fn parked_key(class: u32, since: u64, id: u64) -> Vec<u8> {
    keys::key(PARKED, &[&class.to_be_bytes(), &since.to_be_bytes(), &id.to_be_bytes()])
}

fn unpark(step: &mut Step<'_>, id: u64, order: &mut Order) {
    if let Some(since) = order.parked.take() {
        step.state.delete(parked_key(order.class, since, id));
    }
}

/// A provider of `leaf` has more to offer: the orders that paused longest are tried again.
fn wake(step: &mut Step<'_>, leaf: u32) -> Done {
    let params = &step.env.params;
    let Some(leaf) = active(params, leaf) else { return Ok(()) };
    for class in params.classes.iter().filter(|class| class.holds(leaf)) {
        let prefix = keys::key(PARKED, &[&class.id.to_be_bytes()]);
        let woken: Vec<u64> =
            keys_under(&step.state, &prefix).filter_map(|key| keys::order_at_end(&key)).take(WOKEN).collect();
        for id in woken {
            if let Some(mut order) = Order::load(&step.state, id)? {
                unpark(step, id, &mut order);
                order.store(step, id);
                touch(step, id);
            }
        }
    }
    Ok(())
}
