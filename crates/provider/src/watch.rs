//! What a validator does on chain beside judging: it shows that it is there, and reports who voted twice.
//!
//! A seat that leads no block in a window of time and gives no other sign of life is jailed, and an honest
//! slow one can have bad luck with its turns: so a heartbeat goes out a few times a window, whatever else
//! happens. Evidence comes from the node this agent talks to, which saw the votes; the ledger checks it
//! again, pays whoever reports first, and refuses the rest.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use assay_client::{Chain, ChainError, Host, TxError, TxRequest, TxSender};
use assay_types::{Address, abi::IStaking, system};

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(15);
/// Heartbeats a window.
const BEATS: u64 = 3;

/// Runs until its task is dropped. Failures are tried again at the next look.
pub async fn watch(chain: Arc<dyn Chain>, host: Arc<dyn Host>, sender: TxSender) {
    let mut watch = Watch { chain, sender, beat_at: None, reported: BTreeSet::new() };
    loop {
        if let Err(error) = watch.look().await {
            tracing::debug!(target: "provider", %error, "the node cannot be asked about validators");
        }
        host.sleep(EVERY).await;
    }
}

/// One validator's watch.
struct Watch {
    chain: Arc<dyn Chain>,
    sender: TxSender,
    /// Chain time of the last heartbeat, milliseconds since the Unix epoch.
    beat_at: Option<u64>,
    reported: BTreeSet<Address>,
}

impl Watch {
    async fn look(&mut self) -> Result<(), ChainError> {
        let Some(me) = self.chain.validator(self.sender.address()).await? else { return Ok(()) };
        if me.seated {
            self.beat().await?;
        }
        for evidence in self.chain.evidence().await? {
            let guilty = self.chain.validator(evidence.account).await?;
            let open = guilty.is_some_and(|validator| !validator.tombstoned);
            if !open || evidence.account == self.sender.address() || !self.reported.insert(evidence.account) {
                continue;
            }
            let call = IStaking::reportEquivocationCall { evidence: evidence.proof };
            match self.sender.send(TxRequest::call(system::STAKING, &call)).await {
                Ok(_) => tracing::info!(target: "provider", account = %evidence.account, epoch = evidence.epoch,
                    view = evidence.view, "reported a validator that voted twice"),
                // Refused for good: others were first, or the ledger no longer knows that epoch.
                Err(TxError::Failed { .. }) => {}
                Err(error) => {
                    self.reported.remove(&evidence.account);
                    tracing::warn!(target: "provider", %error, "evidence could not be sent");
                }
            }
        }
        Ok(())
    }

    async fn beat(&mut self) -> Result<(), ChainError> {
        let now = self.chain.status().await?.timestamp_ms;
        let every = self.chain.params().await?.downtime_window_ms / BEATS;
        if self.beat_at.is_some_and(|at| now < at.saturating_add(every)) {
            return Ok(());
        }
        match self.sender.send(TxRequest::call(system::STAKING, &IStaking::heartbeatCall {})).await {
            Ok(_) => self.beat_at = Some(now),
            Err(error) => tracing::debug!(target: "provider", %error, "no heartbeat was sent"),
        }
        Ok(())
    }
}
