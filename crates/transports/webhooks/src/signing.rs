//! How does a receiver know that a request is ours?
//!
//! As [Standard Webhooks](https://www.standardwebhooks.com) 1.0 says: an HMAC over the id, the time and the body, with
//! a secret that the two share. While a secret is replaced there are two, and either one is enough.

use data_encoding::BASE64;
use photinus_contract::transport::Rotation;
use photinus_contract::{CodedError, SubscriptionOptions, Timestamp};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use photinus_contract::own::invalid;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// How long a secret is, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How long one is that we make.
const MADE_BYTES: usize = 32;

const EXPECTED: &str = "expected 'whsec_' and 24 to 64 bytes in base64";

/// Signs requests.
pub(crate) struct Signer {
    current: hmac::Key,
    /// The one before, and until when it signs, too.
    previous: Option<(Timestamp, hmac::Key)>,
}

/// What a signature says of a request.
pub(crate) struct Signed {
    /// Seconds since 1970.
    pub(crate) timestamp: String,
    pub(crate) signature: String,
}

impl Signer {
    /// What signs, if anything does. `PH00447` if a secret is none; the words do not repeat it.
    pub(crate) fn read(
        signing: Option<bool>,
        secret: Option<String>,
        previous: Option<String>,
    ) -> Result<Option<Self>, CodedError> {
        let current = secret.map(|secret| key(&secret)).transpose();
        let current = current.map_err(|expected| invalid("secret", expected))?;
        let previous = previous.map(|text| previous_key(&text)).transpose();
        let previous = previous.map_err(|expected| invalid("previousSecret", expected))?;
        Ok(match (signing, current) {
            (Some(false), _) | (_, None) => None,
            (_, Some(current)) => Some(Self { current, previous }),
        })
    }

    /// Signs a request that is sent at this time.
    pub(crate) fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> Signed {
        let timestamp = now.as_nanos().div_euclid(1_000_000_000).to_string();
        let with = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                context.update(part);
            }
            format!("v1,{}", BASE64.encode(context.sign().as_ref()))
        };
        let mut signature = with(&self.current);
        if let Some((until, key)) = &self.previous
            && now < *until
        {
            signature.push(' ');
            signature.push_str(&with(key));
        }
        Signed {
            timestamp,
            signature,
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// Whether these options are to have a secret.
fn signs(options: &SubscriptionOptions) -> bool {
    options.other.get("signing") != Some(&false.into())
}

/// A subscription that signs and has no secret is given one.
pub(crate) fn complete(options: &mut SubscriptionOptions) {
    if signs(options)
        && options
            .other
            .get("secret")
            .is_none_or(|secret| secret.is_null())
        && let Some(made) = made()
    {
        options.other.insert("secret".to_owned(), made.into());
    }
}

/// Puts another secret in the place of the one that these options have.
pub(crate) fn rotate(
    options: &mut SubscriptionOptions,
    rotation: Rotation,
) -> Result<String, CodedError> {
    let old = options
        .other
        .get("secret")
        .and_then(|secret| secret.as_str());
    let Some(old) = old.filter(|_| signs(options)) else {
        let text =
            "This subscription signs nothing ('signing' is false): there is no secret to replace";
        return Err(CodedError::bad_request("PH00449", text));
    };
    let new = match rotation.secret {
        Some(given) => given,
        None => made().ok_or_else(|| CodedError::internal("there are no random numbers"))?,
    };
    key(&new).map_err(|expected| invalid("secret", expected))?;
    if new == *old {
        return Err(CodedError::bad_request(
            "PH00449",
            "The new secret is the old one",
        ));
    }
    let previous = format!("{} {old}", rotation.old_until);
    options
        .other
        .insert("previousSecret".to_owned(), previous.into());
    options
        .other
        .insert("secret".to_owned(), new.clone().into());
    Ok(new)
}

fn made() -> Option<String> {
    let mut bytes = [0; MADE_BYTES];
    // It fails only where the system has no random numbers; nothing is made up then.
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(format!("{PREFIX}{}", BASE64.encode(&bytes)))
}

fn key(secret: &str) -> Result<hmac::Key, &'static str> {
    let digits = secret.strip_prefix(PREFIX).ok_or(EXPECTED)?;
    let bytes = BASE64.decode(digits.as_bytes()).map_err(|_| EXPECTED)?;
    match SECRET_BYTES.contains(&bytes.len()) {
        true => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
        false => Err(EXPECTED),
    }
}

/// `TIME SECRET`.
fn previous_key(text: &str) -> Result<(Timestamp, hmac::Key), &'static str> {
    let expected = "expected a time in RFC 3339, a blank, and a secret";
    let (until, secret) = text.split_once(' ').ok_or(expected)?;
    let until = until.parse().map_err(|_| expected)?;
    Ok((until, key(secret).map_err(|_| expected)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // The example of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000 + 5)
    }

    fn signer(previous: Option<String>) -> Signer {
        let signer = Signer::read(None, Some(SECRET.to_owned()), previous);
        signer.unwrap().unwrap()
    }

    #[test]
    fn the_vector_of_the_specification_is_signed_alike() {
        let signed = signer(None).sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at(1_614_265_330),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.timestamp, "1614265330");
        assert_eq!(
            signed.signature,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn while_a_secret_is_replaced_both_sign() {
        let signer = signer(Some(format!("{} {OTHER}", at(100))));
        let both = signer.sign("a", at(99), b"x").signature;
        assert_eq!(both.split(' ').count(), 2, "{both}");
        assert_eq!(
            signer.sign("a", at(101), b"x").signature.split(' ').count(),
            1
        );
    }

    #[test]
    fn secrets_are_made_kept_and_replaced() {
        let mut options = SubscriptionOptions::default();
        complete(&mut options);
        let made = options.other["secret"].as_str().unwrap().to_owned();
        assert!(key(&made).is_ok(), "{made}");
        complete(&mut options);
        assert_eq!(options.other["secret"], json!(made));

        let new = rotate(&mut options, Rotation::new(None, at(100))).unwrap();
        assert_ne!(new, made);
        assert_eq!(options.other["secret"], json!(new));
        let previous = options.other["previousSecret"].as_str().unwrap();
        assert!(previous.ends_with(&made) && previous_key(previous).is_ok());
        let given = Rotation::new(Some(SECRET.to_owned()), at(200));
        assert_eq!(rotate(&mut options, given).unwrap(), SECRET);
        let bad = Rotation::new(Some("hush".to_owned()), at(200));
        let error = rotate(&mut options, bad).unwrap_err();
        assert!(error.code() == "PH00447" && !error.to_string().contains("hush"));

        options.other.insert("signing".into(), false.into());
        let error = rotate(&mut options, Rotation::new(None, at(1))).unwrap_err();
        assert_eq!(error.code(), "PH00449");
        options.other.remove("secret");
        complete(&mut options);
        assert_eq!(options.other.get("secret"), None);
    }
}
