//! What is traded: classes of compute, bandwidth and accelerators.
//!
//! Classes of one unit, hardware and tier form a family, whose regions are a tree. A class with no other
//! of its family under it is a leaf and has a book; an order that names an inner one may trade in any leaf
//! under it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::amount::{Grains, as_string};

/// What prices are for. Quantities are thousandths of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// 10^9 units of deterministic Wasm fuel; a quantity of 1 is 10^6.
    Gigafuel,
    /// 2^30 bytes served.
    Gib,
    /// A second of the named accelerator.
    ClassSecond,
}

/// How results are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// By replicas, challenges and adjudication: bit-identical execution.
    Replicated,
    /// By receipts the buyer signs.
    Metered,
}

/// A class, a governed parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its number, never reused.
    pub id: u32,
    /// Its name, never reused.
    pub name: String,
    /// What is sold.
    pub unit: Unit,
    /// Instruction set and level, as `x86-64-v3`; empty for any.
    pub cpu: String,
    /// Least memory of the machine, MiB.
    pub memory_mib: u32,
    /// Accelerator model; empty for none.
    pub accelerator: String,
    /// How it is verified.
    pub tier: Tier,
    /// Path in the tree of regions, `eu/west/fra`; empty for the whole world.
    pub region: String,
    /// Prices are multiples of this, grains.
    #[serde(with = "as_string")]
    pub tick: Grains,
    /// Quantities are multiples of this, thousandths of a unit.
    pub min_quantity: u64,
    /// Reference until an index is printed, grains a unit.
    #[serde(with = "as_string")]
    pub opening_reference: Grains,
    /// Takes no new orders, and has its resting ones closed.
    pub retired: bool,
}

impl Class {
    /// Fuel of one replicated CPU class for the whole world, as development networks have it.
    pub fn any_cpu(opening_reference: Grains) -> Self {
        Self {
            id: 1,
            name: "cpu".to_owned(),
            unit: Unit::Gigafuel,
            cpu: String::new(),
            memory_mib: 0,
            accelerator: String::new(),
            tier: Tier::Replicated,
            region: String::new(),
            tick: 1,
            min_quantity: 1,
            opening_reference,
            retired: false,
        }
    }

    /// Whether two classes differ in region at most.
    pub fn is_kin(&self, other: &Self) -> bool {
        (self.unit, self.tier, self.memory_mib) == (other.unit, other.tier, other.memory_mib)
            && (&self.cpu, &self.accelerator) == (&other.cpu, &other.accelerator)
    }

    /// Whether `other` is of the same family and lies in this class's region.
    pub fn holds(&self, other: &Self) -> bool {
        let inside = self.region.is_empty()
            || other.region.strip_prefix(&self.region).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.is_kin(other) && inside
    }
}

/// The class with this number.
pub fn class_of(classes: &[Class], id: u32) -> Option<&Class> {
    classes.iter().find(|class| class.id == id)
}

/// Whether nothing of its family lies under it: such a class has a book.
pub fn is_leaf(classes: &[Class], class: &Class) -> bool {
    !classes.iter().any(|other| other.id != class.id && class.holds(other))
}

/// The leaves an order that names `class` may trade in, by number.
pub fn leaves_under<'a>(classes: &'a [Class], class: &'a Class) -> impl Iterator<Item = &'a Class> {
    classes.iter().filter(|other| class.holds(other) && is_leaf(classes, other))
}

/// Most classes of a network.
const MAX_CLASSES: usize = 256;
const MAX_NAME_BYTES: usize = 64;

/// Checks a list of classes; the error names what is wrong.
pub fn check_classes(classes: &[Class]) -> Result<(), &'static str> {
    let (mut ids, mut names, mut places) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    if classes.len() > MAX_CLASSES {
        return Err("classes (more than 256)");
    }
    for class in classes {
        let place = (class.unit, class.tier, &class.cpu, class.memory_mib, &class.accelerator, &class.region);
        let short = [&class.name, &class.cpu, &class.accelerator, &class.region].map(|text| text.len());
        match () {
            () if class.id == 0 || !ids.insert(class.id) => return Err("classes (id zero or twice)"),
            () if class.name.is_empty() || !names.insert(&class.name) => return Err("classes (name empty or twice)"),
            () if short.iter().any(|length| *length > MAX_NAME_BYTES) => return Err("classes (text too long)"),
            () if !places.insert(place) => return Err("classes (the same hardware, tier and region twice)"),
            () if class.tick == 0 || class.min_quantity == 0 => return Err("classes (tick or least quantity zero)"),
            () if class.opening_reference == 0 || class.opening_reference > u128::from(u64::MAX) << 32 => {
                return Err("classes (opening reference)");
            }
            () if !is_path(&class.region) => return Err("classes (region is not a path like eu/west/fra)"),
            () => {}
        }
    }
    Ok(())
}

fn is_path(region: &str) -> bool {
    let segment = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    region.is_empty() || region.split('/').all(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(id: u32, region: &str) -> Class {
        Class { id, name: format!("class {id}"), region: region.to_owned(), ..Class::any_cpu(1_000) }
    }

    #[test]
    fn an_inner_region_stands_for_the_leaves_under_it_in_its_own_family() {
        let mut classes = vec![class(1, "eu"), class(2, "eu/west"), class(3, "eu/west/fra"), class(4, "eu/north")];
        classes.push(Class { cpu: "x86-64-v4".to_owned(), ..class(5, "eu/west/fra") });
        classes.push(class(6, "europa"));
        check_classes(&classes).expect("good");
        let under =
            |id| leaves_under(&classes, class_of(&classes, id).expect("is there")).map(|c| c.id).collect::<Vec<_>>();
        assert_eq!(under(1), [3, 4]);
        assert_eq!(under(2), [3]);
        assert_eq!(under(3), [3]);
        assert_eq!(under(5), [5]);
        assert_eq!(under(6), [6]);
    }

    #[test]
    fn classes_that_could_be_mixed_up_are_refused() {
        let twice = [class(1, "eu"), class(1, "us")];
        assert_eq!(check_classes(&twice), Err("classes (id zero or twice)"));
        let same = [class(1, "eu"), Class { name: "other".to_owned(), ..class(2, "eu") }];
        assert_eq!(check_classes(&same), Err("classes (the same hardware, tier and region twice)"));
        for region in ["/eu", "eu/", "EU", "eu//west"] {
            assert!(check_classes(&[class(1, region)]).is_err(), "{region}");
        }
        assert!(check_classes(&[Class { tick: 0, ..class(1, "") }]).is_err());
    }
}
