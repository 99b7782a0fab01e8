//! Several upstreams: who is asked first, and who is not asked any more.
//!
//! The rule: an answer that is proven wrong, or does not parse, is a strike. After [`STRIKES`] an
//! upstream is not asked again until the node restarts. One that cannot be reached or does not have
//! what was asked for is only asked after the others. Honest upstreams never earn a strike, since
//! everything they say can be checked without trust.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use assay_types::node::Checkpoint;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::{Upstream, UpstreamError};

/// Wrong answers after which an upstream is not asked again.
pub const STRIKES: u32 = 3;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is proven wrong.
    #[error("its answer is wrong: {0}")]
    Lie(String),
    /// It may be honest, but does not hold what is needed.
    #[error("its answer does not suffice: {0}")]
    Lacks(String),
}

impl Fault {
    pub(crate) fn lie(what: impl fmt::Display) -> Self {
        Self::Lie(what.to_string())
    }

    pub(crate) fn lacks(what: impl fmt::Display) -> Self {
        Self::Lacks(what.to_string())
    }
}

/// No upstream gave an answer that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoUpstream {
    /// Each upstream and what was wrong with it.
    pub reasons: Vec<(String, String)>,
    /// Whether all that could answer have pruned what was asked for.
    pub pruned: bool,
}

impl fmt::Display for NoUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reasons.is_empty() {
            return write!(f, "no upstream is configured: give the JSON-RPC address of a node of this network");
        }
        write!(f, "no upstream gave a usable answer")?;
        for (name, why) in &self.reasons {
            write!(f, "; {name}: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NoUpstream {}

struct Member {
    upstream: Arc<dyn Upstream>,
    strikes: AtomicU32,
    /// Failures in a row; the fewer, the earlier it is asked.
    failures: AtomicU64,
    /// What was wrong with the latest wrong answer.
    wrong: Mutex<String>,
}

/// The upstreams of a node.
pub struct Pool {
    members: Vec<Member>,
    checkpoint: Option<Checkpoint>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.iter().map(|m| (m.upstream.name(), &m.strikes))).finish()
    }
}

impl Pool {
    /// Asks `upstreams` in this order while all are well.
    pub fn new(upstreams: impl IntoIterator<Item = Arc<dyn Upstream>>) -> Arc<Self> {
        Self::trusting(upstreams, None)
    }

    /// As [`Self::new`]; who joins through them believes only in a history whose committee of the checkpoint's epoch is
    /// the checkpoint's.
    pub fn trusting(
        upstreams: impl IntoIterator<Item = Arc<dyn Upstream>>,
        checkpoint: Option<Checkpoint>,
    ) -> Arc<Self> {
        let member = |upstream| Member {
            upstream,
            strikes: AtomicU32::new(0),
            failures: AtomicU64::new(0),
            wrong: Mutex::default(),
        };
        Arc::new(Self { members: upstreams.into_iter().map(member).collect(), checkpoint })
    }

    /// What their history must hold.
    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// What a pool without members says.
    pub(crate) fn nobody(&self) -> NoUpstream {
        self.with_excluded(Failed::default())
    }

    /// What is said where none of them knows an epoch that somebody trusted has seen.
    pub(crate) fn behind(&self, epoch: u64) -> NoUpstream {
        let why = format!("it does not know epoch {epoch}, that of the checkpoint");
        let reasons = self.members.iter().map(|member| (member.upstream.name(), why.clone())).collect();
        NoUpstream { reasons, pruned: false }
    }

    /// Strikes of each upstream, in the order given.
    pub fn strikes(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.strikes.load(Ordering::Relaxed)).collect()
    }

    fn order(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> =
            self.members.iter().filter(|member| member.strikes.load(Ordering::Relaxed) < STRIKES).collect();
        members.sort_by_key(|member| (member.failures.load(Ordering::Relaxed), member.strikes.load(Ordering::Relaxed)));
        members
    }

    /// Asks one after the other until an answer passes `check`.
    pub(crate) async fn ask<'a, A, T>(
        &'a self,
        ask: impl Fn(&'a dyn Upstream) -> BoxFuture<'a, Result<A, UpstreamError>>,
        check: impl Fn(A) -> Result<T, Fault>,
    ) -> Result<T, NoUpstream> {
        let mut failed = Failed::default();
        for member in self.order() {
            match member.question(&ask, &check).await {
                Ok(answer) => return Ok(answer),
                Err(why) => failed.note(member, why),
            }
        }
        Err(self.with_excluded(failed))
    }

    /// Asks all at once and gives every answer that passes `check`, or why there is none.
    pub(crate) async fn ask_all<'a, A, T>(
        &'a self,
        ask: impl Fn(&'a dyn Upstream) -> BoxFuture<'a, Result<A, UpstreamError>>,
        check: impl Fn(A) -> Result<T, Fault>,
    ) -> Result<Vec<T>, NoUpstream> {
        let members = self.order();
        let answers = futures::future::join_all(members.iter().map(|member| member.question(&ask, &check))).await;
        let (mut good, mut failed) = (Vec::new(), Failed::default());
        for (member, answer) in members.into_iter().zip(answers) {
            match answer {
                Ok(answer) => good.push(answer),
                Err(why) => failed.note(member, why),
            }
        }
        if good.is_empty() { Err(self.with_excluded(failed)) } else { Ok(good) }
    }

    fn with_excluded(&self, failed: Failed) -> NoUpstream {
        let Failed { mut reasons, asked, pruned } = failed;
        for member in &self.members {
            let name = member.upstream.name();
            if !reasons.iter().any(|(known, _)| *known == name) {
                let wrong = member.wrong.lock();
                reasons.push((name, format!("not asked any more after {STRIKES} wrong answers, the last: {wrong}")));
            }
        }
        NoUpstream { reasons, pruned: asked > 0 && pruned == asked }
    }
}

