//! The two CSV files of a surface. Floats are written as the shortest decimals that read back to the
//! same bits; a cell without a value is empty.
//!
//! `implied_vol` is the market's, of the quote's middle, where that lies inside the no-arbitrage bounds,
//! else the smile's. `price` and the Greeks are the model's, at the smile's volatility: they are plain
//! partial derivatives of the discounted Black-76 price (delta and gamma by the forward, vega per 1.00 of
//! volatility, theta per year with the forward held).

use quant::csv::number;

use crate::surface::Surface;

/// Header of [`surface_csv`].
pub const SURFACE_HEADER: &str =
    "contract,expiration,type,strike,forward,discount,years,implied_vol,price,delta,gamma,vega,theta";
/// Header of [`slices_csv`].
pub const SLICES_HEADER: &str =
    "expiration,root,forward,discount,years,atm_vol,skew,a,b,rho,m,sigma,fit_error_vol,fit_error_spreads,flags";

/// A row per priced contract.
#[must_use]
pub fn surface_csv(surface: &Surface) -> String {
    let mut out = String::with_capacity(surface.contracts.len() * 180);
    out.push_str(SURFACE_HEADER);
    out.push('\n');
    for c in surface.contracts.iter().filter(|c| c.is_priced()) {
        let slice = &surface.slices[c.slice];
        let g = c.priced.greeks;
        let cells = [
            c.symbol.clone(),
            slice.key.expiration.to_string(),
            c.priced.kind.name().to_owned(),
            number(Some(c.strike)),
            number(slice.forward),
            number(slice.discount),
            number(Some(slice.years)),
            number(c.implied_vol()),
            number(g.map(|g| g.price)),
            number(g.map(|g| g.delta)),
            number(g.map(|g| g.gamma)),
            number(g.map(|g| g.vega)),
            number(g.map(|g| g.theta)),
        ];
        out.push_str(&cells.join(","));
        out.push('\n');
    }
    out
}

/// A row per slice.
#[must_use]
pub fn slices_csv(surface: &Surface) -> String {
    let mut out = String::from(SLICES_HEADER);
    out.push('\n');
    for s in &surface.slices {
        let svi = s.svi;
        let cells = [
            s.key.expiration.to_string(),
            s.key.root.clone(),
            number(s.forward),
            number(s.discount),
            number(Some(s.years)),
            number(s.atm_vol),
            number(s.skew),
            number(svi.map(|v| v.a)),
            number(svi.map(|v| v.b)),
            number(svi.map(|v| v.rho)),
            number(svi.map(|v| v.m)),
            number(svi.map(|v| v.sigma)),
            number(s.fit_error_vol),
            number(s.fit_error_spreads),
            s.flags.to_string(),
        ];
        out.push_str(&cells.join(","));
        out.push('\n');
    }
    out
}
