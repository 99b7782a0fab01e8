//! The renter's jobs, and what honest machines make of them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy_primitives::keccak256;
use assay_client::{Custodian, CustodianPolicy, JobFolder, JobRequest, JobTerms, Until};
use assay_exec::Cancel;
use assay_provider::{Execute as _, Task};
use assay_store::{Blobs as _, JobKey, transfer::RefusePuts};
use assay_types::{Abi, GRAINS_PER_KRT, JobId, job::AuditTerms};
use bytes::Bytes;
use commonware_runtime::{Spawner as _, Supervisor as _};
use parking_lot::Mutex;

use super::{CHAIN_ID, World};
use crate::names::{RENTER, address};

/// The guest of the jobs.
const PROGRAM: &[u8] = include_bytes!("../../../../jobs/bin/demo.wasm");

/// Input of a task: work that takes a few thousand fuel and differs from task to task.
fn input(job: usize, task: u8) -> alloy_primitives::Bytes {
    format!("spin {}", 1_000 + 100 * job + usize::from(task)).into_bytes().into()
}

/// Every lot, and so many points that no lie slips by in all the seeds there are: outputs are checked at the end.
const THOROUGH: AuditTerms = AuditTerms { chance_bps: 10_000, draws: 40, auditors: 1 };

/// A job under way.
pub(super) struct Submitted {
    pub(super) number: usize,
    pub(super) tasks: u8,
    /// Known once the chain has it.
    pub(super) id: Arc<Mutex<Option<JobId>>>,
    /// Raised when all outputs are here.
    pub(super) done: Arc<AtomicBool>,
    pub(super) dir: PathBuf,
}

impl World {
    /// Submits a job and looks after it until all outputs are here; raises the flag then.
    pub(super) fn submit(&self, number: usize, tasks: u8) -> Submitted {
        let name = RENTER;
        let audited = number.is_multiple_of(3);
        let blobs = self.plane.node(&format!("renter/{number}"), Arc::new(RefusePuts));
        let request = JobRequest {
            program: alloy_primitives::Bytes::from_static(PROGRAM),
            program_sealed: number.is_multiple_of(2),
            inputs: (0..tasks).map(|task| input(number, task)).collect(),
            terms: JobTerms {
                abi: Abi::Component,
                runtime_id: assay_exec::runtime_id().into(),
                class: 1,
                substitutes: Vec::new(),
                fuel_per_task: 50_000_000,
                memory_mib: 16,
                output_bytes: 1_024,
                tasks_per_lot: 2,
                replicas: if audited { 1 } else { 2 },
                audit: audited.then_some(THOROUGH),
                min_reputation: 0,
                max_price_per_gigafuel: 2 * GRAINS_PER_KRT,
                commit_window: 60,
                challenge_window: 12,
                lifetime: 100_000,
            },
        };
        let key =
            JobKey::from_bytes(keccak256([self.scenario.seed.to_be_bytes(), (number as u64).to_be_bytes()].concat()).0);
        let sealed = request.seal(key, &blobs.source()).expect("a job seals");
        let dir = self.dir.join(format!("job-{number}"));
        let folder = JobFolder::create(dir.clone(), &sealed, CHAIN_ID, self.genesis.hash(), address(name));
        let folder = folder.expect("a folder for the job");
        let (chain, host, sender) =
            (self.chain(number), self.host(&format!("renter/{number}")), self.sender(name, number));
        let (id, done) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let (known, finished) = (id.clone(), done.clone());
        self.context.child("renter").spawn(move |_| async move {
            let policy = CustodianPolicy::default();
            let custodian =
                Custodian::new(chain, host.clone(), sender, blobs, folder, policy).await.expect("takes charge");
            loop {
                match custodian.submit().await {
                    Ok(submitted) => {
                        *known.lock() = Some(submitted);
                        break;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "submits later");
                        assay_client::Host::sleep(&*host, Duration::from_millis(200)).await;
                    }
                }
            }
            while let Err(error) = custodian.run(Until::Fetched, |_| {}).await {
                tracing::debug!(%error, "looks after the job again");
                assay_client::Host::sleep(&*host, Duration::from_millis(200)).await;
            }
            finished.store(true, Ordering::Relaxed);
        });
        Submitted { number, tasks, id, done, dir }
    }

    /// What an honest machine makes of a task.
    pub(super) fn honest(&self, job: usize, task: u8) -> Vec<u8> {
        let task = Task {
            program: Bytes::from_static(PROGRAM),
            abi: Abi::Component,
            input: input(job, task).to_vec(),
            fuel: 50_000_000,
            memory_mib: 16,
            output_bytes: 1_024,
        };
        self.engine.execute(&task, &Cancel::default()).expect("runs").execution
    }
}
