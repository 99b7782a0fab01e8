//! `assay job submit`.

mod redemption;

use std::{collections::BTreeMap, path::Path, time::Duration};

use assay_client::{JobRequest, JobTerms, Progress as JobProgress, Until, receipt::Disclose};
use assay_exec::{Engine, EngineConfig, bundle};
use assay_types::{
    Abi, B256, Bytes, ClaimId, GIGAFUEL, Grains,
    job::audit_runs,
    parse_krt,
    view::{IssuanceView, ProviderView},
};
use jsonrpsee::rpc_params;
use serde_json::json;

use super::{line_of, renter, save, show};
use crate::{
    cli::{AbiArg, SubmitArgs},
    commands::{claims, connect, market},
    failure::{Code, Failure, Outcome},
    network::write_file,
    pricing::read,
    renter::{How, Renter, ended_well},
    terminal::Terminal,
    words::{basis_points, krt},
};

/// Submits a job and stays with it as long as asked.
pub(super) async fn run(args: SubmitArgs, terminal: &Terminal) -> Outcome<()> {
    let (program, inputs, abi) = load(&args)?;
    let renter = renter(&args.client).await?;
    let classes = market::live::all(&args.client).await?;
    let class = market::live::pick(&classes, args.class.as_deref())?;
    let chosen = |name: &String| market::live::pick(&classes, Some(name.as_str())).map(|class| class.class.id);
    let substitutes: Vec<u32> = args.substitute.iter().map(chosen).collect::<Outcome<_>>()?;
    let tier = args.tier();
    terminal.note(tier.who_sees());
    let price = match &args.max_price {
        Some(text) => {
            let price =
                parse_krt(text).map_err(|e| Failure::new(Code::BadInput, "--max-price cannot be read").because(&e))?;
            warn_if_too_low(price, &trusted(&renter, &args).await?, tier.replicas(), terminal);
            price
        }
        // What the market may come to is set by the band; what it will cost, by the auction.
        None => {
            operators_suffice(&trusted(&renter, &args).await?, &args, terminal)?;
            class.band.high
        }
    };
    let price = within_budget(&args, price, inputs.len())?;
    let claim = args.claim.as_deref().map(claims::id).transpose()?;
    let how = How { sealed: args.sealed, claim };
    let mut terms = JobTerms {
        abi,
        runtime_id: B256::from(assay_exec::runtime_id()),
        class: class.class.id,
        substitutes,
        fuel_per_task: args.fuel.saturating_mul(GIGAFUEL),
        memory_mib: args.memory,
        output_bytes: args.output_bytes,
        tasks_per_lot: args.tasks_per_lot,
        replicas: tier.replicas(),
        audit: tier.audit(),
        min_reputation: args.min_reputation,
        max_price_per_gigafuel: price,
        commit_window: 2_000,
        challenge_window: 4,
        lifetime: 50_000,
    };
    if let Some(claim) = claim.and_then(ClaimId::from_u256) {
        redemption::fit(&mut terms, inputs.len(), &issuance(&args, claim).await?, &**renter.chain()).await?;
    }
    let price = terms.max_price_per_gigafuel;
    let inputs = inputs.into_iter().map(Bytes::from).collect();
    let request = JobRequest { program: program.into(), program_sealed: true, inputs, terms };
    let stem = args.program.file_stem().map_or_else(|| "job".to_owned(), |s| s.to_string_lossy().into_owned());
    let tag: [u8; 4] = rand::random();
    let dir = args.client.jobs_dir.join(format!("{stem}-{}", hex::encode(tag)));
    let bar = terminal.spinner("job");
    bar.say("submitting");
    terminal.note(format!("kept in {0}; should this be cut off, `assay job resume {0}` goes on", dir.display()));
    let (custodian, id) = renter.submit_as(&request, &dir, how).await?;
    terminal.note(format!("job {id}"));
    let until = if args.wait { Until::Fetched } else { Until::HandedOver };
    let say = |progress: &JobProgress| {
        bar.say(progress.trouble.clone().unwrap_or_else(|| line_of(&progress.job)));
    };
    let waited = tokio::time::timeout(Duration::from_secs(args.timeout), custodian.run(until, say)).await;
    drop(bar);
    let progress = match waited {
        Ok(progress) => progress?,
        Err(_) => {
            return Err(Failure::new(Code::Timeout, format!("the job did not finish within {} s", args.timeout))
                .next(format!("it goes on: follow it with `assay job watch {id}`")));
        }
    };
    let view = progress.job;
    if !args.wait {
        terminal.document(&json!({ "job_id": id, "dir": dir, "max_price_grains": price.to_string() }));
        terminal.line(format!(
            "{id}\nhanded over at up to {} KRT a gigafuel; see it through with `assay job watch {id}`",
            krt(price)
        ));
        renter.stop().await;
        return Ok(());
    }
    let ended = ended_well(&view);
    let finished = async {
        let files = custodian.with_folder(|folder| save(folder, &dir.join("results")))?;
        let text = renter.receipt(&custodian, &view, Disclose::Everything).await?;
        let receipt = dir.join("receipt.json");
        write_file(&receipt, text.as_bytes(), 0o600)?;
        let genesis = dir.join("genesis.json");
        write_file(&genesis, renter.genesis().to_json().as_bytes(), 0o644)?;
        Ok::<_, Failure>((files, receipt))
    }
    .await;
    renter.stop().await;
    ended?;
    let (files, receipt) = finished?;
    if terminal.json() {
        terminal.document(&json!({
            "job_id": id, "dir": dir, "receipt": receipt, "files": files, "job": view, "verified": true,
            "cost_grains": view.paid.to_string(), "fuel_total": view.fuel,
        }));
    } else {
        show(&view, terminal);
        terminal.line(format!("results in {}\nreceipt {}", dir.join("results").display(), receipt.display()));
    }
    Ok(())
}

