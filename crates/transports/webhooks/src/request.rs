//! What is sent for an event, or for a batch of them?

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use photinus_contract::{Data, Event, Subscription, Timestamp, cloud_event};
use ring::digest;
use url::Url;

use crate::cloudevents::in_header;
use crate::fields::Fields;
use crate::options::CloudEvents;
use crate::settings::{Settings, is_reserved};

/// Who asks, if options do not say.
const AGENT: &str = concat!("photinus/", env!("CARGO_PKG_VERSION"));
/// Most headers that the data of an event may name.
const HEADERS_MAX: usize = 100;
/// Says that a request is a test, and nothing more.
pub(crate) const TEST_HEADER: HeaderName = HeaderName::from_static("photinus-test");

/// An event with the values of its message, if the subscription has them.
#[derive(Clone, Copy)]
pub(crate) struct Sample<'a> {
    pub(crate) event: &'a Event,
    pub(crate) data: Option<&'a [Data]>,
}

impl<'a> Sample<'a> {
    fn values(&self) -> &'a [Data] {
        self.data.unwrap_or_default()
    }
}

/// What is sent, and what of it the answer is judged by.
pub(crate) struct Prepared {
    pub(crate) request: Request<Bytes>,
    /// The kind of transaction of a reply.
    pub(crate) reply_txtype: Option<String>,
}

/// What makes requests of events.
pub(crate) struct Composer<'a> {
    pub(crate) subscription: &'a Subscription,
    pub(crate) settings: &'a Settings,
    pub(crate) now: Timestamp,
    pub(crate) is_test: bool,
}

