//! The parameters in force, parsed once.
//!
//! They lie in the state as JSON. Parsing them costs more than most transactions, and they change by vote only, so
//! the last text seen by a thread is kept beside what it says. That is no state: the same text says the same.

use std::{cell::RefCell, sync::Arc};

use assay_types::Params;

use crate::{
    keys,
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::Step,
};

thread_local! {
    static LAST: RefCell<Option<(Vec<u8>, Arc<Params>)>> = const { RefCell::new(None) };
}

/// The parameters of a state.
pub(crate) fn load(view: &dyn StateRead) -> Result<Arc<Params>, BrokenInvariant> {
    let text = view.get(&keys::params()).ok_or(BrokenInvariant::NoGenesis)?;
    LAST.with_borrow_mut(|last| {
        if let Some((known, params)) = last
            && *known == text
        {
            return Ok(Arc::clone(params));
        }
        let params: Params = serde_json::from_slice(&text).map_err(|_| BrokenInvariant::Corrupt(keys::META))?;
        let params = Arc::new(params);
        *last = Some((text, Arc::clone(&params)));
        Ok(params)
    })
}

/// Sets them, from the next block on.
pub(crate) fn store(step: &mut Step<'_>, params: &Params) -> Done {
    let text = serde_json::to_vec(params).map_err(|_| BrokenInvariant::Corrupt(keys::META))?;
    step.state.put(keys::params(), text);
    Ok(())
}

/// The consensus parameters in force after a state's block; None where there is no genesis.
pub fn params(view: &dyn StateRead) -> Option<Arc<Params>> {
    load(view).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemState;

    #[test]
    fn what_is_kept_is_what_the_state_at_hand_says() {
        let of = |max_tasks: u32| {
            let mut state = MemState::default();
            let text = serde_json::to_vec(&Params { max_tasks, ..Params::default() }).expect("plain data");
            state.insert(keys::params(), text);
            state
        };
        let (one, other) = (of(1), of(2));
        for _ in 0..2 {
            assert_eq!(params(&one).map(|params| params.max_tasks), Some(1));
            assert_eq!(params(&other).map(|params| params.max_tasks), Some(2));
        }
        let (first, second) = (load(&one).expect("reads"), load(&one).expect("reads"));
        assert!(Arc::ptr_eq(&first, &second), "read once");
        assert_eq!(load(&MemState::default()), Err(BrokenInvariant::NoGenesis));
        let mut bad = MemState::default();
        bad.insert(keys::params(), b"{}".to_vec());
        assert_eq!(load(&bad), Err(BrokenInvariant::Corrupt(keys::META)));
    }
}
