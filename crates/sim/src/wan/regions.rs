//! Where validators are, and how far these places are from each other.
//!
//! Source: medians (p50) of round trips between AWS regions as cloudping.co published them in July 2025: a TCP
//! connection from a function in one region to a public end point of the other, every six hours. The ten regions
//! other than Singapore and Cape Town are those over which the authors of the consensus engine spread their own
//! test network. The two directions of a pair differ by at most 3 ms; the table has their mean, in whole
//! milliseconds. The diagonal is two machines of one region.

use serde::Serialize;

/// A place with validators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Region {
    /// Its name at the cloud.
    pub name: &'static str,
    /// Where it is.
    pub place: &'static str,
    /// Validators of a hundred that are there, where they are not spread equally: see [`Spread::Weighted`].
    pub weight: u32,
}

const fn region(name: &'static str, place: &'static str, weight: u32) -> Region {
    Region { name, place, weight }
}

/// The regions, on six continents.
pub const REGIONS: [Region; 12] = [
    region("us-east-1", "Virginia", 20),
    region("us-west-1", "California", 9),
    region("eu-west-1", "Dublin", 11),
    region("eu-central-1", "Frankfurt", 24),
    region("eu-north-1", "Stockholm", 9),
    region("ap-northeast-1", "Tokyo", 7),
    region("ap-northeast-2", "Seoul", 4),
    region("ap-south-1", "Mumbai", 3),
    region("ap-southeast-1", "Singapore", 7),
    region("ap-southeast-2", "Sydney", 3),
    region("sa-east-1", "Sao Paulo", 2),
    region("af-south-1", "Cape Town", 1),
];

/// Round trips between [`REGIONS`], milliseconds.
pub const ROUND_TRIP_MS: [[u16; 12]; 12] = [
    [6, 64, 70, 93, 112, 150, 180, 191, 219, 200, 115, 227],
    [64, 3, 130, 153, 173, 108, 134, 232, 170, 139, 175, 287],
    [70, 130, 3, 27, 40, 202, 233, 126, 179, 256, 178, 159],
    [93, 153, 27, 4, 23, 227, 231, 129, 161, 251, 205, 155],
    [112, 173, 40, 23, 3, 247, 250, 149, 181, 271, 223, 174],
    [150, 108, 202, 227, 247, 3, 36, 134, 71, 106, 259, 357],
    [180, 134, 233, 231, 250, 36, 4, 135, 74, 146, 290, 386],
    [191, 232, 126, 129, 149, 134, 135, 3, 64, 155, 301, 273],
    [219, 170, 179, 161, 181, 71, 74, 64, 4, 95, 328, 315],
    [200, 139, 256, 251, 271, 106, 146, 155, 95, 4, 312, 409],
    [115, 175, 178, 205, 223, 259, 290, 301, 328, 312, 3, 338],
    [227, 287, 159, 155, 174, 357, 386, 273, 315, 409, 338, 4],
];

/// How validators are spread over the regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// As many in each.
    Equal,
    /// By [`Region::weight`]: 44 of 100 in Europe, 29 in North America, 21 in Asia. An assumption, in the rough
    /// proportions in which explorers of proof-of-stake networks list nodes; not a census.
    Weighted,
}

impl Spread {
    /// The region of each of `count` validators, by index into [`REGIONS`].
    pub fn seats(self, count: usize) -> Vec<usize> {
        match self {
            Self::Equal => (0..count).map(|seat| seat % REGIONS.len()).collect(),
            Self::Weighted => weighted(count),
        }
    }
}

/// Largest remainders, region by region.
fn weighted(count: usize) -> Vec<usize> {
    let total: usize = REGIONS.iter().map(|region| region.weight as usize).sum();
    let share = |region: &Region| region.weight as usize * count;
    let mut by_remainder: Vec<usize> = (0..REGIONS.len()).collect();
    by_remainder.sort_by_key(|at| std::cmp::Reverse(share(&REGIONS[*at]) % total));
    let whole: usize = REGIONS.iter().map(|region| share(region) / total).sum();
    let extra = &by_remainder[..count - whole];
    let seats = |at: usize| share(&REGIONS[at]) / total + usize::from(extra.contains(&at));
    (0..REGIONS.len()).flat_map(|at| std::iter::repeat_n(at, seats(at))).collect()
}

/// Half of the round trip between two regions, milliseconds.
pub fn one_way_ms(from: usize, to: usize) -> f64 {
    f64::from(ROUND_TRIP_MS[from][to]) / 2.0
}
