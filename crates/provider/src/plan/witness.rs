//! The plan of a drawn delivery witness.

use std::collections::BTreeSet;

use assay_types::view::WorkItem;

use super::{Action, Situation};

pub(super) fn plan(situation: &Situation<'_>, item: &WorkItem, wanted: &mut BTreeSet<Action>) {
    let Some(delivery) = &item.lot.delivery else { return };
    let drawn = delivery.witnesses.contains(&situation.me);
    let attested = delivery.attested.iter().any(|(witness, _)| *witness == situation.me);
    if drawn && !attested && delivery.due >= situation.height {
        wanted.insert(Action::AttestDelivery(item.job, item.lot.index));
    }
}
