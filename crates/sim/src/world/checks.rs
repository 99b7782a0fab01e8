//! What must hold whatever goes wrong: while the network runs, and when all is over.

use assay_chain::Node;
use assay_client::JobFolder;
use assay_ledger::{books, query};
use assay_types::JobOutcome;
use commonware_runtime::Clock as _;

use super::{LIAR, MORTAL, RESTARTED, Report, TICK, World, jobs::Submitted};
use crate::{
    names::{address, provider_name},
    scenario::{PROVIDERS, TURNCOAT, VALIDATORS},
};

impl World {
    /// One chain, one state root a height, every grain accounted for; hands new blocks to readers.
    pub(super) fn check(&mut self) {
        let nodes: Vec<(usize, Node)> =
            self.handles.lock().iter().cloned().enumerate().filter_map(|(at, node)| Some((at, node?))).collect();
        for (at, node) in &nodes {
            let Some((tip, state)) = node.tip_state() else { continue };
            let seen = *self.agreed.entry(tip.height).or_insert((tip.hash, tip.state_root));
            assert_eq!(seen, (tip.hash, tip.state_root), "validator {at} has another block at {}", tip.height);
            let books = books(&state).expect("the books can be read");
            assert!(books.balance(), "the books of validator {at} do not balance at {}: {books:?}", tip.height);
        }
        loop {
            let next = self.published + 1;
            let Some(block) = nodes.iter().find_map(|(_, node)| node.recent_block(next)) else { return };
            let seen = *self.agreed.entry(next).or_insert((block.hash, block.state_root));
            assert_eq!(seen, (block.hash, block.state_root), "two blocks at {next}");
            self.history.lock().file(&block);
            self.market.note(&block);
            self.published = next;
            // Nobody listening is fine.
            self.blocks.send(block).ok();
        }
    }

    /// All validators reach one height with one state root.
    pub(super) async fn settle(&mut self) {
        let target = self.best().and_then(|node| node.tip()).map_or(0, |tip| tip.height) + 3;
        for _ in 0..600 {
            self.check();
            let heights: Vec<u64> =
                self.handles.lock().iter().flatten().filter_map(|node| node.tip()).map(|tip| tip.height).collect();
            if heights.len() == VALIDATORS && heights.iter().all(|height| *height >= target) {
                return;
            }
            self.context.sleep(TICK).await;
        }
        panic!("the validators did not all reach height {target}: {:?}", self.scenario);
    }

    pub(super) fn report(&self, jobs: &[Submitted]) -> Report {
        let (tip, state) = self.best().and_then(|node| node.tip_state()).expect("a network with a tip");
        let mut redone = 0;
        for Submitted { number, tasks, id, dir, .. } in jobs {
            let id = id.lock().expect("submitted");
            let job = query::job(&state, id).expect("known");
            assert_eq!(job.outcome, Some(JobOutcome::Completed), "job {number}: {:?} {:?}", job.cause, self.scenario);
            assert_eq!(job.escrow, 0, "escrow is left in job {number}");
            redone += job.lots.iter().map(|lot| lot.attempts).sum::<u32>();
            let folder = JobFolder::open(dir.clone()).expect("the job's folder");
            for task in 0..*tasks {
                let got = folder.output(u32::from(task)).expect("readable").expect("is there");
                let honest = self.honest(*number, task);
                assert_eq!(got.execution, honest, "job {number} task {task} of seed {}", self.scenario.seed);
            }
        }
        for at in (0..PROVIDERS).filter(|at| *at != LIAR && *at != MORTAL && *at != RESTARTED && *at != TURNCOAT) {
            let provider = query::provider(&state, address(&provider_name(at))).expect("registered");
            assert_eq!(provider.slashed, 0, "honest provider {at} was slashed: {:?}", self.scenario);
        }
        let liar = query::provider(&state, address(&provider_name(LIAR))).map_or(0, |liar| liar.slashed);
        let books = books(&state).expect("the books can be read");
        assert!(books.balance() && books.escrow == 0, "money is left behind what is over: {books:?}");
        let market = self.market.close(&state);
        Report {
            scenario: self.scenario.clone(),
            height: tip.height,
            state_root: tip.state_root,
            jobs: jobs.len(),
            lots_redone: redone,
            slashed: liar.to_string(),
            market,
            replay: self.context.auditor().state(),
        }
    }
}
