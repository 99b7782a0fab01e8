//! Which known name somebody meant.

/// The known name nearest to `given`, if it is near: one slip of the pen for each three letters, as
/// optimal string alignment counts them (insert, drop, replace, swap neighbours).
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.into_iter().map(|name| (distance(given, name), name)).min()?;
    let allowed = (given.chars().count() / 3).max(1);
    (best.0 <= allowed).then_some(best.1)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_through_and_a_stranger_is_not() {
        let known = ["genesis", "dir", "keys", "listen", "adjudicate"];
        for (given, meant) in [
            ("genisis", Some("genesis")),
            ("lsiten", Some("listen")),
            ("key", Some("keys")),
            ("ajudicat", Some("adjudicate")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
    }
}
