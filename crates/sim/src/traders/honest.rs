//! Honest owners of bandwidth, near the reference.

use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolEvent as _;
use assay_client::{BlockStream, Chain as _, TxRequest};
use assay_types::{abi::IMarket, system};
use futures::{FutureExt as _, StreamExt as _};

use super::{BUYER, Desk, SELLERS};
use crate::names::wallet;

/// Thousandths of a GiB that a seller offers a round.
const OFFERED: u64 = 100;

/// The sellers offer a little below the reference and the buyer takes all a little above; what was delivered is
/// signed for.
pub(crate) async fn trade(buyer: Desk, sellers: [Desk; 3]) {
    futures::future::join_all(sellers.iter().zip(SELLERS).map(|(desk, name)| desk.register(name, name))).await;
    let Ok(mut blocks) = buyer.chain.subscribe_blocks().await else { return };
    while buyer.goes_on() {
        let reference = buyer.book().await.reference;
        let offers = sellers.iter().map(|seller| seller.offer(reference * 97 / 100, OFFERED, 10));
        let all = OFFERED * sellers.len() as u64;
        futures::join!(futures::future::join_all(offers), buyer.bid(reference * 105 / 100, all, 10));
        buyer.pause(300).await;
        serve(&buyer, &sellers, &mut blocks).await;
    }
    for desk in sellers.iter().chain([&buyer]) {
        desk.cancel(desk.open_orders()).await;
    }
    serve(&buyer, &sellers, &mut blocks).await;
}

/// Delivers what was sold to the buyer since the last time: it signs, the seller is paid.
async fn serve(buyer: &Desk, sellers: &[Desk; 3], blocks: &mut BlockStream) {
    let key = PrivateKeySigner::from_bytes(&wallet(BUYER).key()).expect("a wallet's key");
    let mut served = Vec::new();
    while let Some(Some(block)) = blocks.next().now_or_never() {
        let logs = block.logs().filter(|log| log.address == system::MARKET);
        for sold in logs.filter_map(|log| IMarket::Allotted::decode_log_data(&log.data).ok()) {
            let seller = sellers.iter().find(|desk| desk.sender.address() == sold.seller);
            let Some(seller) = seller.filter(|_| sold.buyer == buyer.sender.address()) else { continue };
            let hash = assay_ledger::served_hash(buyer.sender.chain_id(), sold.id, sold.quantity);
            let signature = key.sign_hash_sync(&hash).expect("a key signs").as_bytes().to_vec().into();
            let call = IMarket::serveCall { allotment: sold.id, served: sold.quantity, signature };
            served.push(seller.send(TxRequest::call(system::MARKET, &call)));
        }
    }
    futures::future::join_all(served).await;
}
