//! Drawing by the beacon: weighted sampling without replacement over distinct operators.
//!
//! Draw `i` takes `keccak256(seed | i) mod total weight`; the bias of the modulus is below 2^-128.
//! Once drawn, an operator's other candidates leave the urn.

use alloy_primitives::{Address, B256, U256, keccak256};

/// Who can be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) provider: Address,
    pub(crate) operator: Address,
    pub(crate) weight: u128,
}

/// Draws `count` candidates of different operators; None when there are too few.
pub(crate) fn draw(seed: B256, candidates: &[Candidate], count: usize) -> Option<Vec<Candidate>> {
    let mut urn: Vec<Candidate> = candidates.to_vec();
    let mut drawn = Vec::with_capacity(count);
    for slot in 0..u64::try_from(count).ok()? {
        let one = pick(seed, slot, &urn)?;
        urn.retain(|candidate| candidate.operator != one.operator);
        drawn.push(one);
    }
    Some(drawn)
}

fn pick(seed: B256, slot: u64, urn: &[Candidate]) -> Option<Candidate> {
    let total = urn.iter().try_fold(U256::ZERO, |sum, one| sum.checked_add(weight(one)))?;
    let mut bytes = seed.to_vec();
    bytes.extend_from_slice(&slot.to_be_bytes());
    let mut at = U256::from_be_bytes(keccak256(bytes).0).checked_rem(total)?;
    for one in urn {
        match at.checked_sub(weight(one)) {
            Some(rest) => at = rest,
            None => return Some(one.clone()),
        }
    }
    None
}

/// A candidate with nothing to lose still counts, so that an urn is never weightless.
fn weight(one: &Candidate) -> U256 {
    U256::from(one.weight.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(provider: u8, operator: u8, weight: u128) -> Candidate {
        Candidate { provider: Address::repeat_byte(provider), operator: Address::repeat_byte(operator), weight }
    }

    proptest! {
        #[test]
        fn a_draw_has_the_asked_count_of_distinct_operators_or_is_none(
            urn in prop::collection::vec((any::<u8>(), 0u8..5, any::<u128>()), 0..12),
            count in 0usize..6,
            seed: [u8; 32],
        ) {
            let urn: Vec<_> = urn.into_iter().map(|(p, o, w)| candidate(p, o, w)).collect();
            let mut operators: Vec<_> = urn.iter().map(|c| c.operator).collect();
            operators.sort();
            operators.dedup();
            match draw(seed.into(), &urn, count) {
                None => prop_assert!(operators.len() < count),
                Some(drawn) => {
                    let mut seen: Vec<_> = drawn.iter().map(|c| c.operator).collect();
                    seen.sort();
                    seen.dedup();
                    prop_assert_eq!(seen.len(), count);
                    prop_assert!(drawn.iter().all(|c| urn.contains(c)));
                }
            }
        }
    }

    #[test]
    fn a_candidate_is_drawn_in_proportion_to_its_weight() {
        let urn = [candidate(1, 1, 3_000), candidate(2, 2, 1_000)];
        let first = (0u64..4_000)
            .filter(|i| draw(keccak256(i.to_be_bytes()), &urn, 1).expect("enough")[0].provider == urn[0].provider)
            .count();
        // Binomial(4000, 3/4): mean 3000, standard deviation 27.4.
        assert!(first.abs_diff(3_000) < 110, "{first}");
    }
}
