//! Which part of a URL must not be shown?
//!
//! Its password, also where nobody marked the key as a secret: `amqp://user:***@host`.

use photinus_contract::secrets::MASK;
use serde_json::Value;

/// What stands between the scheme of a URL and its user.
const SCHEME_END: &str = "://";

/// The text with a mask in place of the password of each URL in it.
pub(crate) fn without_passwords(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(end) = rest.find(SCHEME_END) {
        let (scheme, after) = (&rest[..end], &rest[end + SCHEME_END.len()..]);
        shown.push_str(&rest[..rest.len() - after.len()]);
        rest = after;
        if let Some((user, at)) = scheme
            .ends_with(is_of_scheme)
            .then(|| user_and_host(after))
            .flatten()
        {
            shown.push_str(&format!("{}:{MASK}", &after[..user]));
            rest = &after[at..];
        }
    }
    shown + rest
}

/// The same of every text in a value.
pub(crate) fn hide_passwords(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_passwords(text),
        Value::Array(values) => values.iter_mut().for_each(hide_passwords),
        Value::Object(values) => values.values_mut().for_each(hide_passwords),
        _ => {}
    }
}

/// Where the user ends and where the `@` before the host is, if there is a password between them. `after` is what
/// follows the scheme.
fn user_and_host(after: &str) -> Option<(usize, usize)> {
    // Up to the next URL.
    let text = after
        .find(SCHEME_END)
        .map_or(after, |next| after[..next].trim_end_matches(is_of_scheme));
    let word = text.split(char::is_whitespace).next()?;
    let authority = word.split(['/', '?', '#']).next()?;
    let at = authority.rfind('@');
    let host = &authority[at.map_or(0, |at| at + 1)..];
    // With something else in place of its port it is no host, but a password in which somebody wrote a `/`, a `#` or
    // a space as it is.
    let at = match is_host(host) {
        true => at,
        false => word.rfind('@').or_else(|| text.rfind('@')),
    }?;
    let user = text[..at].find(':')?;
    (user + 1 < at).then_some((user, at))
}

fn is_host(text: &str) -> bool {
    let port = match text.starts_with('[') {
        true => "",
        false => text.split_once(':').map_or("", |(_, port)| port),
    };
    port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_of_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_password_of_a_url_is_masked_and_nothing_else() {
        for (text, expected) in [
            ("amqp://user:pw@host", "amqp://user:***@host"),
            (
                "amqps://user:pw@127.0.0.1:5671/%2f?heartbeat=5",
                "amqps://user:***@127.0.0.1:5671/%2f?heartbeat=5",
            ),
            ("redis://:pw@host/0", "redis://:***@host/0"),
            (
                "jdbc:postgresql+ssl://u:pw@[::1]:5432/db",
                "jdbc:postgresql+ssl://u:***@[::1]:5432/db",
            ),
            (
                "amqp://us%40er:p%3A%2F%40w@host/%2f",
                "amqp://us%40er:***@host/%2f",
            ),
            ("amqp://user:p@s:s@host/v", "amqp://user:***@host/v"),
            ("amqp://user:p/w@host:1/v", "amqp://user:***@host:1/v"),
            ("amqp://user:a?b#c@host", "amqp://user:***@host"),
            ("amqp://user:my own@host", "amqp://user:***@host"),
            ("amqp://us@er:p/w@host", "amqp://us@er:***@host"),
            ("amqp://user:päß@hôst", "amqp://user:***@hôst"),
            ("amqp://user:***@host", "amqp://user:***@host"),
            (
                "https://user:pw@host/a@b?c=d:e@f",
                "https://user:***@host/a@b?c=d:e@f",
            ),
        ] {
            assert_eq!(without_passwords(text), expected);
            assert_eq!(without_passwords(expected), expected, "a second time");
        }
    }

    #[test]
    fn every_url_of_a_text_is_one() {
        for (text, expected) in [
            (
                "amqp://a:b@h1:5672,amqp://c:d@h2/v,amqp://h3",
                "amqp://a:***@h1:5672,amqp://c:***@h2/v,amqp://h3",
            ),
            (
                "amqp://h3 amqp://c:d@h2 mail a@b",
                "amqp://h3 amqp://c:***@h2 mail a@b",
            ),
            (
                "expected no path, got 'amqp://a:b@h1/v': see https://docs.example/urls",
                "expected no path, got 'amqp://a:***@h1/v': see https://docs.example/urls",
            ),
            ("x://y://u:pw@h", "x://y://u:***@h"),
        ] {
            assert_eq!(without_passwords(text), expected);
        }
        let mut value = json!([{"urls": ["amqp://a:b@h1", "amqp://c:d@h2"]}, "e", 5, null]);
        hide_passwords(&mut value);
        assert_eq!(
            value,
            json!([{"urls": ["amqp://a:***@h1", "amqp://c:***@h2"]}, "e", 5, null])
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_masked_stays_as_it_is(text in "(a|1|é|:|/|@|\\?|\\[| |,|://|x://u:p){0,12}") {
            let once = without_passwords(&text);
            assert_eq!(without_passwords(&once), once);
        }
    }

    #[test]
    fn what_has_no_password_is_as_it_was() {
        for text in [
            "",
            "://",
            "://:@",
            "amqp://",
            "amqp://host",
            "amqp://host:5672/%2f",
            "amqp://user@host",
            "amqp://user:@host",
            "https://host:8080/a@b",
            "https://host/a:b@c",
            "https://[::1]/a@b",
            "https://[::1]:8080/@a",
            "https://host?mail=a:b@c",
            "user:pw@host",
            "mailto:user:pw@host",
            "://user:pw@host",
            "//user:pw@host",
            "a :// b:c@d",
            "see amqp://host: ask admin:x@host",
        ] {
            assert_eq!(without_passwords(text), text);
        }
    }
}
