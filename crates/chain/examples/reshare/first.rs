//! The first key: one ceremony by the packaged engine, which brings a chain of its own.

use std::time::Duration;

use assay_chain::committee::PublicKey;
use commonware_consensus::types::Epoch;
use commonware_cryptography::{
    Signer as _,
    bls12381::{
        dkg::feldman_desmedt::Reveal,
        primitives::{
            sharing::{Mode, ModeVersion},
            variant::MinPk,
        },
    },
};
use commonware_glue::dkg::{SecretStore as _, bootstrap, types::EpochInfo};
use commonware_p2p::simulated::Oracle;
use commonware_parallel::Sequential;
use commonware_runtime::{Supervisor as _, buffer::paged::CacheRef, deterministic::Context};
use commonware_utils::{NZDuration, NZU16, NZU64, NZUsize, sequence::Unit};

use crate::{
    block::Info,
    node::{self, Everybody, NAMESPACE, Seats},
    secrets::Secrets,
};

/// The first ceremony, by the packaged engine on a chain of its own. Gives who holds the key and the shares.
pub(crate) async fn first_key(context: &Context, oracle: &Oracle<PublicKey, Context>, seats: &Seats) -> Info {
    let mut waiting = Vec::new();
    for index in seats.of(0) {
        let signer = seats.members[index].network.clone();
        let context = context.child("first").with_attribute("index", index);
        let links = node::channels(oracle, signer.public_key(), 100, 6).await;
        let mut links = links.into_iter();
        let mut link = || links.next().expect("a link a channel");
        let (votes, certificates, missing, backfill, broadcast, dealings) =
            (link(), link(), link(), link(), link(), link());
        let config = bootstrap::Config {
            signer: signer.clone(),
            manager: Everybody(oracle.manager()),
            blocker: oracle.control(signer.public_key()),
            secret_store: Secrets::open(context.child("secrets"), format!("first-{index}-secrets")).await,
            strategy: Sequential,
            namespace: NAMESPACE,
            sharing_mode: Mode::NonZeroCounter,
            reveal: Reveal::V1,
            max_supported_mode: ModeVersion::v0(),
            partition_prefix: format!("first-{index}"),
            page_cache: CacheRef::new(NZU16!(1_024), NZUsize!(64)),
            write_buffer: NZUsize!(4_096),
            replay_buffer: NZUsize!(4_096),
            mailbox_size: NZUsize!(128),
            fetch_timeout: NZDuration!(Duration::from_secs(2)),
            fetch_retry_delay: Duration::from_millis(100),
            items_per_section: NZU64!(64),
            participants: seats.set(0),
            directory: Unit,
            blocks_per_epoch: seats.epoch_blocks,
        };
        let engine = bootstrap::Engine::<_, MinPk, _, _, _, _, Unit>::new(context, config);
        waiting.push(engine.start(votes, certificates, missing, backfill, broadcast, dealings));
    }
    let mut info: Option<Info> = None;
    for (_, done) in &mut waiting {
        let completion = done.await.expect("the first ceremony ends");
        let dealt = completion.info.expect("the first ceremony succeeds");
        assert_eq!(info.get_or_insert_with(|| dealt.clone()), &dealt, "members agree on the key");
    }
    for (handle, _) in waiting {
        handle.abort();
        // Its disk is free when it has ended; that it was stopped is all it can say.
        handle.await.ok();
    }
    let dealt = info.expect("a key");
    // The engine knows of no next round: who receives in the first is the application's to say.
    EpochInfo { players: seats.receivers(0), next_players: seats.receivers(1), ..dealt }
}

/// Copies a member's share of the first ceremony to where resharing looks for it.
pub(crate) async fn bring(context: &Context, index: usize) {
    let context = context.child("bring").with_attribute("index", index);
    let mut from = Secrets::open(context.child("from"), format!("first-{index}-secrets")).await;
    if let Some(share) = from.get_share(Epoch::zero()).await {
        let mut to = Secrets::open(context.child("to"), format!("member-{index}-secrets")).await;
        to.put_share(Epoch::zero(), share).await;
    }
}
