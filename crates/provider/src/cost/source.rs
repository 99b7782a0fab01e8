//! Where the price of energy comes from.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde::{Deserialize, Serialize};

use crate::http;

/// Longest answer read.
const MOST_BYTES: usize = 64 << 10;
/// Longest time a URL or command has.
const PATIENCE: Duration = Duration::from_secs(10);

/// The price of a kWh: a number, or where to read one. What is read is a number alone, or JSON in which
/// `field` names it (`prices.0.value`); it is read anew at each reckoning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PriceSource {
    /// Always this.
    Fixed(f64),
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// Where in its JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Behind a URL, by HTTP GET.
    Url {
        /// Which.
        url: String,
        /// Where in its JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// On the standard output of a command, which is not a shell's.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// Where in its JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
}

/// Why a price could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file.
    #[error("the price of energy could not be read from {}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The URL.
    #[error("the price of energy could not be fetched from {url}: {why}")]
    Url {
        /// Which.
        url: String,
        /// What happened.
        why: String,
    },
    /// The command.
    #[error("the command {program} gave no price of energy: {why}")]
    Command {
        /// Which.
        program: String,
        /// What happened.
        why: String,
    },
    /// What was read is no price.
    #[error("'{found}' is no price of energy{}", .field.as_ref().map_or_else(String::new, |field| format!(" (field {field})")))]
    NoPrice {
        /// Its beginning.
        found: String,
        /// The field looked for.
        field: Option<String>,
    },
}

impl PriceSource {
    pub(super) fn is_sensible(&self) -> bool {
        match self {
            Self::Fixed(price) => price.is_finite() && *price >= 0.0,
            Self::File { path, .. } => !path.as_os_str().is_empty(),
            Self::Url { url, .. } => url.starts_with("http://") || url.starts_with("https://"),
            Self::Command { argv, .. } => argv.first().is_some_and(|program| !program.is_empty()),
        }
    }

    /// The price now.
    pub async fn read(&self) -> Result<f64, SourceError> {
        let (text, field) = match self {
            Self::Fixed(price) => return Ok(*price),
            Self::File { path, field } => (file(path).await?, field),
            Self::Url { url, field } => (fetch(url).await?, field),
            Self::Command { argv, field } => (run(argv).await?, field),
        };
        parse(&text, field.as_deref())
    }
}

/// A price in a text: the number alone, or the one that `field` names in its JSON.
pub(super) fn parse(text: &str, field: Option<&str>) -> Result<f64, SourceError> {
    let no_price =
        || SourceError::NoPrice { found: text.trim().chars().take(60).collect(), field: field.map(str::to_owned) };
    let found = match field {
        None => text.trim().parse().ok(),
        Some(field) => {
            let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
            let pointer = format!("/{}", field.replace('.', "/"));
            let value = value.as_ref().and_then(|value| value.pointer(&pointer));
            value.and_then(|value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()))
        }
    };
    // Prices below zero happen on power exchanges; no ask is made of one.
    found.filter(|price: &f64| price.is_finite() && *price >= 0.0).ok_or_else(no_price)
}

async fn file(path: &PathBuf) -> Result<String, SourceError> {
    let failed = |source| SourceError::File { path: path.clone(), source };
    let bytes = tokio::fs::read(path).await.map_err(failed)?;
    let cut = bytes.get(..MOST_BYTES.min(bytes.len())).unwrap_or_default();
    Ok(String::from_utf8_lossy(cut).into_owned())
}

async fn fetch(url: &str) -> Result<String, SourceError> {
    let failed = |why: String| SourceError::Url { url: url.to_owned(), why };
    let client = http::client(|client| client.timeout(PATIENCE)).map_err(|e| failed(e.to_string()))?;
    let mut answer = client.get(url).send().await.map_err(|e| failed(e.to_string()))?;
    if !answer.status().is_success() {
        return Err(failed(format!("it answered {}", answer.status())));
    }
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|e| failed(e.to_string()))? {
        bytes.extend_from_slice(&part);
        if bytes.len() > MOST_BYTES {
            return Err(failed(format!("it answered more than {MOST_BYTES} bytes")));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn run(argv: &[String]) -> Result<String, SourceError> {
    let program = argv.first().cloned().unwrap_or_default();
    let failed = |why: String| SourceError::Command { program: program.clone(), why };
    let mut command = tokio::process::Command::new(&program);
    command.args(argv.iter().skip(1)).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| failed(format!("it took longer than {} s", PATIENCE.as_secs())))?;
    let output = output.map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().next_back().unwrap_or_default().chars().take(200).collect::<String>();
        return Err(failed(format!("{}: {line}", output.status)));
    }
    let cut = output.stdout.get(..MOST_BYTES.min(output.stdout.len())).unwrap_or_default();
    Ok(String::from_utf8_lossy(cut).into_owned())
}
