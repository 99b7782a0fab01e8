//! Opening balances from a file: CSV with the columns address,krt or a JSON list in grains.

use std::path::Path;

use assay_types::{GenesisAccount, parse_krt};
use serde::Deserialize;

use crate::{
    config::text,
    failure::{Code, Failure, Outcome},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    address: String,
    krt: String,
}

/// Reads them; what cannot be read is told by its line.
pub(super) fn read(path: &Path) -> Outcome<Vec<GenesisAccount>> {
    let text = text(path)?;
    let refused = |why: String| {
        Failure::new(Code::BadInput, format!("{} holds no balances", path.display()))
            .why(why)
            .next("write a CSV with the columns address,krt or a JSON list of {\"address\", \"balance\"} in grains")
    };
    if path.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(&text).map_err(|e| refused(e.to_string()));
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut accounts = Vec::new();
    for row in reader.deserialize::<Row>() {
        let row = row.map_err(|e| refused(e.to_string()))?;
        // The header is line 1.
        let line = accounts.len() + 2;
        let address =
            row.address.parse().map_err(|_| refused(format!("line {line}: {} is not an address", row.address)))?;
        let balance = parse_krt(&row.krt).map_err(|e| refused(format!("line {line}: {e}")))?;
        accounts.push(GenesisAccount { address, balance });
    }
    Ok(accounts)
}
