//! Market risk of a book of listed index options: full-revaluation Monte Carlo, a range of paths a task.
//!
//! ```text
//!  Surface + Book -> RiskJob -> tasks(n) --bytes--> run (in Wasm or natively) --bytes--> reduce -> RiskReport
//! ```
//!
//! # The model
//! - **Horizon**: ten weekdays after the as-of date (`Scenario::days`), walked in one step a weekday
//!   (exchange holidays are not known, a step more or less does not change the variance: see next).
//! - **Index**: every forward moves by the same log-return. A step's variance is the difference of the
//!   surface's at-the-money total variance between its two dates, so the market's own implied
//!   volatility drives the move; nothing is estimated from history. A path's steps share one factor
//!   `sqrt((nu - 2) / chi2_nu)`, so that returns over the horizon are Student-t with `nu` degrees of
//!   freedom (6: fat tails, same variance); given the factor the forwards are martingales.
//! - **Volatility**: all smiles move together, `sigma(k) -> sigma(k) e^{eta y - eta^2 / 2}`, y a standard
//!   normal with correlation `rho` (-0.75) to the index's normalised move, times the path's factor.
//!   `eta = vol_of_vol sqrt(h) min(2, sqrt(reference / T))`: short maturities move more, as is observed.
//! - **Smile dynamics**: sticky moneyness: each expiration keeps its own smile as a function of
//!   ln(K / F), and the time to expiration shrinks by the horizon. No roll-down along the term
//!   structure.
//! - **Expiry inside the horizon**: cash-settled at the simulated index of its date, kept to the horizon.
//! - **Rates and carry** are constant; discount factors roll down at each expiration's own zero rate.
//!   P&L is value at the horizon less value now; funding is not charged.
//!
//! # Randomness
//! Draws are Philox words addressed by (seed, path, draw), so a path's P&L has the same bits in any
//! partition; the reduction sorts all of them, so its figures do not depend on the partition either.

pub mod book;
pub mod european;
pub mod job;
mod kernel;
pub mod report;

pub use book::{Book, BookError, Position};
pub use job::{RiskError, RiskJob, Scenario};
pub use kernel::run;
pub use report::{BookGreeks, ReduceError, RiskReport, reduce};
