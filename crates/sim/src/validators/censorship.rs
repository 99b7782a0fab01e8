//! How long fewer than a third of the seats can keep a transaction out, be it a transfer or a job.
//!
//! In an epoch leaders take turns in one permutation of the seats. So among the blocks of an epoch that are
//! proposed while every honest validator holds the transaction, one that refuses leads at most once before an
//! honest one does: with f who refuse it is in one of the next f + 1 blocks. The next epoch has a permutation of
//! its own, and those who refuse may be the last of one and the first of the other: across a turn it is one of
//! the next 2 f + 1.

use assay_types::B256;

use super::{
    World, genesis,
    scenario::{EPOCH_BLOCKS, FAULTY},
};

/// Blocks within which a transaction is final, those proposed once all honest validators have it.
const BOUND: u64 = FAULTY as u64 + 1;
/// The same where an epoch ends meanwhile.
const BOUND_ACROSS: u64 = 2 * FAULTY as u64 + 1;

/// A transaction that some refuse.
struct Followed {
    hash: B256,
    /// Whether it submits a job.
    job: bool,
    /// Since when all honest validators have it, simulated milliseconds.
    since: Option<u64>,
}

/// The transactions that some refuse.
#[derive(Default)]
pub(super) struct Censorship {
    /// In the order of their nonces.
    followed: Vec<Followed>,
    sent: u64,
    /// Transactions held to the bound.
    pub(super) bounded: u64,
    /// Those of them that submit a job.
    pub(super) bounded_jobs: u64,
    /// The most blocks that one of them took in an epoch, and across a turn.
    pub(super) worst: [u64; 2],
}

impl Censorship {
    pub(super) fn follow(&mut self, hash: B256, job: bool) {
        self.followed.push(Followed { hash, job, since: None });
        self.sent += 1;
    }

    /// Transfers and jobs come in turns.
    pub(super) fn next_is_a_job(&self) -> bool {
        self.sent % 2 == 1
    }

    /// A validator went or came, with other transactions than it had: who has what is not known any more.
    pub(super) fn disturb(&mut self) {
        self.followed.iter_mut().for_each(|one| one.since = None);
    }
}

impl World {
    /// Notes which transactions all honest validators have, and holds those that are final to the bound.
    pub(super) fn check_censorship(&mut self) {
        let now = self.now_ms();
        let calm = self.active.is_empty();
        let nodes: Vec<_> = self.honest().map(|(_, node)| node.clone()).collect();
        let followed = std::mem::take(&mut self.censorship.followed);
        let (done, mut left): (Vec<_>, Vec<_>) =
            followed.into_iter().partition(|one| self.load.finals.contains_key(&one.hash));
        // A later nonce has to wait for the earlier ones, wherever they are.
        let held = |hash: &B256| calm && nodes.iter().all(|node| node.mempool().contains(hash));
        for one in left.iter_mut().take_while(|one| held(&one.hash)) {
            one.since.get_or_insert(now);
        }
        self.censorship.followed = left;
        for one in done {
            if let (Some(since), Some(height)) = (one.since, self.load.finals.get(&one.hash).copied()) {
                self.hold_to_the_bound(&one, height, since);
            }
        }
    }

    fn hold_to_the_bound(&mut self, one: &Followed, height: u64, since: u64) {
        let hash = one.hash;
        let blocks: Vec<_> = self.agreed.range(..=height).map(|(_, block)| block).collect();
        let since = blocks.iter().position(|block| block.timestamp_ms > since);
        let Some(blocks) = since.and_then(|from| blocks.get(from..)) else { return };
        let Some((last, earlier)) = blocks.split_last() else { return };
        // Who is slow leaves out what it has not heard of yet, so it counts among those who refuse.
        let faulty = |account| self.scenario.byzantine.iter().any(|one| genesis::account(one.validator) == account);
        for block in earlier {
            let (at, leader) = (block.height, block.proposer);
            assert!(faulty(leader), "{leader} is honest, had {hash}, and left it out of block {at}");
        }
        let first = earlier.first().unwrap_or(last);
        let across = first.height / EPOCH_BLOCKS != last.height / EPOCH_BLOCKS;
        let (count, bound) = (blocks.len() as u64, if across { BOUND_ACROSS } else { BOUND });
        assert!(count <= bound, "{hash} took {count} blocks, up to {height}: more than {bound}");
        self.censorship.bounded += 1;
        self.censorship.bounded_jobs += u64::from(one.job);
        let worst = &mut self.censorship.worst[usize::from(across)];
        *worst = (*worst).max(count);
    }
}
