//! A provider that does what it was drawn for, and spoils what it offers.

use assay_client::Chain as _;
use assay_provider::register::{self, Registration};
use assay_types::GRAINS_PER_KRT;

use super::Desk;
use crate::scenario::Turncoat;

/// Plays until it is stopped, then offers what it offered before.
pub(crate) async fn turn(desk: Desk, honest: Registration, how: Turncoat) {
    while desk.goes_on() {
        match how {
            Turncoat::Withdraws => withdraw_once_filled(&desk, &honest).await,
            Turncoat::Flips => flip(&desk, &honest).await,
        }
    }
    while register::ensure(&*desk.chain, &desk.sender, &honest).await.is_err() {
        desk.pause(300).await;
    }
}

async fn withdraw_once_filled(desk: &Desk, honest: &Registration) {
    desk.pause(100).await;
    let Ok(Some(found)) = desk.chain.provider(desk.sender.address()).await else { return };
    let open = found.active_lots == 0;
    if open != found.open {
        register::update(&desk.sender, &Registration { open, ..honest.clone() }).await.ok();
    }
}

/// Cheapest of all in one block, beyond the band in the next.
async fn flip(desk: &Desk, honest: &Registration) {
    for price_per_gigafuel in [9 * GRAINS_PER_KRT / 10, 10 * GRAINS_PER_KRT] {
        let registered = desk.chain.provider(desk.sender.address()).await;
        if matches!(registered, Ok(Some(_))) {
            register::update(&desk.sender, &Registration { price_per_gigafuel, ..honest.clone() }).await.ok();
        } else {
            desk.pause(100).await;
        }
    }
}
