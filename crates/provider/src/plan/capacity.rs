//! The plan of a challenged provider: fill and post, then open what is drawn.

use std::collections::BTreeSet;

use super::{Action, Situation};

pub(super) fn plan(situation: &Situation<'_>, wanted: &mut BTreeSet<Action>) {
    let Some(challenge) = situation.challenge else { return };
    // What is sent now is in the next block at the earliest.
    let in_time = |due: u64| situation.height < due;
    match (challenge.answer, challenge.drawn) {
        // A provider that is being stopped sells nothing that it would have to prove.
        (None, _) if in_time(challenge.answer_by) && !situation.draining => {
            wanted.insert(Action::AnswerChallenge(challenge.round));
        }
        (Some(_), Some(_)) if in_time(challenge.open_by) => {
            wanted.insert(Action::OpenAnswer(challenge.round));
        }
        _ => {}
    }
}