/// Program, encoded inputs and ABI; a program that nobody could run is refused before it costs money.
fn load(args: &SubmitArgs) -> Outcome<(Vec<u8>, Vec<Vec<u8>>, Abi)> {
    let program = read(&args.program)?;
    let abi = match args.abi {
        Some(AbiArg::Component) => Abi::Component,
        Some(AbiArg::Wasi) => Abi::WasiCommand,
        // The fifth to eighth byte of a component differ from a module's.
        None if program.get(4..8) == Some(&[0x0d, 0, 1, 0]) => Abi::Component,
        None => Abi::WasiCommand,
    };
    let name = args.program.display();
    let engine = Engine::new(EngineConfig::default())
        .map_err(|e| Failure::new(Code::Io, "this machine cannot run the jobs' runtime").because(&e))?;
    engine.load(&program, abi).map_err(|e| {
        Failure::new(Code::BadInput, format!("{name} is not a program that providers can run"))
            .because(&e)
            .next("build it as a component, or for wasm32-wasip1 and give --abi wasi")
    })?;
    if abi == Abi::Component && !args.arg.is_empty() {
        return Err(Failure::new(Code::BadInput, "a component takes no arguments").next("leave out --arg"));
    }
    let inputs = args.input.iter().map(|path| input(path, abi, &args.arg)).collect::<Outcome<_>>()?;
    Ok((program, inputs, abi))
}

/// A task's input: a component's bytes, or a command's arguments and standard input.
fn input(path: &Path, abi: Abi, arguments: &[String]) -> Outcome<Vec<u8>> {
    let bytes = read(path)?;
    if abi == Abi::Component {
        return Ok(bytes);
    }
    let input = bundle::Input { args: arguments.to_vec(), stdin: bytes, files: BTreeMap::new() };
    input
        .encode()
        .map_err(|e| Failure::new(Code::BadInput, format!("{} cannot be a task's input", path.display())).because(&e))
}

/// Providers with the reputation that the job asks for.
async fn trusted(renter: &Renter, args: &SubmitArgs) -> Outcome<Vec<ProviderView>> {
    let mut providers = renter.chain().providers().await?;
    providers.retain(|provider| provider.reputation.score >= args.min_reputation);
    Ok(providers)
}

