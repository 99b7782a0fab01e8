//! Logs: lines for people or for programs, under names of subjects that stay.
//!
//! A line's target is one of [`SUBJECTS`], whatever module it comes from, so that a filter or an alert
//! written today holds when code moves. Module paths (`assay_chain::rpc=debug`) work in filters too.
//!
//! ```text
//! text  2026-03-02T10:00:00.123456Z  INFO node: up rpc=127.0.0.1:8545 height=7
//! json  {"time":"…","level":"INFO","target":"node","message":"up","rpc":"127.0.0.1:8545","height":7}
//! ```

use std::fmt;

use assay_chain::panics;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber, field::Field};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

use crate::{
    cli::LogFormat,
    failure::{Code, Failure, Outcome},
    nearest::nearest,
};

/// Each subject and the modules that speak under its name. The longest match wins.
pub(crate) const SUBJECTS: [(&str, &[&str]); 14] = [
    ("node", &["assay_chain"]),
    ("consensus", &["assay_chain::consensus", "assay_chain::host", "commonware_consensus", "commonware_glue"]),
    ("network", &["commonware_p2p", "commonware_stream", "commonware_resolver", "commonware_broadcast"]),
    ("storage", &["commonware_storage", "commonware_runtime"]),
    ("mempool", &["assay_chain::mempool"]),
    ("rpc", &["assay_chain::rpc", "jsonrpsee"]),
    ("index", &["assay_chain::index", "assay_indexer"]),
    ("ledger", &["assay_ledger"]),
    ("market", &["assay_market"]),
    ("provider", &["assay_provider"]),
    ("exec", &["assay_exec", "wasmtime"]),
    ("store", &["assay_store", "iroh"]),
    ("gateway", &[]),
    ("devnet", &[]),
];

/// The module that logs panics of a node's tasks. Those that somebody awaits are told by who does.
const TELLS_PANICS: &str = "commonware_runtime::utils::handle";

/// Logs to standard error what `filter` asks for.
pub(crate) fn start(filter: &str, format: LogFormat) -> Outcome<()> {
    let refused = |why: String, next: String| {
        Failure::new(Code::BadInput, format!("'{filter}' is no log filter")).why(why).next(next)
    };
    let usual = || "write --log as `info` or `consensus=debug,warn`".to_owned();
    let expanded =
        expand(filter).map_err(|name| match nearest(&name, SUBJECTS.iter().map(|(subject, _)| *subject)) {
            Some(known) => refused(format!("nothing logs as {name}"), format!("did you mean {known}?")),
            None => refused(format!("nothing logs as {name}"), usual()),
        })?;
    let parsed = EnvFilter::try_new(expanded).map_err(|e| refused(e.to_string(), usual()))?;
    let lines = Lines { json: format == LogFormat::Json };
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(colour)
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .event_format(lines)
        .finish();
    // It fails only where one is set already, which nothing here does twice.
    tracing::subscriber::set_global_default(subscriber).ok();
    let trace = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panics::awaited() { tracing::debug!(target: "node", %panic, "awaited") } else { trace(panic) }
    }));
    Ok(())
}

/// A filter in which subjects stand for their modules; the name of one that is nearly a subject.
fn expand(filter: &str) -> Result<String, String> {
    // Spans and fields may hold commas: those who write them name modules.
    if filter.contains('[') {
        return Ok(filter.to_owned());
    }
    let mut directives = Vec::new();
    for directive in filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        let (name, level) = directive.split_once('=').map_or((directive, None), |(name, level)| (name, Some(level)));
        match SUBJECTS.iter().find(|(subject, _)| *subject == name) {
            Some((subject, modules)) => {
                let level = level.unwrap_or("trace");
                directives.push(format!("{subject}={level}"));
                directives.extend(modules.iter().map(|module| format!("{module}={level}")));
            }
            None => {
                let is_level = level.is_none() && name.parse::<tracing::level_filters::LevelFilter>().is_ok();
                let subjects = SUBJECTS.iter().map(|(subject, _)| *subject);
                if !is_level && !name.contains(['_', ':']) && nearest(name, subjects).is_some() {
                    return Err(name.to_owned());
                }
                directives.push(directive.to_owned());
            }
        }
    }
    Ok(directives.join(","))
}

/// The subject of a module.
fn subject(module: &str) -> &str {
    let within = |prefix: &str| {
        module
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('_'))
    };
    let matches = SUBJECTS.iter().flat_map(|(subject, modules)| modules.iter().map(move |module| (*subject, *module)));
    let best = matches.filter(|(_, prefix)| within(prefix)).max_by_key(|(_, prefix)| prefix.len());
    best.map_or(module, |(subject, _)| subject)
}

/// Writes one line an event.
struct Lines {
    json: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if panics::awaited() && event.metadata().target().starts_with(TELLS_PANICS) {
            return Ok(());
        }
        let (level, target) = (event.metadata().level(), subject(event.metadata().target()));
        if self.json {
            let mut time = String::new();
            SystemTime.format_time(&mut Writer::new(&mut time))?;
            let mut fields = Fields(Map::new());
            for (name, value) in [("time", time), ("level", level.to_string()), ("target", target.to_owned())] {
                fields.0.insert(name.to_owned(), Value::String(value));
            }
            event.record(&mut fields);
            return writeln!(writer, "{}", Value::Object(fields.0));
        }
        SystemTime.format_time(&mut writer)?;
        write!(writer, " {level:>5} {target}: ")?;
        ctx.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// The fields of an event, as JSON.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        // What a line is must not be overwritten by what it says.
        let name = match field.name() {
            taken @ ("time" | "level" | "target") => format!("{taken}_"),
            name => name.to_owned(),
        };
        self.0.insert(name, value);
    }
}

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_stand_for_their_modules_and_a_slip_of_the_pen_is_told() {
        assert_eq!(expand("info").as_deref(), Ok("info"));
        assert_eq!(expand("mempool=debug, warn").as_deref(), Ok("mempool=debug,assay_chain::mempool=debug,warn"));
        assert_eq!(expand("gateway").as_deref(), Ok("gateway=trace"));
        assert_eq!(expand("assay_chain=debug,hyper=info").as_deref(), Ok("assay_chain=debug,hyper=info"));
        assert_eq!(expand("consensu=debug"), Err("consensu".to_owned()));
    }

    #[test]
    fn a_line_has_the_subject_of_its_module() {
        for (module, expected) in [
            ("assay_chain::consensus::tap", "consensus"),
            ("assay_chain::rpc::server", "rpc"),
            ("assay_chain::metrics", "node"),
            ("commonware_consensus::simplex", "consensus"),
            ("assay_market_sim", "market"),
            ("jsonrpsee_server::server", "rpc"),
            ("node", "node"),
            ("hyper::client", "hyper::client"),
        ] {
            assert_eq!(subject(module), expected, "{module}");
        }
    }
}
