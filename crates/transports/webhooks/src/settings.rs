//! What do the options of a webhook mean?

use std::time::Duration;

use data_encoding::BASE64;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use photinus_contract::own::{duration, invalid};
use photinus_contract::retry::{
    DELAY_MAX, Delays, INITIAL_DELAY_DEFAULT, MAX_DELAY_DEFAULT, Policy,
};
use photinus_contract::{CodedError, SubscriptionOptions};
use url::Url;

use crate::client::ClientKey;
use crate::config::{Config, Understood};
use crate::options::{CloudEvents, ConfirmationMode, Input, Options, Retry};
use crate::request::TEST_HEADER;
use crate::signing::Signer;

/// How often FireFly tries again where `retry` does not say.
const RETRY_COUNT_DEFAULT: u32 = 5;
/// Longest `url`, in bytes.
const URL_BYTES_MAX: usize = 8 << 10;
/// Most headers that options may name.
const HEADERS_MAX: usize = 100;

/// The options of a webhook, understood.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where events go: without a user, a password and a fragment.
    pub(crate) url: Url,
    pub(crate) method: Method,
    /// Of the server and of the subscription.
    pub(crate) headers: HeaderMap,
    /// What is added to the query, in order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) input: Input,
    pub(crate) mode: ConfirmationMode,
    /// How often an event is tried before whatever came is enough: with a reply and with `besteffort`.
    pub(crate) attempts_max: u32,
    pub(crate) reply: Option<Reply>,
    /// The answer is JSON, whatever it says.
    pub(crate) json: bool,
    pub(crate) cloud_events: Option<CloudEvents>,
    pub(crate) signer: Option<Signer>,
    pub(crate) request_timeout: Duration,
    pub(crate) client: ClientKey,
}

/// What an answer is published as.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) tag: String,
    pub(crate) txtype: String,
}

/// What options are understood with.
pub(crate) struct Reader<'a> {
    pub(crate) config: &'a Config,
    pub(crate) understood: &'a Understood,
}