/// Says so when nobody would take the job at this price: it would wait for a provider to come.
fn warn_if_too_low(price: Grains, providers: &[ProviderView], replicas: u8, terminal: &Terminal) {
    let mut asks: Vec<Grains> = providers.iter().filter(|p| p.open).map(|p| p.price_per_gigafuel).collect();
    asks.sort_unstable();
    let enough = usize::from(replicas).checked_sub(1).and_then(|last| asks.get(last).copied());
    match enough {
        Some(least) if least <= price => {}
        Some(least) => terminal.note(format!(
            "at {} KRT a gigafuel too few providers take it, at {} enough would: the job waits",
            krt(price),
            krt(least)
        )),
        None => terminal.note(format!("{} providers offer work and the job wants {replicas}: it waits", asks.len())),
    }
}

/// What is issued under a claim.
async fn issuance(args: &SubmitArgs, claim: ClaimId) -> Outcome<IssuanceView> {
    let issued: Vec<IssuanceView> = connect::ask(&args.client.rpc, "assay_issuances", rpc_params![claim.class]).await?;
    let found = issued.into_iter().find(|one| one.claim == claim);
    found.ok_or_else(|| {
        Failure::new(Code::NotFound, "nothing is issued under that claim").next("see `assay claims issued`")
    })
}

/// Refuses a job that wants more operators than offer work.
fn operators_suffice(providers: &[ProviderView], args: &SubmitArgs, terminal: &Terminal) -> Outcome<()> {
    let tier = args.tier();
    let replicas = tier.replicas();
    let open = providers.iter().filter(|p| p.open);
    let operators: std::collections::BTreeSet<_> = open.map(|p| p.operator).collect();
    if operators.len() < usize::from(replicas) {
        return Err(Failure::new(Code::JobFailed, "nobody would run this job")
            .why(format!(
                "it wants {replicas} providers of different operators{}, and {} offer work",
                match args.min_reputation {
                    0 => String::new(),
                    least => format!(" with a reputation of {} at least", basis_points(least)),
                },
                operators.len()
            ))
            .next("choose another --tier or --min-reputation, or look at `assay chain providers`"));
    }
    if tier.audit().is_some() && operators.len() < 2 {
        terminal.note("nobody could audit it but the validators: one operator offers work");
    }
    Ok(())
}

/// Runs of a task that the job may have to pay for.
fn most_runs(args: &SubmitArgs, tasks: usize) -> u128 {
    let (tier, per_lot) = (args.tier(), args.tasks_per_lot.max(1));
    let tasks = u128::try_from(tasks).unwrap_or(u128::MAX);
    let audits = |tasks: u128| {
        let tasks = u32::try_from(tasks).unwrap_or(u32::MAX);
        tier.audit().map_or(0, |terms| audit_runs(terms.auditors, terms.draws, tasks))
    };
    let (whole, rest) = (tasks / u128::from(per_lot), tasks % u128::from(per_lot));
    let audited = audits(u128::from(per_lot)).saturating_mul(whole).saturating_add(audits(rest));
    tasks.saturating_mul(u128::from(tier.replicas())).saturating_add(audited)
}

/// The limit at which the job's worst case does not exceed the budget.
fn within_budget(args: &SubmitArgs, price: Grains, tasks: usize) -> Outcome<Grains> {
    let Some(text) = &args.budget else { return Ok(price) };
    let budget = parse_krt(text).map_err(|e| Failure::new(Code::BadInput, "--budget cannot be read").because(&e))?;
    let runs = most_runs(args, tasks).max(1);
    // Escrow is rounded up a run; so is what is subtracted here.
    let a_run = budget / runs;
    let limit = a_run.checked_div(u128::from(args.fuel.max(1))).unwrap_or(0);
    if limit == 0 {
        return Err(Failure::new(Code::BadInput, "the budget does not cover the job at any price")
            .next("raise --budget, or lower --fuel"));
    }
    Ok(price.min(limit))
}
