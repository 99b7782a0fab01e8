//! Whole frames at three sizes, and what must never break them.

mod support;

use assay_top::{
    Size,
    model::{Key, Model, Panel, Snapshot, Trouble, Update},
    render,
};
use std::time::Duration;
use support::{NOW_MS, bare, market, model, rich};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn at(model: &Model, (columns, rows): (u16, u16)) -> String {
    render(model, Size { columns, rows })
}

/// A model with a curve of block rates.
fn busy() -> Model {
    let steps = (0..30_u64).map(|n| {
        let mut snapshot = rich(12_000 + n * 12 + n * n % 7);
        snapshot.status.timestamp_ms = NOW_MS - (30 - n) * 1_000 - 400;
        snapshot
    });
    model(steps)
}

#[test]
fn a_rich_market_is_drawn_at_every_size() {
    for size in SIZES {
        insta::assert_snapshot!(format!("rich_{}x{}", size.0, size.1), at(&busy(), size));
    }
}

#[test]
fn an_empty_market_is_drawn_at_every_size() {
    for size in SIZES {
        insta::assert_snapshot!(format!("empty_{}x{}", size.0, size.1), at(&model([bare(7)]), size));
    }
}

#[test]
fn before_the_first_answer_and_with_help_the_frame_says_so() {
    insta::assert_snapshot!("unread_80x24", at(&Model::new("http://127.0.0.1:8545"), (80, 24)));
    let mut model = busy();
    model.press(Key::Help);
    insta::assert_snapshot!("help_80x24", at(&model, (80, 24)));
}

#[test]
fn a_small_terminal_is_told_what_is_needed() {
    for size in [(79, 24), (80, 23), (40, 10)] {
        let text = at(&busy(), size).replace('\n', " ");
        assert!(text.contains("80x24") && text.contains(&format!("{}x{}", size.0, size.1)), "{text}");
    }
    for size in [(1, 1), (2, 3), (1, 60), (200, 1)] {
        assert_eq!(at(&busy(), size).lines().count(), usize::from(size.1));
    }
}

#[test]
fn every_size_and_focus_is_drawn_within_the_screen() {
    let mut model = busy();
    for columns in (80..240).step_by(7) {
        for rows in (24..80).step_by(5) {
            let text = at(&model, (columns, rows));
            assert_eq!(text.lines().count(), usize::from(rows));
            assert!(text.contains("book of cpu") && text.contains("0.00125"), "{columns}x{rows}\n{text}");
            assert!(text.contains(" 0.00122875 ") && text.contains("   3500 "), "{columns}x{rows}\n{text}");
            // A figure that is cut would be a wrong figure.
            if text.contains("clearings ") {
                let latest = text.lines().find(|line| line.contains(" 12,344 ")).expect("the latest clearing");
                assert!(latest.contains(" 0.00126625     2.25"), "{columns}x{rows}\n{text}");
            }
            if text.contains("providers ·") {
                assert!(text.contains("12%     1"), "{columns}x{rows}\n{text}");
            }
            model.press(Key::Next);
        }
    }
}

#[test]
fn trouble_staleness_and_refusals_are_in_the_last_line() {
    let last = |model: &Model| at(model, (120, 40)).lines().last().expect("a line").to_owned();
    let mut model = busy();
    model.now_ms = NOW_MS + 9_000;
    assert!(last(&model).contains("as of 9.0 s ago"), "{}", last(&model));
    let trouble = Trouble { error: "no\u{1b}[31m answer".to_owned(), retry_in: Duration::from_secs(4) };
    model.apply(Update::Trouble(trouble), NOW_MS + 10_000);
    model.now_ms = NOW_MS + 11_500;
    let text = last(&model);
    assert!(text.contains("as of 11 s ago") && text.contains("tries again in 2.5 s"), "{text}");
    assert!(text.contains("no\u{fffd}[31m answer"), "{text}");
    let refused = vec!["assay_marketClasses: no such method".to_owned()];
    let old = Snapshot { classes: Vec::new(), market: None, refused, ..rich(13_000) };
    model.apply(Update::Fresh(Box::new(old)), NOW_MS + 12_000);
    assert!(last(&model).contains("refuses assay_marketClasses"), "{}", last(&model));
    assert!(at(&model, (120, 40)).contains("trades no classes"));
}

