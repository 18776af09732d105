//! How is the secret of a subscription replaced without an event that its application cannot check?
//!
//! For a while what is sent is signed with both secrets, the new one and the old one. All else about the subscription
//! stays as it is, and its position too.

use std::fmt;
use std::time::Duration;

use photinus_contract::secrets::MASK;
use photinus_contract::transport::Rotation;
use photinus_contract::{CodedError, DurationText, Subscription, SubscriptionId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::check::check_size;
use super::unknown;
use crate::core::Core;

/// How long the old secret is used beside the new one where nobody says.
const OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// The longest that it can be: an old secret that is never given up was not replaced.
const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A secret that has replaced another. It is shown in this answer, and never again.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Rotated {
    /// The new one.
    pub secret: String,
    /// Until when what is sent is signed with the old one, too.
    pub old_until: Timestamp,
}

impl fmt::Debug for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotated")
            .field("secret", &MASK)
            .field("old_until", &self.old_until)
            .finish()
    }
}

impl Core {
    /// Replaces the secret of a durable subscription by this one, or by one that its transport makes.
    pub(crate) async fn rotate_secret(
        &self,
        namespace: &str,
        id: SubscriptionId,
        secret: Option<String>,
        overlap: Option<String>,
    ) -> Result<Rotated, CodedError> {
        if secret
            .as_deref()
            .is_some_and(|secret| secret.is_empty() || secret == MASK)
        {
            return Err(refused(format!(
                "A new secret is neither empty nor '{MASK}': leave it out to have one made"
            )));
        }
        let overlap = understood(overlap.as_deref())?;
        let _one_at_a_time = self.admin.lock().await;
        let (_, stored) = self.stored(namespace, id)?;
        let name = &*stored.transport;
        let transport = self.transports.get(name).ok_or_else(|| unknown(name))?;

        let mut changed = Subscription::clone(&stored);
        changed.options.other = stored.revealed_options();
        let old_until = after(self.clock.now(), overlap);
        let rotation = Rotation::new(secret, old_until);
        let secret = transport.rotate_secret(&mut changed.options, rotation)?;
        transport.validate(&mut changed.options)?;
        check_size(&changed.filter, &changed.options)?;
        // What is behind a mask stays there, also if the transport calls it secret no longer.
        let places = transport.secret_places().and_those_of(&stored.secrets);
        changed.secrets = places.take(&mut changed.options.other);

        let filter = self.filters.compile_stored(&changed.filter)?;
        self.replace(&stored, changed, filter).await?;
        Ok(Rotated { secret, old_until })
    }
}

fn understood(overlap: Option<&str>) -> Result<Duration, CodedError> {
    let Some(text) = overlap.filter(|text| !text.is_empty()) else {
        return Ok(OVERLAP_DEFAULT);
    };
    let overlap = text.parse::<DurationText>()?.value();
    match overlap <= OVERLAP_MAX {
        true => Ok(overlap),
        false => Err(refused(format!(
            "An overlap of '{text}' is too long: the old secret is used beside the new one for at most 720h (30 days), and not at all with '0s'"
        ))),
    }
}

fn refused(text: String) -> CodedError {
    CodedError::bad_request("PH00449", text)
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(now.as_nanos().saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_duration_of_at_most_thirty_days() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3_600));
        for (text, expected) in [
            (None, hours(24)),
            (Some(""), hours(24)),
            (Some("0"), hours(0)),
            (Some("0s"), hours(0)),
            (Some("90m"), Ok(Duration::from_secs(5_400))),
            (Some("720h"), hours(720)),
            (Some("720h0.001s"), Err("PH00449")),
            (Some("1000000h"), Err("PH00449")),
            (Some("-1h"), Err("FF00137")),
            (Some("30d"), Err("FF00137")),
        ] {
            let found = understood(text);
            let found = found.as_ref().map_err(CodedError::code);
            assert_eq!(found.copied(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_new_secret_is_not_printed_by_chance() {
        let rotated = Rotated {
            secret: "s3cr3t".to_owned(),
            old_until: Timestamp::from_nanos(0),
        };
        assert!(!format!("{rotated:?}").contains("s3cr3t"));
    }
}
