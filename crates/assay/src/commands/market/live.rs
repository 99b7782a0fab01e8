//! The market of a running network: classes, books, prices, estimates.

use assay_types::{
    Class, GRAINS_PER_KRT, Grains, Unit,
    job::fuel_units,
    parse_krt,
    view::{BookView, ClassView, EpochView, EstimateView, LevelView, Unfilled},
};
use jsonrpsee::rpc_params;
use serde_json::json;

use crate::{
    cli::{ClientArgs, EstimateArgs, WhichClass},
    commands::connect,
    failure::{Code, Failure, Outcome},
    terminal::{Grid, Terminal, Tone},
    words::{krt, number, thousands},
};

/// Levels of a side that a table shows.
const LEVELS: usize = 12;
/// Clearings that a table shows.
const CLEARINGS: usize = 8;
/// Width of the longest bar.
const BAR: u64 = 24;

/// All classes of a network.
pub(crate) async fn all(client: &ClientArgs) -> Outcome<Vec<ClassView>> {
    connect::ask(&client.rpc, "assay_marketClasses", rpc_params![]).await
}

/// The class that a name or number means; the first with a book if neither is given.
pub(crate) fn pick<'a>(classes: &'a [ClassView], wanted: Option<&str>) -> Outcome<&'a ClassView> {
    let found = match wanted {
        None => classes.iter().find(|one| one.leaf && !one.class.retired),
        Some(text) => classes.iter().find(|one| one.class.name == text || one.class.id.to_string() == text),
    };
    let names = || classes.iter().map(|one| one.class.name.as_str()).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("there is no class '{}'", wanted.unwrap_or_default()))
            .next(format!("classes of this network: {}", names()))
    })
}

/// What quantities are counted in.
pub(crate) fn unit(class: &Class) -> &'static str {
    match class.unit {
        Unit::Gigafuel => "Gf",
        Unit::Gib => "GiB",
        Unit::ClassSecond => "s",
    }
}

/// Thousandths as units.
pub(crate) fn units(quantity: u64) -> String {
    number(quantity as f64 / 1_000.0, if quantity.is_multiple_of(1_000) { 0 } else { 3 })
}

fn bps(part: u32) -> String {
    format!("{} %", number(f64::from(part) / 100.0, 1))
}

fn maybe_krt(price: Option<Grains>) -> String {
    price.map_or_else(|| "–".to_owned(), krt)
}

/// `assay market classes`.
pub(super) async fn classes(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let classes = all(client).await?;
    terminal.document(&json!({ "classes": classes }));
    let mut grid = Grid::new([
        "class",
        "name",
        "region",
        "last",
        "reference",
        "band",
        "busy",
        "capacity",
        "bids",
        "asks",
        "volume",
    ])
    .text(&[1, 2]);
    for one in &classes {
        let ClassView { class, leaf, band, .. } = one;
        let region = if class.region.is_empty() { "any" } else { &class.region };
        let busy = match one.capacity {
            0 => "–".to_owned(),
            capacity => format!("{} %", number(one.busy as f64 * 100.0 / capacity as f64, 0)),
        };
        let tone = if class.retired { Tone::Dim } else { Tone::Plain };
        let name = match (class.retired, leaf) {
            (true, _) => format!("{} (retired)", class.name),
            (_, false) => format!("{} ({} leaves)", class.name, one.leaves.len()),
            _ => class.name.clone(),
        };
        grid.toned([
            (class.id.to_string(), tone),
            (name, tone),
            (region.to_owned(), tone),
            (maybe_krt(one.last), Tone::Good),
            (krt(one.reference), tone),
            (format!("{} to {}", krt(band.low), krt(band.high)), tone),
            (busy, tone),
            (format!("{} {}", units(one.capacity), unit(class)), tone),
            (one.bids.to_string(), tone),
            (one.asks.to_string(), tone),
            (units(one.epoch.volume), tone),
        ]);
    }
    terminal.table(&grid);
    terminal.line("prices in KRT a unit; volume is of the epoch under way");
    Ok(())
}

