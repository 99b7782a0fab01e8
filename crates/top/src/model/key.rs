//! What keys do.

use super::{Model, Panel};

/// Furthest the book can be moved.
const BOOK_SCROLL_MAX: i32 = 10_000;

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `q`, Escape.
    Quit,
    /// Control and `c`.
    Interrupt,
    /// Up, `k`.
    Up,
    /// Down, `j`.
    Down,
    /// Tab.
    Next,
    /// Shift and tab.
    Previous,
    /// `p`, space.
    Pause,
    /// `?`, `h`.
    Help,
}

impl Model {
    /// Does what a key asks for.
    pub fn press(&mut self, key: Key) {
        match key {
            Key::Interrupt => self.quit = true,
            Key::Help => self.help = !self.help,
            // Whatever else is pressed leaves the help first.
            Key::Quit | Key::Up | Key::Down | Key::Next | Key::Previous if self.help => self.help = false,
            Key::Quit => self.quit = true,
            Key::Pause => self.paused = !self.paused,
            Key::Next => self.focus = self.focus.next(),
            Key::Previous => self.focus = self.focus.next().next().next(),
            Key::Up => self.step(false),
            Key::Down => self.step(true),
        }
    }

    fn step(&mut self, down: bool) {
        let by = |at: usize| if down { at.saturating_add(1) } else { at.saturating_sub(1) };
        match self.focus {
            Panel::Classes => self.choose(down),
            Panel::Book => {
                let moved = if down { self.book_scroll.saturating_add(1) } else { self.book_scroll.saturating_sub(1) };
                self.book_scroll = moved.clamp(-BOOK_SCROLL_MAX, BOOK_SCROLL_MAX);
            }
            Panel::Clearings => self.clearings_scroll = by(self.clearings_scroll),
            Panel::Jobs => self.jobs_scroll = by(self.jobs_scroll),
        }
        self.settle();
    }

    fn choose(&mut self, down: bool) {
        let Some(row) = self.chosen_row() else { return };
        let to = if down { row.saturating_add(1) } else { row.saturating_sub(1) };
        let class = self.snapshot.as_ref().and_then(|snapshot| snapshot.classes.get(to));
        if let Some(view) = class {
            self.chosen = Some(view.class.id);
            (self.book_scroll, self.clearings_scroll) = (0, 0);
        }
    }
}

impl Panel {
    fn next(self) -> Self {
        match self {
            Self::Classes => Self::Book,
            Self::Book => Self::Clearings,
            Self::Clearings => Self::Jobs,
            Self::Jobs => Self::Classes,
        }
    }
}