impl Reader<'_> {
    /// Understands the options of a subscription, with all their secrets. The error names the option and repeats no
    /// secret.
    pub(crate) fn read(&self, options: &SubscriptionOptions) -> Result<Settings, CodedError> {
        let own = Options::read(&options.other)?;
        if let Some(name) = Some(&own.tls_config_name).filter(|name| !name.is_empty())
            && !self.config.tls.contains_key(name)
        {
            return Err(CodedError::bad_request(
                "FF10455",
                format!(
                    "Unknown TLS configuration '{name}' in option 'tlsConfigName': expected NAME of a [transports.webhooks.tls.NAME]"
                ),
            ));
        }
        let mode = self.mode(&own)?;
        let policy = policy(options, &own.retry)?;
        let batch = options.is_batch();
        if batch && own.cloud_events == Some(CloudEvents::Binary) {
            let text = "'binary' holds one event in a request: use 'structured' with 'batch'";
            return Err(invalid("cloudEvents", text));
        }
        let mut url = self.url(&own.url)?;
        let method = method(&own.method)?;
        let headers = self.headers(&own, &mut url)?;
        let (client, request_timeout) = self.client(&own, mode)?;
        let once = own.reply || mode == ConfirmationMode::Besteffort;
        Ok(Settings {
            url,
            method,
            headers,
            query: own.query.into_iter().collect(),
            input: own.input,
            mode,
            // What counts anyway is tried again only if that is asked for.
            attempts_max: policy
                .attempts_max
                .unwrap_or(if once { 1 } else { u32::MAX }),
            reply: own.reply.then(|| Reply {
                tag: own.replytag,
                txtype: own.replytx.to_lowercase(),
            }),
            json: own.json,
            cloud_events: own.cloud_events,
            signer: Signer::read(own.signing, own.secret, own.previous_secret)?,
            request_timeout,
            client,
        })
    }

    fn mode(&self, own: &Options) -> Result<ConfirmationMode, CodedError> {
        let fastack = own.fastack && !own.reply;
        let mode = match (own.confirmation_mode, own.fastack) {
            (Some(mode), true) if mode != ConfirmationMode::Fastack => {
                return Err(invalid(
                    "confirmationMode",
                    "'fastack' is set, which allows no other mode",
                ));
            }
            (Some(mode), _) => mode,
            (None, _) if fastack => ConfirmationMode::Fastack,
            (None, _) => self.config.confirmation_mode,
        };
        // The reply is in the answer, which has to be waited for.
        match mode {
            ConfirmationMode::Fastack if own.reply => Ok(ConfirmationMode::Besteffort),
            mode => Ok(mode),
        }
    }

    fn url(&self, text: &str) -> Result<Url, CodedError> {
        let bad = |text: String| CodedError::bad_request("FF10242", text);
        let text = text.trim();
        if text.is_empty() {
            return Err(bad(
                "Option 'url' is missing: expected where events go".into()
            ));
        }
        if text.len() > URL_BYTES_MAX {
            return Err(bad(format!(
                "Option 'url' has more than {URL_BYTES_MAX} bytes"
            )));
        }
        let parsed = match (Url::parse(text), &self.understood.base_url) {
            (Err(url::ParseError::RelativeUrlWithoutBase), Some(base)) => joined(base, text),
            (Err(url::ParseError::RelativeUrlWithoutBase), None) => {
                return Err(bad(
                    "Option 'url' does not begin with http:// or https://, and the server has no [transports.webhooks] base_url"
                        .into(),
                ));
            }
            (parsed, _) => parsed,
        };
        let mut url = parsed.map_err(|error| bad(format!("Option 'url' is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!(
                "Option 'url' begins with '{}:': expected http:// or https://",
                url.scheme()
            )));
        }
        url.set_fragment(None);
        // The two libraries do not agree on every character.
        let asked = url.as_str().parse::<http::Uri>();
        asked.map_err(|error| bad(format!("Option 'url' cannot be asked: {error}")))?;
        Ok(url)
    }

    /// Those of the server, those of the subscription, and what stands in the URL for a user and a password.
    fn headers(&self, own: &Options, url: &mut Url) -> Result<HeaderMap, CodedError> {
        if own.headers.len() + own.secret_headers.len() > HEADERS_MAX {
            return Err(invalid(
                "headers",
                &format!("at most {HEADERS_MAX} are sent"),
            ));
        }
        let mut headers = self.understood.headers.clone();
        if !url.username().is_empty() || url.password().is_some() {
            headers.insert(AUTHORIZATION, basic(url));
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
        for (option, given, secret) in [
            ("headers", &own.headers, false),
            ("secretHeaders", &own.secret_headers, true),
        ] {
            for (name, value) in given {
                let bad = |expected: &str| {
                    invalid(option, &format!("'{}' {expected}", name.escape_debug()))
                };
                let key: HeaderName = name.parse().map_err(|_| bad("is no name of a header"))?;
                if is_reserved(&key) {
                    return Err(bad("is set by the HTTP client"));
                }
                let value: Result<HeaderValue, _> = value.parse();
                let mut value = value.map_err(|_| bad("has characters that no header has"))?;
                value.set_sensitive(secret || key == AUTHORIZATION);
                headers.insert(key, value);
            }
        }
        Ok(headers)
    }

    fn client(
        &self,
        own: &Options,
        mode: ConfirmationMode,
    ) -> Result<(ClientKey, Duration), CodedError> {
        let http = &own.http_options;
        let within = |text: &Option<String>, option: &str, default: Duration| {
            let given = duration(text.as_deref(), &format!("httpOptions.{option}"))?;
            let given = given.map(|given| given.value());
            Ok::<_, CodedError>(given.filter(|given| !given.is_zero()).unwrap_or(default))
        };
        let config = self.config;
        duration(
            http.expect_continue_timeout.as_deref(),
            "httpOptions.expectContinueTimeout",
        )?;
        let request_timeout = within(
            &http.request_timeout,
            "requestTimeout",
            config.request_timeout.value(),
        )?;
        let given = http.proxy_url.as_deref().filter(|url| !url.is_empty());
        let given = given.map(|url| {
            proxy_url(url).map_err(|expected| invalid("httpOptions.proxyURL", expected))
        });
        let given = given.transpose()?;
        let key = ClientKey {
            // The operator's own is where it may be; another one has to be reachable as a receiver has.
            is_proxy_trusted: given.is_none(),
            proxy: given.or_else(|| self.understood.proxy.clone()),
            tls: Some(own.tls_config_name.clone()).filter(|name| !name.is_empty()),
            connection_timeout: within(
                &http.connection_timeout,
                "connectionTimeout",
                config.connection_timeout.value(),
            )?,
            tls_handshake_timeout: within(
                &http.tls_handshake_timeout,
                "tlsHandshakeTimeout",
                config.tls_handshake_timeout.value(),
            )?,
            idle_timeout: within(
                &http.idle_timeout,
                "idleTimeout",
                config.idle_timeout.value(),
            )?,
            idle_max: match http.max_idle_conns {
                None | Some(0) => config.idle_connections_max,
                Some(max) => (max as usize).min(config.idle_connections_max),
            },
            // Only there it is known when a request was sent.
            http1_only: mode == ConfirmationMode::Fastack,
        };
        Ok((key, request_timeout))
    }
}

