//! What proposals do: checked when proposed, and again when carried out, since other changes may have come between.

use alloy_primitives::{Address, B256, Bytes};
use assay_types::{
    ChangesError, Class, Grains, ParamChanges, Params, abi::IGovernance, class::is_leaf, system, view::ActionView,
};

use super::{classes, upgrade};
use crate::{
    codec::Wire,
    money::{self, Pot, transfer},
    params,
    reject::{Done, Failure},
    step::Step,
};

/// Most bytes of parameters or a class.
const MAX_JSON_BYTES: usize = 4_096;

/// What a proposal does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Text,
    /// JSON of parameters by name.
    Params(Bytes),
    /// JSON of a class.
    Class(Bytes),
    RetireClass(u32),
    Payment(Address, Grains),
    Runtime(B256, bool),
    /// Name, height, protocol version; height 0 cancels.
    Upgrade(Bytes, u64, u32),
}

impl Wire for Action {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.kind());
        match self {
            Self::Text => {}
            Self::Params(json) | Self::Class(json) => json.put(out),
            Self::RetireClass(class) => class.put(out),
            Self::Payment(to, amount) => {
                to.put(out);
                amount.put(out);
            }
            Self::Runtime(runtime, active) => {
                runtime.put(out);
                active.put(out);
            }
            Self::Upgrade(name, height, version) => {
                name.put(out);
                height.put(out);
                version.put(out);
            }
        }
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(match u8::take(input)? {
            1 => Self::Text,
            2 => Self::Params(Wire::take(input)?),
            3 => Self::Class(Wire::take(input)?),
            4 => Self::RetireClass(Wire::take(input)?),
            5 => Self::Payment(Wire::take(input)?, Wire::take(input)?),
            6 => Self::Runtime(Wire::take(input)?, Wire::take(input)?),
            7 => Self::Upgrade(Wire::take(input)?, Wire::take(input)?, Wire::take(input)?),
            _ => return None,
        })
    }
}

pub(crate) fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Action {
    /// As `IGovernance.Proposed` numbers it.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Params(_) => 2,
            Self::Class(_) => 3,
            Self::RetireClass(_) => 4,
            Self::Payment(..) => 5,
            Self::Runtime(..) => 6,
            Self::Upgrade(..) => 7,
        }
    }

    pub(crate) fn view(&self) -> ActionView {
        match self {
            Self::Text => ActionView::Text,
            Self::Params(json) => ActionView::Params { changes: text(json) },
            Self::Class(json) => ActionView::Class { class: text(json) },
            Self::RetireClass(class) => ActionView::RetireClass { class: *class },
            Self::Payment(to, amount) => ActionView::Payment { to: *to, amount: *amount },
            Self::Runtime(runtime, active) => ActionView::Runtime { runtime: *runtime, active: *active },
            Self::Upgrade(name, height, version) => {
                ActionView::Upgrade { name: text(name), height: *height, protocol_version: *version }
            }
        }
    }

    /// Whether it could be carried out now. What the treasury holds is another day's question.
    pub(crate) fn check(&self, step: &Step<'_>) -> Done {
        match self {
            Self::Text => Ok(()),
            Self::Params(_) | Self::Class(_) | Self::Runtime(..) => self.changed(step).map(|_| ()),
            Self::RetireClass(class) => classes::may_retire(step, *class),
            Self::Payment(to, amount) if *amount == 0 || *to == Address::ZERO || system::is_system(to) => {
                Err(Failure::PaymentInvalid.into())
            }
            Self::Payment(..) => Ok(()),
            Self::Upgrade(name, height, version) => upgrade::may_schedule(step, name, *height, *version),
        }
    }

    /// The parameters after it, for the kinds that change them.
    fn changed(&self, step: &Step<'_>) -> Done<Params> {
        let now = params::load(&step.state)?;
        Ok(match self {
            Self::Params(json) => changes(json, &now).map_err(|error| failure_of(&error))?,
            Self::Class(json) => with_class(step, &now, json)?,
            Self::Runtime(runtime, active) => {
                let mut after = Params::clone(&now);
                if now.runtimes.contains(runtime) == *active || (!active && now.runtimes.len() == 1) {
                    return Err(Failure::RuntimeStands.into());
                }
                match active {
                    true => after.runtimes.push(*runtime),
                    false => after.runtimes.retain(|one| one != runtime),
                }
                after
            }
            Self::Text | Self::RetireClass(_) | Self::Payment(..) | Self::Upgrade(..) => Params::clone(&now),
        })
    }

    /// Carries it out.
    pub(crate) fn carry_out(&self, step: &mut Step<'_>, id: u64) -> Done {
        self.check(step)?;
        match self {
            Self::Text => Ok(()),
            Self::Params(json) => {
                let after = self.changed(step)?;
                params::store(step, &after)?;
                step.emit(system::GOVERNANCE, &IGovernance::ParamsChanged { id, changes: text(json) });
                Ok(())
            }
            Self::Class(_) => {
                let after = self.changed(step)?;
                params::store(step, &after)?;
                let class = after.classes.last().map(|class| class.id).unwrap_or_default();
                step.emit(system::GOVERNANCE, &IGovernance::ClassCreated { id, class });
                Ok(())
            }
            Self::Runtime(runtime, active) => {
                let after = self.changed(step)?;
                params::store(step, &after)?;
                let event = IGovernance::RuntimeChanged { id, runtime: *runtime, active: *active };
                step.emit(system::GOVERNANCE, &event);
                Ok(())
            }
            Self::RetireClass(class) => {
                classes::retire(step, *class);
                Ok(())
            }
            Self::Payment(to, amount) => {
                if money::held(&step.state, Pot::Treasury)? < *amount {
                    return Err(Failure::TreasuryShort.into());
                }
                transfer(step, Pot::Treasury, Pot::Account(*to), *amount)?;
                step.emit(system::GOVERNANCE, &IGovernance::Paid { id, to: *to, amount: *amount });
                Ok(())
            }
            Self::Upgrade(name, height, version) => upgrade::schedule(step, id, name, *height, *version),
        }
    }
}

