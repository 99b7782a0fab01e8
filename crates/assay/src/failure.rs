//! What a user sees when something does not work: what happened, why, what to do next, and a code
//! that scripts may rely on.
//!
//! Errors of lower crates are turned into a [`Failure`] where the context is known; nothing is ever
//! shown as a Debug dump. Exit codes are stable and listed in `assay help` and below.

mod convert;

use std::fmt;

use serde::Serialize;

/// Shown at the end of `assay --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a fault of this program; please report it
  2    the command line is wrong
  3    an input is wrong: a file, a row of it, an amount, a key
  4    a node or provider does not answer
  5    the network refused the transaction
  6    the job ended without a complete result
  7    verification failed: the result must not be trusted
  8    this machine is in the way: port taken, state directory in use or foreign, disk full
  9    it took longer than allowed
  10   the network upgraded: a newer version of this program is needed
  11   the state on disk is damaged: `assay node reset` and read it from peers again
  12   `assay doctor` found something that FAILs
  130  interrupted with Ctrl-C";

/// The class of a failure: a stable name and the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// A fault of this program.
    Internal,
    /// Input that cannot be used.
    BadInput,
    /// A configuration file that cannot be used.
    BadConfig,
    /// No key, or not the right password.
    NoKey,
    /// A node or provider is not reachable.
    Unreachable,
    /// The chain refused a transaction.
    Refused,
    /// Nothing is known by this name.
    NotFound,
    /// A job ended short of a complete result.
    JobFailed,
    /// A proof, signature or hash does not hold.
    VerificationFailed,
    /// A port is taken.
    PortInUse,
    /// A state directory is used by another process.
    DirectoryInUse,
    /// A state directory of another chain or version.
    ForeignDirectory,
    /// No space left.
    DiskFull,
    /// The file system failed otherwise.
    Io,
    /// Out of time.
    Timeout,
    /// The network runs a protocol version this program does not know.
    UpgradeNeeded,
    /// The state on disk is damaged.
    Corrupt,
    /// Doctor found a failure.
    Unwell,
    /// Ctrl-C.
    Interrupted,
}

impl Code {
    /// Stable name, never reused.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::BadInput => "bad-input",
            Self::BadConfig => "bad-config",
            Self::NoKey => "no-key",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::NotFound => "not-found",
            Self::JobFailed => "job-failed",
            Self::VerificationFailed => "verification-failed",
            Self::PortInUse => "port-in-use",
            Self::DirectoryInUse => "directory-in-use",
            Self::ForeignDirectory => "foreign-directory",
            Self::DiskFull => "disk-full",
            Self::Io => "io",
            Self::Timeout => "timeout",
            Self::UpgradeNeeded => "upgrade-needed",
            Self::Corrupt => "corrupt-state",
            Self::Unwell => "unwell",
            Self::Interrupted => "interrupted",
        }
    }

    /// Exit code of the process, as in [`EXIT_CODES`].
    pub(crate) fn exit(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::BadInput | Self::BadConfig | Self::NoKey | Self::NotFound => 3,
            Self::Unreachable => 4,
            Self::Refused => 5,
            Self::JobFailed => 6,
            Self::VerificationFailed => 7,
            Self::PortInUse | Self::DirectoryInUse | Self::ForeignDirectory | Self::DiskFull | Self::Io => 8,
            Self::Timeout => 9,
            Self::UpgradeNeeded => 10,
            Self::Corrupt => 11,
            Self::Unwell => 12,
            Self::Interrupted => 130,
        }
    }
}

/// A failure as its user sees it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Its class.
    pub(crate) code: Code,
    /// What happened, one sentence.
    pub(crate) what: String,
    /// Why, if known: the chain of causes, outermost first.
    pub(crate) why: Vec<String>,
    /// What to do next.
    pub(crate) next: Option<String>,
    /// Whether its document is out already, as part of a larger one.
    pub(crate) told: bool,
}

/// Result of everything a command does.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure of class `code`.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), why: Vec::new(), next: None, told: false }
    }

    /// Adds a cause.
    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        self.why.push(why.to_string());
        self
    }

    /// Adds an error and everything that caused it.
    pub(crate) fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their source in their own text.
            if !self.why.last().is_some_and(|said| said.contains(&text)) {
                self.why.push(text);
            }
            cause = error.source();
        }
        self
    }

    /// Its JSON document is out already.
    pub(crate) fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// Says what to do.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// An I/O error while doing `what`; a full disk gets its own code and advice.
    pub(crate) fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        let what = what.into();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::new(Code::DiskFull, what)
                .because(error)
                .next("free some space and start again: nothing already final is lost"),
            std::io::ErrorKind::NotFound => Self::new(Code::BadInput, what).because(error).next("check the path"),
            _ => Self::new(Code::Io, what).because(error),
        }
    }

    /// The failure as one JSON value.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        #[derive(Serialize)]
        struct Shape<'a> {
            code: &'a str,
            exit: u8,
            what: &'a str,
            why: &'a [String],
            next: Option<&'a str>,
        }
        let shape = Shape {
            code: self.code.name(),
            exit: self.code.exit(),
            what: &self.what,
            why: &self.why,
            next: self.next.as_deref(),
        };
        serde_json::json!({ "error": shape })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code.name(), self.what)?;
        for why in &self.why {
            write!(f, "\n   why: {why}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let text = Failure::io("could not write the receipt", &full).to_string();
        insta::assert_snapshot!(text, @r"
        error[disk-full]: could not write the receipt
           why: no storage space
          next: free some space and start again: nothing already final is lost
        ");
    }

    #[test]
    fn every_exit_code_is_in_the_table_of_the_help() {
        use Code::*;
        let all = [
            Internal,
            BadInput,
            BadConfig,
            NoKey,
            Unreachable,
            Refused,
            NotFound,
            JobFailed,
            VerificationFailed,
            PortInUse,
            DirectoryInUse,
            ForeignDirectory,
            DiskFull,
            Io,
            Timeout,
            Corrupt,
            Unwell,
            Interrupted,
        ];
        let mut names = std::collections::BTreeSet::new();
        for code in all {
            assert!(EXIT_CODES.contains(&format!("\n  {} ", code.exit())), "{code:?}");
            assert!(names.insert(code.name()), "{code:?} shares its name");
        }
    }
}
