//! `assay genesis`: a genesis built from what its validators sent in, and checked.

mod accounts;
mod defects;

use std::path::{Path, PathBuf};

use assay_types::{B256, Genesis, GenesisValidator, Params, format_krt, parse_krt};
use serde_json::json;

use crate::{
    cli::{BuildArgs, GenesisCommand},
    config::text,
    failure::{Code, Failure, Outcome},
    network::{ParamsFile, write_file},
    terminal::{Grid, Terminal, Tone},
    vitals::now_ms,
};
use defects::{Defect, find, remarks, supply};

/// Runs it.
pub(crate) fn run(command: &GenesisCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        GenesisCommand::Build(args) => build(args, terminal),
        GenesisCommand::Check { file } => check(file, terminal),
    }
}

fn build(args: &BuildArgs, terminal: &Terminal) -> Outcome<()> {
    if args.out.exists() {
        return Err(Failure::new(Code::BadInput, format!("{} is there already", args.out.display()))
            .why("a genesis that nodes may already run on is not overwritten")
            .next("choose another file with --out, or move that one away"));
    }
    let mut defects = Vec::new();
    let mut validators = Vec::new();
    for path in &args.validators {
        match validator(path) {
            Ok(entry) => validators.push(entry),
            Err(defect) => defects.push(defect),
        }
    }
    let accounts = match args.accounts.as_deref().map(accounts::read).transpose() {
        Ok(accounts) => accounts.unwrap_or_default(),
        Err(failure) => {
            defects.push(Defect::of(&failure));
            Vec::new()
        }
    };
    let mut params = Params { runtimes: vec![B256::from(assay_exec::runtime_id())], ..Params::default() };
    if let Some(path) = &args.params {
        match ParamsFile::read(path).and_then(|file| file.apply(&params)) {
            Ok(changed) => params = changed,
            Err(failure) => defects.push(Defect::of(&failure)),
        }
    }
    let treasury = parse_krt(&args.treasury).unwrap_or_else(|error| {
        defects.push(Defect::new(format!("--treasury: {error}"), "write KRT as 1000 or 1.5"));
        0
    });
    let timestamp_ms = args.timestamp_ms.unwrap_or_else(now_ms);
    let genesis = Genesis { chain_id: args.chain_id, timestamp_ms, accounts, validators, treasury, params };
    // Entries that could not be read are no reason to call their seats missing.
    let unread = defects.len();
    defects.extend(find(&genesis).into_iter().filter(|defect| unread == 0 || !defect.is_no_validators()));
    if !defects.is_empty() {
        return Err(refused("the genesis cannot be built", &defects, terminal));
    }
    write_file(&args.out, genesis.to_json().as_bytes(), 0o644)?;
    say(&genesis, &args.out, terminal);
    Ok(())
}

fn validator(path: &Path) -> Result<GenesisValidator, Defect> {
    let text = text(path).map_err(|failure| Defect::of(&failure))?;
    serde_json::from_str(&text).map_err(|error| {
        Defect::new(
            format!("{} is no validator's entry: {error}", path.display()),
            "ask its operator for the validator-entry.json that `assay init` made",
        )
    })
}

fn check(file: &Path, terminal: &Terminal) -> Outcome<()> {
    let genesis: Genesis = serde_json::from_str(&text(file)?).map_err(|error| {
        Failure::new(Code::BadInput, format!("{} is not a genesis file", file.display()))
            .because(&error)
            .next("make one with `assay genesis build`, or get it anew from who gave it to you")
    })?;
    let defects = find(&genesis);
    if !defects.is_empty() {
        return Err(refused(&format!("{} has {} defects", file.display(), defects.len()), &defects, terminal));
    }
    say(&genesis, file, terminal);
    Ok(())
}

/// All defects at once, each with its cure.
fn refused(what: &str, defects: &[Defect], terminal: &Terminal) -> Failure {
    if !terminal.json() {
        let mut grid = Grid::new(["defect", "cure"]).text(&[1]);
        for defect in defects {
            grid.toned([(defect.what.clone(), Tone::Bad), (defect.cure.clone(), Tone::Plain)]);
        }
        terminal.table(&grid);
    }
    let said = |failure: Failure, defect: &Defect| failure.why(format!("{}: {}", defect.what, defect.cure));
    let failure = Failure::new(Code::BadInput, what);
    defects.iter().fold(failure, said).next("mend them and run it again: all that is wrong is listed")
}

fn say(genesis: &Genesis, file: &Path, terminal: &Terminal) {
    let supply = supply(genesis).unwrap_or_default();
    let remarks = remarks(genesis);
    let file: PathBuf = file.to_owned();
    terminal.document(&json!({
        "file": file,
        "hash": genesis.hash(),
        "chain_id": genesis.chain_id,
        "timestamp_ms": genesis.timestamp_ms,
        "seats": genesis.validators.len(),
        "accounts": genesis.accounts.len(),
        "supply_grains": supply.to_string(),
        "remarks": remarks,
    }));
    let mut grid = Grid::new(["seat", "account", "stake, KRT", "address"]).text(&[1, 3]);
    for (index, validator) in genesis.validators.iter().enumerate() {
        let number = (index + 1).to_string();
        grid.row([number, validator.account.to_string(), format_krt(validator.stake), validator.address.clone()]);
    }
    terminal.table(&grid);
    let line = |name: &str, value: String| terminal.line(format!("  {name:<9} {value}"));
    line("file", file.display().to_string());
    line("hash", genesis.hash().to_string());
    line("chain id", genesis.chain_id.to_string());
    line("seats", genesis.validators.len().to_string());
    line("supply", format!("{} KRT in {} accounts, stakes and treasury", format_krt(supply), genesis.accounts.len()));
    for remark in remarks {
        terminal.line(terminal.paint(Tone::Warn, &format!("note: {remark}")));
    }
    terminal.line("Nodes with another hash are on another network: compare it with the others' before you start.");
}
