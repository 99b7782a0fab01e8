//! A file of consensus parameters for a new network, in place of the defaults.

use std::path::{Path, PathBuf};

use assay_types::{B256, ChangesError, Genesis, GenesisError, ParamChanges, Params, Unit, class::is_leaf};

use super::roster::{self, COLLATERAL};
use crate::failure::{Code, Failure, Outcome};

/// Class in which the providers of an embedded network sell.
const SOLD: u32 = 1;

/// A file of parameters, read.
#[derive(Debug, Clone)]
pub(crate) struct ParamsFile {
    path: PathBuf,
    changes: ParamChanges,
}

impl ParamsFile {
    /// Reads it; names and values are checked against a network's.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text =
            std::fs::read_to_string(path).map_err(|e| Failure::io(format!("could not read {}", path.display()), &e))?;
        let changes = ParamChanges::from_json(&text).map_err(|e| refused(path, &e))?;
        Ok(Self { path: path.to_owned(), changes })
    }

    /// `params` with what the file says.
    pub(crate) fn apply(&self, params: &Params) -> Outcome<Params> {
        self.changes.apply(params).map_err(|e| refused(&self.path, &e))
    }

    fn unusable(&self, why: String, next: &str) -> Failure {
        Failure::new(Code::BadInput, format!("{} cannot be used", self.path.display())).why(why).next(next)
    }

    /// What the providers of such a network rely on.
    fn check_fit(&self, params: &Params) -> Outcome<()> {
        let runtime = B256::from(assay_exec::runtime_id());
        if !params.runtimes.contains(&runtime) {
            let why = format!("runtimes lacks {runtime}, the only one this program runs");
            return Err(self.unusable(why, "leave runtimes out, or add that one"));
        }
        let sold = params.classes.iter().find(|class| class.id == SOLD);
        if !sold.is_some_and(|one| one.unit == Unit::Gigafuel && !one.retired && is_leaf(&params.classes, one)) {
            let why = format!("classes has no open class {SOLD} of gigafuel with a book, in which the providers sell");
            return Err(self.unusable(why, "keep that class, or leave classes out"));
        }
        if params.min_collateral > COLLATERAL {
            let why = format!("min_collateral is above the {COLLATERAL} grains the providers register with");
            return Err(self.unusable(why, "lower it"));
        }
        Ok(())
    }
}

/// Parameters of a new network with so many providers.
pub(crate) fn of_new(file: Option<&ParamsFile>, providers: u32) -> Outcome<Params> {
    let defaults = roster::params(providers);
    let Some(file) = file else { return Ok(defaults) };
    let params = file.changes.apply(&defaults).map_err(|e| refused(&file.path, &e))?;
    file.check_fit(&params)?;
    Ok(params)
}

/// A network keeps the parameters it began with: a file that says otherwise is refused.
pub(crate) fn match_existing(file: Option<&ParamsFile>, genesis: &Genesis, dir: &Path) -> Outcome<()> {
    let Some(file) = file else { return Ok(()) };
    let others: Vec<&str> = file.changes.differing(&genesis.params).collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Code::ForeignDirectory, format!("{} holds a network of other parameters", dir.display()))
        .why(format!("{} says otherwise about {}", file.path.display(), others.join(", ")))
        .next("leave --params out to go on with it, choose another directory with --dir, or start over with --fresh"))
}

fn refused(path: &Path, error: &ChangesError) -> Failure {
    let next = match error {
        ChangesError::Malformed(_) => "write it as {\"claim_window_blocks\": 200}".to_owned(),
        ChangesError::Twice(_) => "leave one of them out".to_owned(),
        ChangesError::Unknown(_) => "`assay chain params --output json` has all names".to_owned(),
        ChangesError::Value { .. } => "write it as `assay chain params --output json` does".to_owned(),
        ChangesError::Bounds(GenesisError::Param(name)) => stands_at(name),
        // These are of a network that runs.
        ChangesError::Fixed(_) | ChangesError::OwnKind(_) | ChangesError::Nothing | ChangesError::Bounds(_) => {
            "leave it out".to_owned()
        }
    };
    Failure::new(Code::BadInput, format!("{} cannot be used", path.display())).because(error).next(next)
}

/// Bounds depend on other parameters, so the default is what helps.
fn stands_at(name: &str) -> String {
    let defaults = serde_json::to_value(roster::params(1)).unwrap_or_default();
    match defaults.get(name).filter(|value| !value.is_array()) {
        Some(default) => format!("its default is {default}: come nearer to it, or change what it depends on as well"),
        None => "compare it with `assay chain params --output json`".to_owned(),
    }
}
