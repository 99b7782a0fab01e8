//! The auction of a block: every book that could trade, once.

use std::collections::BTreeSet;

use assay_market::{Book, Floating, Leaf, Order, Side, Sorted, clear_regions};
use assay_types::class::{Class, Unit, is_leaf};

use super::{
    active,
    book::{LedgerBook, rule},
    compute, limits,
    trading::Trading,
};
use crate::{
    claims::selling,
    keys::{self, WINDOW_BOOK},
    reject::{BrokenInvariant, Done},
    step::{Step, keys_under},
};

/// Orders that may trade in several leaves and are placed in one block, the most generous ones of each inner class.
const MOST_FLOATING: usize = 256;

/// Clears all books.
pub(crate) fn run(step: &mut Step<'_>) -> Done {
    if crate::state::StateRead::get(&step.state, &keys::fresh()).is_some() {
        step.state.delete(keys::fresh());
    }
    let env = step.env;
    let classes = &env.params.classes;
    let mut done = BTreeSet::new();
    for class in classes.iter().filter(|class| !class.retired) {
        if done.contains(&class.id) {
            continue;
        }
        let family: Vec<&Class> = classes.iter().filter(|other| !other.retired && other.is_kin(class)).collect();
        done.extend(family.iter().map(|class| class.id));
        clear_family(step, classes, &family)?;
    }
    clear_windows(step)
}

/// The books of claims in which orders rest on both sides.
fn clear_windows(step: &mut Step<'_>) -> Done {
    for key in keys_under(&step.state, &[WINDOW_BOOK]).collect::<Vec<_>>() {
        let (class, window) = keys::book_at_end(&key).ok_or(BrokenInvariant::Corrupt(WINDOW_BOOK))?;
        if active(&step.env.params, class).is_some() {
            selling::clear(step, class, window)?;
        }
    }
    Ok(())
}

fn clear_family(step: &mut Step<'_>, classes: &[Class], family: &[&Class]) -> Done {
    let (leaves, inner): (Vec<&Class>, Vec<&Class>) = family.iter().partition(|class| is_leaf(classes, class));
    let placed = place_floating(step, &leaves, &inner)?;
    for (leaf, extra) in leaves.iter().zip(placed) {
        let book = LedgerBook { view: &step.state, class: leaf.id, window: 0 };
        if !book.has(Side::Ask) || (extra.is_empty() && !book.has(Side::Bid)) {
            continue;
        }
        let extra = Sorted::new(extra).map_err(|_| BrokenInvariant::Corrupt(keys::BOOK))?;
        match leaf.unit {
            Unit::Gigafuel => compute::clear_class(step, leaf, &extra)?,
            Unit::Gib | Unit::ClassSecond => limits::clear_book(step, leaf.id, 0, &extra)?,
        }
    }
    Ok(())
}

/// Places the orders of inner classes in leaves under them, as things stand in all of those together.
fn place_floating(step: &Step<'_>, leaves: &[&Class], inner: &[&Class]) -> Done<Vec<Vec<Order>>> {
    let mut placed: Vec<Vec<Order>> = leaves.iter().map(|_| Vec::new()).collect();
    let floating: Vec<Floating> = inner
        .iter()
        .flat_map(|class| {
            let book = LedgerBook { view: &step.state, class: class.id, window: 0 };
            let bids: Vec<Order> = book.best_first(Side::Bid).take(MOST_FLOATING).collect();
            bids.into_iter().map(|order| Floating { order, region: class.region.clone() })
        })
        .collect();
    if floating.is_empty() {
        return Ok(placed);
    }
    let mut books = Vec::new();
    for leaf in leaves {
        let trading = Trading::of(step, leaf.id, 0)?;
        let book = LedgerBook { view: &step.state, class: leaf.id, window: 0 };
        books.push((leaf, book, rule(step, &trading, step.env.ctx.beacon)?));
    }
    let regions: Vec<Leaf<'_, LedgerBook<'_>>> =
        books.iter().map(|(leaf, book, rule)| Leaf { path: &leaf.region, book, rule: *rule }).collect();
    let regional = clear_regions(&regions, &floating).map_err(|_| BrokenInvariant::Corrupt(keys::BOOK))?;
    for one in floating {
        if let Some(at) = regional.placed.get(&one.order.id)
            && let Some(orders) = placed.get_mut(*at)
        {
            orders.push(one.order);
        }
    }
    Ok(placed)
}
