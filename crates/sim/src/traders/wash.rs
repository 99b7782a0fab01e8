//! An owner that trades with itself, so that its price becomes the index.

use super::{Desk, WASH_OWNER, WASHERS};
use crate::scenario::Wash;

/// Its accounts take turns to sell to one another at the edge of the band.
pub(crate) async fn wash(desks: [Desk; 2], plan: Wash) {
    futures::future::join_all(desks.iter().zip(WASHERS).map(|(desk, name)| desk.register(WASH_OWNER, name))).await;
    let [mut seller, mut buyer] = desks;
    while seller.goes_on() {
        let band = seller.book().await.band;
        let price = if plan.up { band.high } else { band.low };
        futures::join!(seller.offer(price, plan.quantity, 6), buyer.bid(price, plan.quantity, 6));
        std::mem::swap(&mut seller, &mut buyer);
        seller.pause(200).await;
    }
    for desk in [seller, buyer] {
        desk.cancel(desk.open_orders()).await;
    }
}