/// `assay market book`.
pub(super) async fn book(which: &WhichClass, terminal: &Terminal) -> Outcome<()> {
    let classes = all(&which.client).await?;
    let class = pick(&classes, which.class.as_deref())?;
    let book: Option<BookView> =
        connect::ask(&which.client.rpc, "assay_marketBook", rpc_params![class.class.id]).await?;
    let book = book.ok_or_else(|| Failure::new(Code::NotFound, format!("class {} is retired", class.class.name)))?;
    terminal.document(&json!({ "class": class, "book": book }));
    let unit = unit(&class.class);
    terminal.heading(&format!("{} (class {}), KRT a {unit}", class.class.name, class.class.id));
    terminal.line(format!(
        "reference {}, band {} to {}, last {}",
        krt(book.reference),
        krt(book.band.low),
        krt(book.band.high),
        maybe_krt(class.last)
    ));
    if !class.leaf {
        terminal.line(format!("its orders trade in the classes under its region: {:?}", class.leaves));
    }
    let most = book.bids.iter().chain(&book.asks).map(|level| level.quantity).max().unwrap_or(1).max(1);
    let mut grid = Grid::new(["", "price", "quantity", "orders", ""]).text(&[4]);
    let mut row = |side: &str, tone: Tone, level: &LevelView| {
        let width = u64::try_from(u128::from(level.quantity) * u128::from(BAR) / u128::from(most)).unwrap_or(BAR);
        let bar = "█".repeat(usize::try_from(width.max(1)).unwrap_or(1));
        let outside = level.price < book.band.low || level.price > book.band.high;
        grid.toned([
            (side.to_owned(), tone),
            (krt(level.price), if outside { Tone::Dim } else { tone }),
            (format!("{} {unit}", units(level.quantity)), Tone::Plain),
            (level.orders.to_string(), Tone::Plain),
            (bar, tone),
        ]);
    };
    book.asks.iter().take(LEVELS).rev().for_each(|level| row("ask", Tone::Bad, level));
    book.bids.iter().take(LEVELS).for_each(|level| row("bid", Tone::Good, level));
    match book.bids.is_empty() && book.asks.is_empty() {
        true => terminal.line("nothing rests in it"),
        false => terminal.table(&grid),
    }
    recent(&book, unit, terminal);
    Ok(())
}

fn recent(book: &BookView, unit: &str, terminal: &Terminal) {
    if book.recent.is_empty() {
        return;
    }
    let mut grid = Grid::new(["block", "price", "volume", "best bid left", "best ask left"]);
    for one in book.recent.iter().take(CLEARINGS) {
        grid.row([
            thousands(one.height),
            maybe_krt(one.price),
            format!("{} {unit}", units(one.volume)),
            maybe_krt(one.best_bid_left),
            maybe_krt(one.best_ask_left),
        ]);
    }
    terminal.line("latest clearings");
    terminal.table(&grid);
}

/// `assay market prices`.
pub(super) async fn prices(which: &WhichClass, limit: u32, terminal: &Terminal) -> Outcome<()> {
    let classes = all(&which.client).await?;
    let class = pick(&classes, which.class.as_deref())?;
    let past: Vec<EpochView> =
        connect::ask(&which.client.rpc, "assay_marketPrices", rpc_params![class.class.id, 0, limit]).await?;
    terminal.document(&json!({ "class": class.class, "now": class.epoch, "past": past }));
    let mut grid =
        Grid::new(["epoch", "open", "high", "low", "close", "volume", "utilisation", "index", ""]).text(&[8]);
    for (one, running) in std::iter::once((&class.epoch, true)).chain(past.iter().map(|one| (one, false))) {
        let remark = match (running, one.printed) {
            (true, _) => "under way",
            (false, true) => "",
            (false, false) => "stands",
        };
        grid.row([
            thousands(one.epoch),
            maybe_krt(one.open),
            maybe_krt(one.high),
            maybe_krt(one.low),
            maybe_krt(one.close),
            format!("{} {}", units(one.volume), unit(&class.class)),
            bps(one.utilisation_bps),
            krt(one.index),
            remark.to_owned(),
        ]);
    }
    terminal.table(&grid);
    Ok(())
}