/// Parameters of a running network after changes.
pub(crate) fn changes(json: &[u8], now: &Params) -> Result<Params, ChangesError> {
    if json.len() > MAX_JSON_BYTES {
        return Err(ChangesError::Malformed(format!("it has more than {MAX_JSON_BYTES} bytes")));
    }
    let json = std::str::from_utf8(json).map_err(|error| ChangesError::Malformed(error.to_string()))?;
    ParamChanges::from_json(json)?.govern(now)
}

fn failure_of(error: &ChangesError) -> Failure {
    match error {
        ChangesError::Malformed(_) | ChangesError::Twice(_) => Failure::ParamsMalformed,
        ChangesError::Unknown(_) => Failure::ParamUnknown,
        ChangesError::Value { .. } => Failure::ParamValue,
        ChangesError::Fixed(_) => Failure::ParamFixed,
        ChangesError::OwnKind(_) => Failure::ParamOwnKind,
        ChangesError::Nothing => Failure::ParamsSame,
        ChangesError::Bounds(_) => Failure::ParamBounds,
    }
}

fn with_class(step: &Step<'_>, now: &Params, json: &[u8]) -> Done<Params> {
    let parsed = (json.len() <= MAX_JSON_BYTES).then(|| serde_json::from_slice::<Class>(json).ok()).flatten();
    let class = parsed.filter(|class| !class.retired).ok_or(Failure::ClassInvalid)?;
    if now.classes.iter().any(|other| other.id == class.id || other.name == class.name) {
        return Err(Failure::ClassTaken.into());
    }
    // A class with others under it has no book: one that trades must not get any.
    let splits = |other: &&Class| is_leaf(&now.classes, other) && other.holds(&class);
    if now.classes.iter().filter(splits).any(|leaf| !leaf.retired || classes::is_retiring(&step.state, leaf.id)) {
        return Err(Failure::ClassSplits.into());
    }
    let mut after = now.clone();
    after.classes.push(class);
    after.validate().map_err(|_| Failure::ClassInvalid)?;
    Ok(after)
}
