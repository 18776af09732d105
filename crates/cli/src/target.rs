//! Which server is meant, and how are its answers wanted?

use std::time::Duration;

use clap::Args;
use reqwest::Url;

/// What every command that asks a server can be told.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server and output")]
pub(crate) struct Target {
    /// The server; https and a path before `/api` are fine
    #[arg(long, env = "PHOTINUS_URL", hide_env_values = true, value_name = "URL", default_value = "http://127.0.0.1:5000", value_parser = server_url, global = true)]
    pub(crate) url: Url,
    /// The namespace
    #[arg(
        short,
        long,
        env = "PHOTINUS_NAMESPACE",
        hide_env_values = true,
        value_name = "NAME",
        default_value = "default",
        value_parser = namespace,
        global = true
    )]
    pub(crate) namespace: String,
    /// How long an answer of the server may take, such as 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, global = true)]
    pub(crate) timeout: Duration,
    /// Prints JSON, one object a line, instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// A part of a path that has none of these would be another path.
fn namespace(text: &str) -> Result<String, String> {
    match text {
        "" | "." | ".." => Err("expected the name of a namespace, such as default".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn server_url(text: &str) -> Result<Url, String> {
    let expected =
        "expected an address such as http://127.0.0.1:5000 or https://events.example.com/photinus";
    let url = Url::parse(text).map_err(|error| format!("{error}; {expected}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(expected.to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "a query or a fragment has no place in it; {expected}"
        ));
    }
    Ok(url)
}

/// A time as people write it: `500ms`, `30s`, `2m`, `1h30m`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: expected something like 500ms, 30s, 2m or 1h30m");
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = after;
    }
    if text.is_empty() {
        Err(wrong())
    } else {
        Ok(total)
    }
}

/// A time in the words that the server reads: Go's.
pub(crate) fn duration_text(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_do() {
        for (text, expected) in [
            ("30", Some(30_000)),
            ("500ms", Some(500)),
            ("1.5s", Some(1_500)),
            ("1h30m", Some(5_400_000)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("5 s", None),
            ("-1s", None),
            ("soon", None),
            ("1.2.3s", None),
            ("1e400s", None),
            ("99999999999999999999999h", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(duration(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_server_is_an_address_of_the_web() {
        for text in [
            "http://localhost:5000",
            "https://a.example/b/",
            "http://[::1]:5000",
        ] {
            assert!(server_url(text).is_ok(), "{text}");
        }
        for text in [
            "localhost:5000",
            "127.0.0.1:5000",
            "ws://a",
            "http://a?x",
            "http://",
            "",
        ] {
            let error = server_url(text).unwrap_err();
            assert!(error.contains("http://127.0.0.1:5000"), "{text}: {error}");
        }
    }
}
