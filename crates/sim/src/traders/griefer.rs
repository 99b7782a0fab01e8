//! An account that fills the books with what never trades.

use assay_client::{Host as _, TxRequest};
use assay_types::{abi::IJobs, system};

use super::{Desk, ORDER_CAP};
use crate::scenario::Grief;

/// Grains a GiB far below any band.
const DUST_PRICE: u128 = 1_000;
/// Blocks a dust order rests.
const RESTS: u64 = 15;

/// Seals bids without a job behind them, then keeps as many dust orders open as it may, and tries one more. In
/// the end it takes back half of them and leaves the others to expire.
pub(crate) async fn grief(desk: Desk, plan: Grief) {
    let seals = (0..plan.seals).map(|_| {
        let call = IJobs::sealCall { commitment: desk.host.random().into() };
        desk.send(TxRequest::call(system::JOBS, &call).with_value(plan.locked))
    });
    futures::future::join_all(seals).await;
    loop {
        let open = u32::try_from(desk.open_orders().len()).unwrap_or(u32::MAX);
        let missing = ORDER_CAP.saturating_sub(open);
        if missing > 0 {
            futures::future::join_all((0..=missing).map(|_| desk.bid(DUST_PRICE, 1, RESTS))).await;
        }
        if !desk.goes_on() {
            break;
        }
        desk.pause(800).await;
    }
    let mut half = desk.open_orders();
    half.truncate(half.len() / 2);
    desk.cancel(half).await;
}
