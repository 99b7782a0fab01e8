//! How a provider cheats.

use serde::Serialize;

/// What a provider does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Stops working for a while: a stretch of tasks in order, from anywhere.
    Lazy,
    /// Makes up the results of tasks picked at random.
    Random,
    /// Makes up the heaviest tasks: the most fuel with the fewest tasks.
    Heaviest,
    /// Makes up the last tasks.
    Last,
    /// Does all the work and doubles the fuel it claims for some tasks.
    Padding,
    /// Commits to the bytes that another replica committed to.
    Copying,
    /// Cheats at random; a share of the auditors is its own and agrees with anything.
    Colluding,
    /// Cheats at random; a share of the auditors is lazy and agrees without looking.
    LazyAuditors,
    /// Stops working for a while, job after job, and is honest for good once it has been audited.
    Adaptive,
    /// Leads the block that decides about its lot: withholds a beacon value that says "audited", once.
    Timing,
    /// As timing, with auditors of its own, and leads the block that draws the points as often as its stake lets
    /// it: withholds points that find it, once.
    TimingColluding,
    /// As [`Self::TimingColluding`] on a chain where one beacon value decides, draws points and draws auditors:
    /// withholds only a value that finds it. Outside of the protocol, to show why it has two values.
    OneValue,
}

impl Strategy {
    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Lazy => "lazy, a stretch of tasks",
            Self::Random => "random tasks",
            Self::Heaviest => "the heaviest tasks",
            Self::Last => "the last tasks",
            Self::Padding => "padded fuel",
            Self::Copying => "copies a commitment",
            Self::Colluding => "colluding auditors",
            Self::LazyAuditors => "lazy auditors",
            Self::Adaptive => "honest once audited",
            Self::Timing => "commits when it leads",
            Self::TimingColluding => "leads and colludes",
            Self::OneValue => "leads, one beacon value",
        }
    }
}