impl Settings {
    /// The receiver that these requests go to: where they go, without what differs between requests.
    pub(crate) fn receiver(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.into()
    }
}

/// What becomes of events that fail, of options that were accepted and have masks in the place of their secrets.
pub(crate) fn policy_of_stored(options: &SubscriptionOptions) -> Policy {
    let retry = options.other.get("retry").cloned();
    let alone = retry.map(|retry| ("retry".to_owned(), retry));
    let own = Options::read(&alone.into_iter().collect());
    let policy = own.and_then(|own| policy(options, &own.retry));
    policy.unwrap_or_default()
}

/// What becomes of events that fail: `retryPolicy`, or what FireFly's `retry` says.
pub(crate) fn policy(options: &SubscriptionOptions, retry: &Retry) -> Result<Policy, CodedError> {
    let mut policy = options.policy()?;
    if !retry.enabled {
        return Ok(policy);
    }
    if options.retry_policy.is_some() {
        let text = "it cannot stand beside 'retryPolicy', which says the same and more";
        return Err(invalid("retry", text));
    }
    let delay = |text: &Option<String>, option: &str, default: Duration| {
        let given = duration(text.as_deref(), option)?.map(|given| given.value());
        match given.unwrap_or(default) {
            delay if delay > DELAY_MAX => Err(invalid(option, "at most 24h")),
            delay => Ok(delay),
        }
    };
    let initial = delay(
        &retry.initial_delay,
        "retry.initialDelay",
        INITIAL_DELAY_DEFAULT,
    )?;
    let max = delay(&retry.max_delay, "retry.maxDelay", MAX_DELAY_DEFAULT)?;
    if let Delays::Growing {
        initial: first,
        max: longest,
        ..
    } = &mut policy.delays
    {
        (*first, *longest) = (initial.min(max), max);
    }
    let count = retry.count.unwrap_or(RETRY_COUNT_DEFAULT);
    policy.attempts_max = Some(count.saturating_add(1));
    Ok(policy)
}

/// An HTTP proxy. The words do not repeat it.
pub(crate) fn proxy_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "expected a URL such as http://proxy:3128")?;
    match url.scheme() {
        "http" if url.has_host() => Ok(url),
        _ => Err("must begin with http://"),
    }
}

/// A relative address goes to the end of the base, whether it begins with a slash or not.
fn joined(base: &Url, relative: &str) -> Result<Url, url::ParseError> {
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join(relative.trim_start_matches('/'))
}

/// Any word in which a method can be written.
fn method(text: &str) -> Result<Method, CodedError> {
    match text {
        "" => Ok(Method::POST),
        "CONNECT" => Err(invalid("method", "'CONNECT' asks for no resource")),
        _ => Method::from_bytes(text.as_bytes())
            .map_err(|_| invalid("method", "expected the name of an HTTP method")),
    }
}

/// What the client sets itself, because it says how the request is to be read.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    let framing = [
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        CONNECTION,
        UPGRADE,
        TE,
        TRAILER,
        HOST,
    ];
    framing.contains(name)
        || ["keep-alive", "proxy-connection", "expect"].contains(&name.as_str())
        // What a signature, and a test, alone may say.
        || ["webhook-id", "webhook-timestamp", "webhook-signature"].contains(&name.as_str())
        || *name == TEST_HEADER
}

pub(crate) fn basic(url: &Url) -> HeaderValue {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let mut pair = decoded(url.username());
    pair.push(b':');
    pair.extend(decoded(url.password().unwrap_or_default()));
    let text = format!("Basic {}", BASE64.encode(&pair));
    // Base64 is made of characters that a header has.
    let mut value = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests;