impl Composer<'_> {
    /// The request for one event. The error says what in its data makes none.
    pub(crate) fn one(&self, sample: Sample<'_>) -> Result<Prepared, String> {
        let settings = self.settings;
        let input = &settings.input;
        let mut fields = Fields::of(sample.data);
        let named = [
            &input.query,
            &input.headers,
            &input.body,
            &input.path,
            &input.replytx,
        ];
        if named.iter().any(|name| !name.is_empty()) {
            fields = fields.read();
        }
        let mut url = settings.url.clone();
        if let Some(path) = fields.string(&input.path) {
            append_path(&mut url, path);
        }
        let mut query = settings.query.clone();
        if !input.query.is_empty() {
            for (key, value) in fields.pairs(&input.query) {
                query.retain(|(known, _)| known != key);
                query.push((key.to_owned(), value));
            }
            query.sort();
        }
        append_query(&mut url, &query);
        let mut headers = settings.headers.clone();
        if fields.pairs(&input.headers).count() > HEADERS_MAX {
            return Err(format!("its data has more than {HEADERS_MAX} headers"));
        }
        for (name, value) in fields.pairs(&input.headers) {
            insert(&mut headers, name, &value)?;
        }
        let mut body = Vec::new();
        if self.has_body() {
            match settings.cloud_events {
                None => self.write(sample, &fields, &mut body),
                Some(CloudEvents::Structured) => {
                    cloud_event::write(sample.event, sample.values(), &mut body);
                    headers.insert(
                        CONTENT_TYPE,
                        HeaderValue::from_static(cloud_event::STRUCTURED),
                    );
                }
                Some(CloudEvents::Binary) => {
                    cloud_event::write_data(sample.event, sample.values(), &mut body);
                    for (name, value) in cloud_event::attributes(sample.event) {
                        insert(&mut headers, &format!("ce-{name}"), &in_header(&value))?;
                    }
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static(cloud_event::DATA));
                }
            }
        }
        let reply_txtype =
            (!input.replytx.is_empty()).then(|| match fields.is_true(&input.replytx) {
                true => "batch_pin".to_owned(),
                false => fields.text(&input.replytx).to_lowercase(),
            });
        let id = sample.event.id().to_string();
        Ok(Prepared {
            request: self.request(url, headers, &id, body)?,
            reply_txtype: reply_txtype.filter(|txtype| !txtype.is_empty()),
        })
    }

    /// The request for several events, which is a list also if it is one.
    pub(crate) fn batch(&self, samples: &[Sample<'_>]) -> Result<Prepared, String> {
        let settings = self.settings;
        let mut url = settings.url.clone();
        append_query(&mut url, &settings.query);
        let mut headers = settings.headers.clone();
        let mut body = Vec::new();
        if self.has_body() {
            let is_cloud_event = settings.cloud_events.is_some();
            if is_cloud_event {
                headers.insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static(cloud_event::STRUCTURED_BATCH),
                );
            }
            body.push(b'[');
            for (index, sample) in samples.iter().enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                match is_cloud_event {
                    true => cloud_event::write(sample.event, sample.values(), &mut body),
                    false => {
                        let fields = Fields::of(sample.data);
                        let fields = match settings.input.body.is_empty() {
                            true => fields,
                            false => fields.read(),
                        };
                        self.write(*sample, &fields, &mut body);
                    }
                }
            }
            body.push(b']');
        }
        Ok(Prepared {
            request: self.request(url, headers, &batch_id(samples), body)?,
            reply_txtype: None,
        })
    }

    fn write(&self, sample: Sample<'_>, fields: &Fields<'_>, out: &mut Vec<u8>) {
        if !fields.write_body(&self.settings.input.body, out) {
            sample
                .event
                .write_delivery(self.subscription.reference(), out);
        }
    }

    fn has_body(&self) -> bool {
        let method = &self.settings.method;
        [Method::POST, Method::PUT, Method::PATCH].contains(method)
    }

    fn request(
        &self,
        url: Url,
        mut headers: HeaderMap,
        id: &str,
        body: Vec<u8>,
    ) -> Result<Request<Bytes>, String> {
        let json = HeaderValue::from_static("application/json");
        let kind = headers.entry(CONTENT_TYPE).or_insert(json).clone();
        if is_json_or_xml(&kind) {
            headers.entry(ACCEPT).or_insert(kind);
        }
        let agent = HeaderValue::from_static(AGENT);
        headers.entry(USER_AGENT).or_insert(agent);
        let gzip = HeaderValue::from_static("gzip");
        headers.entry(ACCEPT_ENCODING).or_insert(gzip);
        if self.is_test {
            headers.insert(TEST_HEADER, HeaderValue::from_static("true"));
        }
        if let Some(signer) = &self.settings.signer {
            let signed = signer.sign(id, self.now, &body);
            for (name, value) in [
                ("webhook-id", id),
                ("webhook-timestamp", &signed.timestamp),
                ("webhook-signature", &signed.signature),
            ] {
                let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|error| format!("the address cannot be asked: {error}"))?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = self.settings.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Identifies a batch: the same for the same events and for no others, so that a receiver which leaves out what it has
/// seen leaves out nothing else.
fn batch_id(samples: &[Sample<'_>]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for sample in samples {
        context.update(sample.event.id().0.as_bytes());
    }
    let digest = context.finish();
    let digits = data_encoding::HEXLOWER.encode(&digest.as_ref()[..16]);
    format!("batch_{digits}")
}

/// Adds segments to a path. What has a meaning in an address loses it.
fn append_path(url: &mut Url, path: &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    // Only what has no path refuses, which `http:` has.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
        // What would lead back up is left out by this, too.
        segments.extend(path.split('/').filter(|segment| !segment.is_empty()));
    }
}

/// Adds to a query, and leaves what is there as it is written.
fn append_query(url: &mut Url, query: &[(String, String)]) {
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let shown: String = name.escape_debug().take(64).collect();
    let key: HeaderName = name
        .parse()
        .map_err(|_| format!("its data has '{shown}' for the name of a header"))?;
    if is_reserved(&key) {
        return Err(format!(
            "its data has a header '{shown}', which is set by the HTTP client"
        ));
    }
    let value = HeaderValue::from_bytes(value.as_bytes());
    let value = value.map_err(|_| format!("its data has no value for a header in '{shown}'"))?;
    headers.insert(key, value);
    Ok(())
}

fn is_json_or_xml(kind: &HeaderValue) -> bool {
    kind.to_str().is_ok_and(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind.contains("json") || kind.contains("xml")
    })
}

#[cfg(test)]
mod tests;
