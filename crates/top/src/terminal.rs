//! The terminal: set up, fed with keys and frames, and restored however the end comes.

use std::{
    io,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ratatui::{
    DefaultTerminal, Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use tokio::{
    signal,
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use crate::{
    draw::draw,
    feed::follow,
    model::{Key, Model, Update},
    node::{Node, NodeError},
};

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often ages are drawn anew.
const TICK: Duration = Duration::from_millis(500);
/// How often the keyboard is asked whether to go on.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// Why the view ended.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The terminal.
    #[error("the terminal cannot be used: {0}; without one, draw a single frame with --once")]
    Terminal(#[from] io::Error),
    /// The task that reads the node is gone.
    #[error("the feed ended by itself")]
    Feed,
    /// Not a size.
    #[error("'{0}' is not a size: write columns and rows as 120x40, from 1x1 to 1000x500")]
    Size(String),
    /// No such class.
    #[error("no class is named '{name}': there are {known}")]
    Class {
        /// As given.
        name: String,
        /// Those there are.
        known: String,
    },
}

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

impl FromStr for Size {
    type Err = TopError;

    fn from_str(text: &str) -> Result<Self, TopError> {
        let bad = || TopError::Size(crate::figures::clean(text));
        let (columns, rows) = text.split_once('x').ok_or_else(bad)?;
        let (columns, rows) = (columns.parse().map_err(|_| bad())?, rows.parse().map_err(|_| bad())?);
        if (1..=1_000).contains(&columns) && (1..=500).contains(&rows) {
            Ok(Self { columns, rows })
        } else {
            Err(bad())
        }
    }
}

/// How to watch.
#[derive(Debug, Clone)]
pub struct Options {
    /// Between two looks at the node.
    pub poll: Duration,
    /// Name of the class to show first.
    pub class: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { poll: Duration::from_secs(1), class: None }
    }
}

/// Watches the node at `url` until a key, an interrupt or a termination ends it.
pub async fn run(url: &str, options: &Options) -> Result<(), TopError> {
    let mut node = Node::new(url, TIMEOUT)?;
    let mut model = Model::new(url);
    if options.class.is_some() {
        model.chosen = named(&mut node, options).await?;
    }
    // Also restores the terminal on a panic.
    let mut terminal = ratatui::try_init()?;
    let (keys, stop) = listen();
    let ended = watch(&mut terminal, &mut model, node, options.poll, keys).await;
    stop.store(true, Ordering::Relaxed);
    let restored = ratatui::try_restore();
    ended?;
    Ok(restored?)
}

/// One frame as text, without a terminal; lines end without spaces.
pub async fn once(url: &str, size: Size, options: &Options) -> Result<String, TopError> {
    let mut node = Node::new(url, TIMEOUT)?;
    let mut model = Model::new(url);
    model.chosen = named(&mut node, options).await?;
    let snapshot = node.snapshot(model.chosen).await?;
    model.apply(Update::Fresh(Box::new(snapshot)), now_ms());
    Ok(render(&model, size))
}

/// The model as text.
pub fn render(model: &Model, size: Size) -> String {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(size.columns, size.rows));
    let Ok(frame) = terminal.draw(|frame| draw(model, frame));
    as_text(frame.buffer)
}

fn as_text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.area.rows() {
        let (mut line, mut covered) = (String::new(), 0_usize);
        for at in row.positions() {
            // A wide character covers the cell after it.
            if covered > 0 {
                covered = covered.saturating_sub(1);
                continue;
            }
            let symbol = buffer.cell(at).map_or(" ", |cell| cell.symbol());
            covered = crate::figures::columns(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Number of the class that is to be shown first.
async fn named(node: &mut Node, options: &Options) -> Result<Option<u32>, TopError> {
    let Some(name) = &options.class else { return Ok(None) };
    let classes = node.snapshot(None).await?.classes;
    if let Some(view) = classes.iter().find(|view| view.class.name == *name) {
        return Ok(Some(view.class.id));
    }
    let known: Vec<_> = classes.iter().map(|view| crate::figures::clean(&view.class.name)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(TopError::Class { name: crate::figures::clean(name), known })
}

async fn watch(
    terminal: &mut DefaultTerminal,
    model: &mut Model,
    node: Node,
    poll: Duration,
    mut keys: mpsc::Receiver<io::Result<Event>>,
) -> Result<(), TopError> {
    let (choose, chosen) = watch::channel(model.chosen);
    let (send, mut updates) = mpsc::channel(4);
    let feed = tokio::spawn(follow(node, poll, chosen, send));
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut ended = std::pin::pin!(terminated());
    let outcome = loop {
        model.now_ms = now_ms();
        if let Err(error) = terminal.draw(|frame| draw(model, frame)) {
            break Err(error.into());
        }
        tokio::select! {
            event = keys.recv() => match event {
                Some(Ok(event)) => if let Some(key) = meaning(&event) { model.press(key) },
                Some(Err(error)) => break Err(error.into()),
                None => break Ok(()),
            },
            update = updates.recv() => match update {
                Some(update) => model.apply(update, now_ms()),
                None => break Err(TopError::Feed),
            },
            _ = tick.tick() => {}
            result = &mut ended => break result.map_err(TopError::from),
        }
        if model.quit {
            break Ok(());
        }
        choose.send_if_modified(|last| std::mem::replace(last, model.chosen) != model.chosen);
    };
    feed.abort();
    outcome
}

/// Reads the keyboard on a thread of its own, since reading blocks, until told to stop.
fn listen() -> (mpsc::Receiver<io::Result<Event>>, Arc<AtomicBool>) {
    let (send, keys) = mpsc::channel(64);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            let event = match event::poll(KEY_WAIT) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let failed = event.is_err();
            if send.blocking_send(event).is_err() || failed {
                return;
            }
        }
    });
    (keys, stop)
}

/// Done when the process is told to end. In raw mode Control-C is a key.
async fn terminated() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
        let mut hangup = signal::unix::signal(signal::unix::SignalKind::hangup())?;
        tokio::select! {
            done = signal::ctrl_c() => done,
            _ = terminate.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await
}

/// What an event means here.
fn meaning(event: &Event) -> Option<Key> {
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return None };
    if *kind == KeyEventKind::Release {
        return None;
    }
    match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Interrupt),
        _ if modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => None,
        KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
        KeyCode::Up | KeyCode::Char('k') => Some(Key::Up),
        KeyCode::Down | KeyCode::Char('j') => Some(Key::Down),
        KeyCode::Tab => Some(Key::Next),
        KeyCode::BackTab => Some(Key::Previous),
        KeyCode::Char('p' | ' ') => Some(Key::Pause),
        KeyCode::Char('?' | 'h') => Some(Key::Help),
        _ => None,
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
        meaning(&Event::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn keys_mean_what_the_help_says() {
        let plain = KeyModifiers::NONE;
        let cases = [
            (KeyCode::Char('q'), Key::Quit),
            (KeyCode::Esc, Key::Quit),
            (KeyCode::Up, Key::Up),
            (KeyCode::Char('k'), Key::Up),
            (KeyCode::Down, Key::Down),
            (KeyCode::Char('j'), Key::Down),
            (KeyCode::Tab, Key::Next),
            (KeyCode::BackTab, Key::Previous),
            (KeyCode::Char('p'), Key::Pause),
            (KeyCode::Char('?'), Key::Help),
        ];
        for (code, meant) in cases {
            assert_eq!(key(code, plain), Some(meant), "{code:?}");
        }
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Interrupt));
        assert_eq!(key(KeyCode::Char('c'), plain), None);
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::ALT), None);
        assert_eq!(meaning(&Event::Resize(80, 24)), None);
    }

    #[test]
    fn a_size_is_columns_and_rows() {
        assert_eq!("120x40".parse::<Size>().expect("good"), Size { columns: 120, rows: 40 });
        for bad in ["", "120", "0x40", "120x0", "x", "70000x10", "1001x1", "-1x5"] {
            assert!(matches!(bad.parse::<Size>(), Err(TopError::Size(_))), "{bad}");
        }
    }
}