#[derive(Default)]
struct Failed {
    reasons: Vec<(String, String)>,
    asked: usize,
    pruned: usize,
}

impl Failed {
    fn note(&mut self, member: &Member, why: Why) {
        // One that cannot be reached says nothing about what is still held elsewhere.
        if !matches!(why, Why::Answered(UpstreamError::Unreachable(_))) {
            self.asked += 1;
        }
        self.pruned += usize::from(matches!(why, Why::Answered(UpstreamError::Pruned(_))));
        self.reasons.push((member.upstream.name(), why.to_string()));
    }
}

enum Why {
    Answered(UpstreamError),
    Unusable(Fault),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(error) => error.fmt(f),
            Self::Unusable(fault) => fault.fmt(f),
        }
    }
}

impl Member {
    async fn question<'a, A, T>(
        &'a self,
        ask: &impl Fn(&'a dyn Upstream) -> BoxFuture<'a, Result<A, UpstreamError>>,
        check: &impl Fn(A) -> Result<T, Fault>,
    ) -> Result<T, Why> {
        let why = match ask(&*self.upstream).await {
            Ok(answer) => match check(answer) {
                Ok(answer) => {
                    self.failures.store(0, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(fault) => Why::Unusable(fault),
            },
            Err(error) => Why::Answered(error),
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        if matches!(why, Why::Unusable(Fault::Lie(_)) | Why::Answered(UpstreamError::Malformed(_))) {
            let strikes = self.strikes.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            tracing::warn!(upstream = self.upstream.name(), strikes, %why, "an upstream gave a wrong answer");
            *self.wrong.lock() = why.to_string();
        } else {
            tracing::debug!(upstream = self.upstream.name(), %why, "an upstream gave no answer");
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use assay_types::{
        B256, Bytes,
        node::{Certificate, Handover},
    };
    use futures::{FutureExt as _, executor::block_on};

    use super::*;
    use crate::upstream::BlockRecord;

    /// Answers each block question with its one word.
    struct Says(&'static str, Result<u8, UpstreamError>);

    impl Upstream for Says {
        fn name(&self) -> String {
            self.0.into()
        }
        fn tip(&self, _: u64) -> BoxFuture<'_, Result<Certificate, UpstreamError>> {
            futures::future::pending().boxed()
        }
        fn blocks(&self, _: u64, _: u64) -> BoxFuture<'_, Result<Vec<BlockRecord>, UpstreamError>> {
            let record = |word| vec![BlockRecord { block: vec![word].into(), certificate: None }];
            futures::future::ready(self.1.clone().map(record)).boxed()
        }
        fn block(&self, _: B256) -> BoxFuture<'_, Result<BlockRecord, UpstreamError>> {
            futures::future::pending().boxed()
        }
        fn state_ops(&self, _: Bytes) -> BoxFuture<'_, Result<Bytes, UpstreamError>> {
            futures::future::pending().boxed()
        }
        fn handovers(&self, _: u64, _: u64) -> BoxFuture<'_, Result<Vec<Handover>, UpstreamError>> {
            futures::future::pending().boxed()
        }
        fn submit(&self, _: Bytes) -> BoxFuture<'_, Result<B256, UpstreamError>> {
            futures::future::pending().boxed()
        }
    }

    fn ask(pool: &Pool) -> Result<u8, NoUpstream> {
        let check = |answer: Vec<BlockRecord>| match answer[0].block[0] {
            1 => Ok(1),
            2 => Err(Fault::lacks("only a two")),
            _ => Err(Fault::lie("not a one")),
        };
        block_on(pool.ask(|upstream| upstream.blocks(0, 1), check))
    }

    fn pool(members: Vec<Says>) -> Arc<Pool> {
        Pool::new(members.into_iter().map(|one| Arc::new(one) as Arc<dyn Upstream>))
    }

    #[test]
    fn a_liar_is_asked_last_and_after_three_strikes_never_again() {
        let pool = pool(vec![Says("liar", Ok(9)), Says("honest", Ok(1))]);
        for _ in 0..5 {
            assert_eq!(ask(&pool), Ok(1));
        }
        assert_eq!(pool.strikes(), [1, 0], "once it has lied the honest one is asked first");
        let alone = super::tests::pool(vec![Says("liar", Ok(9))]);
        for _ in 0..3 {
            assert!(ask(&alone).expect_err("a lie").reasons[0].1.contains("not a one"));
        }
        let refused = ask(&alone).expect_err("nobody is left");
        assert!(refused.reasons[0].1.contains("not asked any more"), "{refused}");
    }

    #[test]
    fn one_that_is_down_or_has_pruned_earns_no_strike() {
        let down = UpstreamError::Unreachable("refused".into());
        let gone = UpstreamError::Pruned("block 1".into());
        let short = pool(vec![Says("short", Ok(2))]);
        for _ in 0..5 {
            assert!(ask(&short).expect_err("not enough").to_string().contains("only a two"));
        }
        assert_eq!(short.strikes(), [0]);
        let pool = pool(vec![Says("down", Err(down)), Says("gone", Err(gone))]);
        for _ in 0..5 {
            let error = ask(&pool).expect_err("no answer");
            assert!(error.pruned, "all that answered have pruned it: {error}");
        }
        assert_eq!(pool.strikes(), [0, 0]);
        assert!(
            ask(&super::tests::pool(Vec::new())).expect_err("none").to_string().contains("no upstream is configured")
        );
    }
}
