//! Answering capacity challenges: lanes are filled where the host may block, all at once.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use assay_client::{TxRequest, host::blocking};
use assay_proof::capacity::{Draw, Lane, MAX_LANES, Shape, Task, open, root_of};
use assay_types::{abi::ICapacity, system, view::ChallengeView};
use futures::future::try_join_all;

use super::{Agent, AgentError, Outcome};
use crate::misbehaviour::Misbehaviour;

impl Agent {
    /// Asks the chain whether this account is challenged. A network says once and for all whether it ever is.
    pub(super) async fn look_up_challenge(&self) {
        if self.parts.sealing.is_none() {
            return;
        }
        let known = self.state.lock().challenged_here;
        let rounds = match known {
            Some(rounds) => rounds,
            None => match self.parts.chain.params().await {
                Ok(params) => params.capacity_round_blocks > 0,
                Err(error) => return self.note_trouble(&error),
            },
        };
        self.state.lock().challenged_here = Some(rounds);
        if !rounds {
            return;
        }
        match self.parts.chain.provider(self.address()).await {
            Ok(found) => self.state.lock().challenge = found.and_then(|provider| provider.challenge),
            Err(error) => self.note_trouble(&error),
        }
    }

    fn challenge(&self, round: u64) -> Result<(ChallengeView, Task), AgentError> {
        let challenge = self.state.lock().challenge.clone().filter(|challenge| challenge.round == round);
        let challenge = challenge.ok_or(AgentError::Missing("the challenge"))?;
        let shape =
            Shape::new(challenge.lane_kib, challenge.passes).ok_or(AgentError::Missing("a usable challenge"))?;
        let (chain_id, provider) = (self.parts.sender.chain_id(), self.address());
        let task = Task { shape, chain_id, round, beacon: challenge.beacon, provider };
        Ok((challenge, task))
    }

    /// Lanes this machine fills: one a core.
    fn own_lanes(&self) -> u32 {
        u32::try_from(self.parts.capacity.cores).unwrap_or(MAX_LANES).clamp(1, MAX_LANES)
    }

    /// Fills lanes at the same time, keeping what each must open.
    async fn fill(&self, task: Task, lanes: Vec<(u32, Vec<u32>)>) -> Result<BTreeMap<u32, Lane>, AgentError> {
        let filled = lanes.into_iter().map(|(lane, keep)| {
            let cancel = self.cancel.clone();
            async move {
                let fill = move || Lane::fill(task.shape, task.lane_seed(lane), &keep, || cancel.is_cancelled());
                let filled = blocking(&*self.parts.host, fill).await.flatten();
                filled.map(|filled| (lane, filled)).ok_or(AgentError::Missing("the machine"))
            }
        });
        Ok(try_join_all(filled).await?.into_iter().collect())
    }

    pub(super) async fn answer_challenge(&self, round: u64) -> Result<Outcome, AgentError> {
        let (_, task) = self.challenge(round)?;
        let lanes = (0..self.own_lanes()).map(|lane| (lane, Vec::new())).collect();
        let filled = self.fill(task, lanes).await?;
        let roots = self.all_roots(&task, filled.values().map(Lane::root).collect());
        let answer = ICapacity::answerCall { round, lanes: lanes_of(&roots), root: root_of(&roots) };
        self.state.lock().lane_roots = Some((round, roots));
        self.parts.sender.send(TxRequest::call(system::CAPACITY, &answer)).await?;
        Ok(Outcome::Done)
    }

    /// With those of lanes that a cheat never filled.
    fn all_roots(&self, task: &Task, mut roots: Vec<B256>) -> Vec<B256> {
        if let Some(Misbehaviour::ClaimLanes { times }) = self.parts.misbehaviour {
            let claimed = self.own_lanes().saturating_mul(times).min(MAX_LANES);
            roots.extend((lanes_of(&roots)..claimed).map(|lane| task.lane_seed(lane)));
        }
        roots
    }

    /// Fills the drawn lanes again and opens them; all lanes where an earlier life of this agent posted the root.
    pub(super) async fn open_answer(&self, round: u64) -> Result<Outcome, AgentError> {
        let (challenge, task) = self.challenge(round)?;
        let (lanes, root) = challenge.answer.ok_or(AgentError::Missing("the answer"))?;
        let drawn = challenge.drawn.ok_or(AgentError::Missing("the draw"))?;
        let draws = task.draws(root, lanes, drawn, challenge.draws);
        let keep =
            |lane| draws.iter().filter(|draw| draw.lane == lane).map(|draw: &Draw| draw.step).collect::<Vec<_>>();
        let known = self.state.lock().lane_roots.clone().filter(|(of, _)| *of == round).map(|(_, roots)| roots);
        let needed = (0..lanes).map(|lane| (lane, keep(lane))).filter(|(_, keep)| known.is_none() || !keep.is_empty());
        let filled = self.fill(task, needed.collect()).await?;
        let roots = known.unwrap_or_else(|| filled.values().map(Lane::root).collect());
        let opening = open(&task, &roots, &draws, |lane| filled.get(&lane)).ok_or(AgentError::Missing("a lane"))?;
        let call = ICapacity::openCall { round, opening: opening.into() };
        self.parts.sender.send(TxRequest::call(system::CAPACITY, &call)).await?;
        tracing::info!(provider = %self.address(), round, lanes, "proved its capacity");
        Ok(Outcome::Done)
    }
}

fn lanes_of(roots: &[B256]) -> u32 {
    u32::try_from(roots.len()).unwrap_or(u32::MAX)
}
