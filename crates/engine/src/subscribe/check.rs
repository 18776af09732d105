//! Which options and filters are refused?

use photinus_contract::options::BATCH_TIMEOUT_DEFAULT;
use photinus_contract::store::Start;
use photinus_contract::{
    CodedError, DurationText, Secrets, Sequence, Subscription, SubscriptionFilter,
    SubscriptionOptions,
};
use photinus_dispatch::Filter;

use crate::filters::Filters;
use crate::transports::RunningTransport;

/// Largest filter and options together, as JSON, in bytes.
const SUBSCRIPTION_BYTES_MAX: usize = 256 << 10;

/// Whether a subscription is stored.
pub(super) enum Durability<'a> {
    Ephemeral,
    /// It is; and this is the one that it replaces, if that is of the same transport.
    Durable(Option<&'a Subscription>),
}

/// What passed the checks.
pub(super) struct Passed {
    pub(super) filter: Filter,
    pub(super) secrets: Secrets,
    /// Those among the secrets that the transport has made just now.
    pub(super) made: Secrets,
}

/// The checks that durable and ephemeral subscriptions share. Fills in the defaults of batches, the secrets that are
/// kept and what the transport makes, and takes all secrets out again.
pub(super) fn checked(
    transport: &RunningTransport,
    filter: &SubscriptionFilter,
    options: &mut SubscriptionOptions,
    durability: Durability<'_>,
    filters: &Filters,
) -> Result<Passed, CodedError> {
    let places = transport.secret_places();
    let mut made = Secrets::default();
    let mut stored = None;
    match durability {
        Durability::Ephemeral => places.recall(&mut options.other, &made)?,
        Durability::Durable(replaced) => {
            stored = replaced.map(|replaced| &replaced.options);
            let kept = replaced.map(|replaced| &replaced.secrets);
            places.recall(&mut options.other, kept.unwrap_or(&made))?;
            let known = places.take(&mut options.other.clone());
            transport.complete(options)?;
            made = places.take(&mut options.other.clone()).without(&known);
        }
    }
    let tls = options
        .other
        .get("tlsConfigName")
        .and_then(|name| name.as_str());
    // A transport with an option of that name knows which there are.
    let tls = tls.filter(|name| !name.is_empty() && !transport.has_option("tlsConfigName"));
    if let Some(name) = tls {
        return Err(CodedError::bad_request(
            "FF10455",
            format!("Unknown TLS configuration '{name}' in option 'tlsConfigName'"),
        ));
    }
    check_duration(options.batch_timeout.as_deref(), "batchTimeout")?;
    check_duration(options.ack_timeout.as_deref(), "ackTimeout")?;
    options.policy()?;
    if options.ordering_key()?.is_some() {
        if options.is_batch() {
            return Err(CodedError::bad_request(
                "PH00445",
                "Options 'orderingKey' and 'batch' cannot be used together: a batch is one delivery",
            ));
        }
        if !transport.capabilities().ordering_keys {
            return Err(CodedError::bad_request(
                "PH00445",
                format!(
                    "Transport '{}' cannot have deliveries of several ordering keys on their way at once",
                    transport.name()
                ),
            ));
        }
    }
    // What is stored may come back as it is shown: a transport may have added `withData` to it.
    let is_as_stored =
        stored.is_some_and(|stored| stored.is_batch() && stored.with_data == Some(true));
    if options.is_batch() && options.with_data == Some(true) && !is_as_stored {
        return Err(CodedError::bad_request(
            "FF10460",
            "Options 'batch' and 'withData' cannot be used together",
        ));
    }
    if options.is_batch() && !transport.capabilities().batches {
        return Err(CodedError::bad_request(
            "FF10461",
            format!("Transport '{}' cannot deliver batches", transport.name()),
        ));
    }
    transport.validate(options)?;
    check_size(filter, options)?;
    if options.is_batch() {
        options.read_ahead = Some(options.read_ahead_or_default());
        let timeout = options.batch_timeout.take();
        let timeout = timeout.filter(|timeout| !timeout.is_empty());
        options.batch_timeout = Some(timeout.unwrap_or_else(|| BATCH_TIMEOUT_DEFAULT.into()));
    }
    let filter = filters.compile(filter)?;
    let secrets = places.take(&mut options.other);
    Ok(Passed {
        filter,
        secrets,
        made,
    })
}

/// Whether a subscription is no larger than one may be; the options with their secrets in place.
pub(super) fn check_size(
    filter: &SubscriptionFilter,
    options: &SubscriptionOptions,
) -> Result<(), CodedError> {
    let filter_size = serde_json::to_vec(filter).map_or(usize::MAX, |json| json.len());
    let options_size = serde_json::to_vec(options).map_or(usize::MAX, |json| json.len());
    match filter_size.saturating_add(options_size) > SUBSCRIPTION_BYTES_MAX {
        true => Err(CodedError::bad_request(
            "FF00135",
            format!("Filter and options have more than {SUBSCRIPTION_BYTES_MAX} bytes"),
        )),
        false => Ok(()),
    }
}

fn check_duration(text: Option<&str>, option: &str) -> Result<(), CodedError> {
    match text
        .filter(|text| !text.is_empty())
        .map(str::parse::<DurationText>)
    {
        Some(Err(_)) => Err(CodedError::bad_request(
            "FF00137",
            format!(
                "Unable to parse option '{option}' as a duration: expected a text such as '250ms', '1m30s', or digits for milliseconds"
            ),
        )),
        _ => Ok(()),
    }
}

/// Where a subscription begins: FireFly's `firstEvent`.
pub(super) fn start(first_event: Option<&str>) -> Result<Start, CodedError> {
    let text = match first_event {
        None | Some("" | "newest") => return Ok(Start::Newest),
        Some("oldest") => return Ok(Start::Oldest),
        Some(text) => text,
    };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sequence: i64 = match digits.bytes().all(|digit| digit.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
    .ok_or_else(|| {
        CodedError::bad_request(
            "FF10191",
            format!(
                "Invalid option 'firstEvent' '{text}': expected 'newest', 'oldest' or a sequence"
            ),
        )
    })?;
    if sequence < Sequence::OLDEST.0 {
        return Err(CodedError::bad_request(
            "FF10192",
            format!("Invalid option 'firstEvent' {sequence}: a sequence must be -1 or more"),
        ));
    }
    Ok(Start::After(Sequence(sequence.min(Sequence::MAX.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_event_is_a_word_or_a_sequence() {
        for (text, expected) in [
            (None, Start::Newest),
            (Some(""), Start::Newest),
            (Some("newest"), Start::Newest),
            (Some("oldest"), Start::Oldest),
            (Some("-1"), Start::After(Sequence(-1))),
            (Some("0"), Start::After(Sequence(0))),
            (Some("+3"), Start::After(Sequence(3))),
            (Some("9223372036854775807"), Start::After(Sequence::MAX)),
        ] {
            assert_eq!(start(text), Ok(expected), "{text:?}");
        }
        for (text, code) in [
            ("Oldest", "FF10191"),
            (" 3", "FF10191"),
            ("1.5", "FF10191"),
            ("+", "FF10191"),
            ("+-3", "FF10191"),
            ("99999999999999999999", "FF10191"),
            ("-2", "FF10192"),
        ] {
            assert_eq!(start(Some(text)).unwrap_err().code(), code, "{text}");
        }
    }
}