#[test]
fn huge_numbers_stay_in_their_columns() {
    let mut snapshot = rich(u64::MAX);
    for view in &mut snapshot.classes {
        (view.last, view.reference) = (Some(u128::MAX), 1);
        (view.bids, view.asks, view.busy, view.capacity) = (u32::MAX, u32::MAX, u64::MAX, 1);
        (view.epoch.volume, view.epoch.high) = (u64::MAX, Some(u128::MAX));
    }
    let mut market = market(1, 1_000_000);
    for level in market.book.bids.iter_mut().chain(&mut market.book.asks) {
        (level.price, level.quantity, level.orders) = (u128::MAX, u64::MAX, u32::MAX);
    }
    for (n, epoch) in market.epochs.iter_mut().enumerate() {
        (epoch.open, epoch.high, epoch.low, epoch.close) =
            (Some(1), Some(u128::MAX), Some(0), Some(u128::MAX - n as u128));
        (epoch.epoch, epoch.volume, epoch.index) = (u64::MAX, u64::MAX, u128::MAX);
    }
    for cleared in &mut market.book.recent {
        (cleared.height, cleared.price, cleared.volume) = (u64::MAX, Some(u128::MAX), u64::MAX);
    }
    (market.book.reference, market.book.band.high) = (u128::MAX, u128::MAX);
    for job in &mut snapshot.jobs {
        (job.lots, job.lots_settled) = (1, u32::MAX);
    }
    for provider in &mut snapshot.providers {
        (provider.price_per_gigafuel, provider.busy, provider.capacity) = (u128::MAX, u64::MAX, 1);
    }
    (snapshot.market, snapshot.base_fee) = (Some(market), Some(u128::MAX));
    snapshot.status.timestamp_ms = u64::MAX;
    let model = model([snapshot]);
    insta::assert_snapshot!("huge_80x24", at(&model, (80, 24)));
    let text = at(&model, (200, 60));
    assert!(text.contains("340.282E") && text.contains(">+999%"), "{text}");
}

#[test]
fn names_with_escapes_or_wide_characters_do_not_break_the_frame() {
    let names = [
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "計算クラス計算クラス",
        "ab\u{202e}cd\r\n",
        "z\u{301}\u{301}\u{301}",
        "👩‍🔬\u{200b}",
        "",
    ];
    let mut snapshot = rich(5);
    for (view, name) in snapshot.classes.iter_mut().zip(names) {
        view.class.name = name.to_owned();
        view.class.region = name.to_owned();
    }
    snapshot.status.version = "\u{9b}31m".to_owned();
    let mut model = model([snapshot]);
    for size in SIZES {
        for _ in names {
            let text = at(&model, size);
            let bad = |c: char| {
                (c.is_control() && c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            };
            assert!(!text.contains(bad), "{text:?}");
            // Borders are where they are without such names.
            let plain = at(&busy(), size);
            let border = |text: &str| text.lines().map(|line| line.ends_with(['┃', '│'])).collect::<Vec<_>>();
            assert_eq!(border(&text), border(&plain), "{text}");
            model.press(Key::Down);
        }
        model.chosen = Some(1);
    }
    insta::assert_snapshot!("hostile_80x24", at(&model, (80, 24)));
}

#[test]
fn keys_choose_classes_scroll_panels_pause_and_quit() {
    let mut model = busy();
    assert_eq!((model.chosen, model.focus), (Some(1), Panel::Classes));
    model.press(Key::Up);
    assert_eq!(model.chosen, Some(1));
    model.press(Key::Down);
    assert_eq!(model.chosen, Some(2));
    // The book is still that of the class before: it is not shown under the new name.
    assert!(model.market().is_none());
    assert!(at(&model, (80, 24)).contains("not read yet"));
    for _ in 0..20 {
        model.press(Key::Down);
    }
    assert_eq!(model.chosen, Some(6));
    model.chosen = Some(1);

    model.press(Key::Next);
    assert_eq!(model.focus, Panel::Book);
    let before = at(&model, (80, 24));
    model.press(Key::Down);
    assert_ne!(at(&model, (80, 24)), before);
    assert_eq!(model.chosen, Some(1));

    model.press(Key::Next);
    assert_eq!(model.focus, Panel::Clearings);
    for _ in 0..100 {
        model.press(Key::Down);
    }
    assert_eq!(model.clearings_scroll, 39);
    model.press(Key::Next);
    model.press(Key::Down);
    assert_eq!((model.focus, model.jobs_scroll), (Panel::Jobs, 1));
    model.press(Key::Next);
    model.press(Key::Previous);
    assert_eq!(model.focus, Panel::Jobs);

    model.press(Key::Pause);
    let height = model.snapshot.as_ref().expect("one").status.height;
    model.apply(Update::Fresh(Box::new(rich(height + 50))), NOW_MS);
    assert_eq!(model.snapshot.as_ref().expect("one").status.height, height);
    assert!(at(&model, (80, 24)).contains("paused"));
    model.press(Key::Pause);
    model.apply(Update::Fresh(Box::new(rich(height + 50))), NOW_MS);
    assert_eq!(model.snapshot.as_ref().expect("one").status.height, height + 50);

    model.press(Key::Help);
    model.press(Key::Quit);
    assert!(!model.help && !model.quit, "the first only leaves the help");
    model.press(Key::Quit);
    assert!(model.quit);
}

#[test]
fn a_class_that_disappears_is_replaced_and_a_new_chain_starts_the_rate_anew() {
    let mut model = busy();
    assert!(model.blocks_per_second().is_some_and(|rate| (11.0..13.0).contains(&rate)));
    model.chosen = Some(4);
    let mut fewer = rich(20);
    fewer.classes.truncate(2);
    model.apply(Update::Fresh(Box::new(fewer)), NOW_MS);
    assert_eq!(model.chosen, Some(1));
    assert_eq!(model.blocks_per_second(), None);
}
