//! Which of the known names was meant?

/// Nobody mistypes a longer name.
const NAME_MAX: usize = 100;

/// The known name that is nearest to what was written, if any is near. Case and `-` for `_` do not count.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if written.len() > NAME_MAX {
        return None;
    }
    let written = plain(written);
    // A third of the letters may be wrong.
    let steps_max = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| {
            let name_plain = plain(name);
            let mut steps = strsim::osa_distance(&written, &name_plain);
            // Half of a long name is more often meant than mistyped.
            if written.len() >= 4 && name_plain.contains(&written) {
                steps = steps.min(steps_max);
            }
            (steps, name)
        })
        .filter(|(steps, _)| *steps <= steps_max)
        .min()
        .map(|(_, name)| name)
}

/// A name as it is compared: variables of the environment are upper case and have no `-`.
pub(crate) fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_found_and_what_is_far_is_not() {
        let known = ["synchronous", "readers", "cache_bytes", "data", "log"];
        for (written, expected) in [
            ("synchronus", Some("synchronous")),
            ("SYNCHRONOUS", Some("synchronous")),
            ("sync", Some("synchronous")),
            ("reader", Some("readers")),
            ("cache-bytes", Some("cache_bytes")),
            ("chace_bytes", Some("cache_bytes")),
            ("date", Some("data")),
            ("lgo", Some("log")),
            ("feathers", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
    }
}