/// `assay market estimate`.
pub(super) async fn estimate(args: &EstimateArgs, terminal: &Terminal) -> Outcome<()> {
    let client = &args.which.client;
    let classes = all(client).await?;
    let class = pick(&classes, args.which.class.as_deref())?;
    let limit = match &args.max_price {
        Some(text) => {
            parse_krt(text).map_err(|e| Failure::new(Code::BadInput, "--max-price cannot be read").because(&e))?
        }
        None => class.band.high,
    };
    let fuel = args.fuel.checked_mul(assay_types::GIGAFUEL);
    let task = fuel.map(fuel_units).and_then(|one| one.checked_mul(u64::from(args.tasks)));
    let quantity = task.and_then(|all| all.checked_mul(u64::from(args.replicas))).ok_or_else(|| {
        Failure::new(Code::BadInput, "that much fuel cannot be counted").next("lower --fuel, --tasks or --replicas")
    })?;
    let params = rpc_params![class.class.id, true, limit.to_string(), quantity];
    let found: Option<EstimateView> = connect::ask(&client.rpc, "assay_marketEstimate", params).await?;
    let found = found.ok_or_else(|| Failure::new(Code::BadInput, "nothing can be estimated for a price of zero"))?;
    terminal.document(&json!({ "class": class.class, "limit_grains": limit.to_string(), "estimate": found }));
    let unit = unit(&class.class);
    terminal.line(format!(
        "{} {unit} wanted at up to {} KRT: {} {unit} would trade in the next block{}",
        units(found.wanted),
        krt(limit),
        units(found.filled),
        found.price.map_or_else(String::new, |price| format!(" at {} KRT", krt(price)))
    ));
    if let Some(cost) = found.cost {
        terminal.line(format!("that costs {} KRT at most, of {} KRT in escrow", krt(cost), krt(found.escrow)));
    }
    if let Some(why) = &found.unfilled {
        terminal.line(terminal.paint(Tone::Warn, &format!("not all of it: {}", words(why))));
    }
    if found.filled < found.wanted {
        terminal.line(match found.enough_at {
            Some(price) => format!("all of it would at {} KRT", krt(price)),
            None => "no price would do for all of it: less is offered within the band".to_owned(),
        });
    }
    terminal.line("whether machines fit (memory, operators of their own) shows once it is placed: `assay order why`");
    Ok(())
}

/// A reason in a sentence.
pub(crate) fn words(why: &Unfilled) -> String {
    match why {
        Unfilled::New => "it takes part from the next block on".to_owned(),
        Unfilled::Band { by } => {
            format!("its limit lies {} KRT outside the band and rests until the reference reaches it", price(*by))
        }
        Unfilled::Price { by } => format!("its limit is {} KRT from where it would trade", price(*by)),
        Unfilled::Rationed => "its price is the margin's, which shares what there is".to_owned(),
        Unfilled::MinFill { offered } => format!("only {} were there, fewer than it takes at least", units(*offered)),
        Unfilled::Nobody => "nobody is on the other side".to_owned(),
        Unfilled::Fit => "the price does, but too few machines of distinct operators fit".to_owned(),
        Unfilled::Sealed { until } => format!("it is sealed and takes part from block {}", thousands(*until)),
    }
}

/// A difference of prices, which may be less than can be shown.
fn price(grains: Grains) -> String {
    if grains > 0 && grains < GRAINS_PER_KRT / 1_000_000 { format!("{grains} grains, or 0") } else { krt(grains) }
}
