//! Operations of the state log from upstreams, each answer checked against the certified root.

use std::{sync::Arc, time::Duration};

use commonware_codec::{Decode as _, Encode as _, RangeCfg};
use commonware_cryptography::{Sha256, sha256::Digest};
use commonware_runtime::Clock;
use commonware_storage::{
    mmr,
    qmdb::{
        self,
        any::ordered::variable::Operation,
        sync::source::{self, Request, Response, Source},
    },
};

use crate::{
    light::MAX_VALUE_BYTES,
    upstream::{Fault, NoUpstream, Pool},
};

/// An operation of the state log.
pub(crate) type Op = Operation<mmr::Family, Digest, Vec<u8>>;
type Answer = Response<mmr::Family, Op, Digest>;

/// Pauses between attempts when no upstream answers; after the last the sync stops.
const PAUSES_MS: [u64; 6] = [250, 500, 1_000, 2_000, 4_000, 8_000];

/// Pulls the operations of one state.
pub(crate) struct Puller<E> {
    pub(crate) pool: Arc<Pool>,
    pub(crate) root: Digest,
    pub(crate) clock: Arc<E>,
}

/// How an operation is read: values are bounded.
pub(crate) fn op_config() -> ((), (RangeCfg<usize>, ())) {
    ((), (RangeCfg::from(0..=MAX_VALUE_BYTES), ()))
}

/// Reads an answer and checks that it answers `request` under `root`.
pub(crate) fn check(request: &Request<mmr::Family>, root: &Digest, bytes: &[u8]) -> Result<Answer, Fault> {
    let max_ops = usize::try_from(request.max_ops().get()).unwrap_or(usize::MAX);
    let answer = Answer::decode_cfg(bytes.to_vec(), &(max_ops, op_config()))
        .map_err(|error| Fault::lie(format!("state operations are malformed: {error}")))?;
    if answer.proof().leaves != request.size() {
        return Err(Fault::lie("the proof of state operations is for another size of the log"));
    }
    let hasher = qmdb::hasher::<Sha256>();
    let holds = match (request, &answer) {
        (Request::Operations { start, .. }, Response::Operations { proof, operations }) => {
            let elements: Vec<_> = operations.iter().map(|operation| operation.encode()).collect();
            !elements.is_empty() && proof.verify_range_inclusion(&hasher, &elements, *start, root)
        }
        (Request::Boundary { start, .. }, Response::Boundary { proof, op, pinned_nodes }) => {
            proof.verify_proof_and_pinned_nodes(&hasher, &[op.encode()], *start, pinned_nodes, root)
        }
        _ => false,
    };
    if holds { Ok(answer) } else { Err(Fault::lie("state operations do not lead to the certified root")) }
}

impl<E: Clock> Source for Puller<E> {
    type Family = mmr::Family;
    type Digest = Digest;
    type Op = Op;
    type Error = NoUpstream;

    async fn serve(&self, request: Request<Self::Family>) -> source::Result<Self> {
        let bytes: assay_types::Bytes = request.encode().to_vec().into();
        let mut pauses = PAUSES_MS.iter();
        loop {
            let asked = self
                .pool
                .ask(|upstream| upstream.state_ops(bytes.clone()), |answer| check(&request, &self.root, &answer));
            match asked.await {
                Ok(answer) => return Ok((answer, None)),
                Err(none) if none.pruned => return Err(none),
                Err(none) => match pauses.next() {
                    Some(pause) => self.clock.sleep(Duration::from_millis(*pause)).await,
                    None => return Err(none),
                },
            }
        }
    }
}
