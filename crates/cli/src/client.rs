//! How is the server asked, and what is said when it does not answer?
//!
//! One client for requests and WebSockets, so that both go the same way: the same TLS (rustls with ring, and the
//! certificates that this machine trusts), the same proxy, the same path before `/api`.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::target::Target;

/// How long it may take until a connection is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much later than the server this side gives up, so that the server's reason is heard.
const GRACE: Duration = Duration::from_secs(5);
/// Largest answer that is kept in memory.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Most items that the server gives in one page, and most that it leaves out before one.
const PAGE_ITEMS_MAX: usize = 1000;

/// A client of one server and one namespace.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    server: String,
    namespace: String,
    timeout: Duration,
}

/// What the server answered, whatever it means.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(target: &Target) -> Result<Self, Failure> {
        // An earlier call has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("photinus/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            // WebSockets need it.
            .http1_only();
        if target.url.scheme() == "http" {
            // Certificates are not needed, and a machine may have none.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&target.url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            Failure::failed(format!("cannot make connections: {}", reason(&error)))
        })?;
        Ok(Self {
            http,
            server: shown(&target.url),
            base: target.url.clone(),
            namespace: target.namespace.clone(),
            timeout: target.timeout,
        })
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The server, as people write it, without the name and the password that are for it alone.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// `/api/v1/…`
    pub(crate) fn global(&self, path: &[&str]) -> Url {
        self.at(&["api", "v1"], path)
    }

    /// `/api/v1/namespaces/{ns}/…`
    pub(crate) fn scoped(&self, path: &[&str]) -> Url {
        self.at(&["api", "v1", "namespaces", &self.namespace], path)
    }

    /// Below the address of the server.
    pub(crate) fn at(&self, prefix: &[&str], path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(prefix).extend(path);
        }
        url
    }

    pub(crate) async fn get(&self, url: Url) -> Result<Answer, Failure> {
        self.ask(self.http.get(url)).await
    }

    pub(crate) async fn delete(&self, url: Url) -> Result<Answer, Failure> {
        self.ask(self.http.delete(url)).await
    }

    /// A request with a body of JSON.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        json: String,
    ) -> Result<Answer, Failure> {
        self.ask(self.with_json(method, url, json)).await
    }

    /// As [`Client::send`]; the server is told how long it may take, and its word on that is waited for.
    pub(crate) async fn send_and_wait(&self, url: Url, json: String) -> Result<Answer, Failure> {
        let request = self.with_json(Method::POST, url, json).header(
            "Request-Timeout",
            crate::target::duration_text(self.timeout),
        );
        self.answered(request, self.timeout + GRACE).await
    }

    /// A request that the caller finishes and sends, without a limit of time.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// The limit of time of one answer.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// All items of a list, page after page, as the server wrote them.
    pub(crate) async fn list(&self, url: Url) -> Result<Vec<Box<RawValue>>, Failure> {
        let mut all = Vec::new();
        for skip in [0, PAGE_ITEMS_MAX] {
            let mut page = url.clone();
            page.query_pairs_mut()
                .append_pair("limit", &PAGE_ITEMS_MAX.to_string())
                .append_pair("skip", &skip.to_string());
            let items: Vec<Box<RawValue>> = self.get(page).await?.success()?.json()?;
            let is_last = items.len() < PAGE_ITEMS_MAX;
            all.extend(items);
            if is_last {
                return Ok(all);
            }
        }
        crate::notes::warn(&format!(
            "only the first {} are listed: the server gives no more",
            2 * PAGE_ITEMS_MAX
        ));
        Ok(all)
    }

    fn with_json(&self, method: Method, url: Url, json: String) -> RequestBuilder {
        let json_type = HeaderValue::from_static("application/json");
        self.http
            .request(method, url)
            .header(CONTENT_TYPE, json_type)
            .body(json)
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        self.answered(request, self.timeout).await
    }

    async fn answered(&self, request: RequestBuilder, limit: Duration) -> Result<Answer, Failure> {
        let answered = async {
            let response = request.send().await.map_err(|error| self.failed(&error))?;
            self.read(response).await
        };
        match tokio::time::timeout(limit, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(self.too_late()),
        }
    }

    /// The whole of an answer.
    pub(crate) async fn read(&self, mut response: Response) -> Result<Answer, Failure> {
        let status = response.status();
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.failed(&error))?
        {
            body.extend_from_slice(&piece);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(Failure::failed(format!(
                    "{} answered more than {ANSWER_BYTES_MAX} bytes",
                    self.server()
                )));
            }
        }
        let body = String::from_utf8(body).map_err(|_| self.no_photinus(status))?;
        Ok(Answer { status, body })
    }

    pub(crate) fn too_late(&self) -> Failure {
        Failure::failed(format!(
            "no answer from {} within {:?}: it may have done what it was asked; a longer --timeout waits longer",
            self.server(),
            self.timeout
        ))
    }

    /// What a request that was not answered means.
    pub(crate) fn failed(&self, error: &reqwest::Error) -> Failure {
        let server = self.server();
        if has_refused(error) {
            return Failure::failed(format!(
                "no server at {server}: start one with `photinus`, or say where with --url or PHOTINUS_URL"
            ));
        }
        let reason = reason(error);
        if error.is_connect() {
            return Failure::failed(format!(
                "cannot connect to {server}: {reason}; say where the server is with --url or PHOTINUS_URL"
            ));
        }
        Failure::failed(format!("the connection to {server} was lost: {reason}"))
    }

    fn no_photinus(&self, status: StatusCode) -> Failure {
        Failure::failed(format!(
            "what answers at {} does not seem to be Photinus (status {status}); see --url and PHOTINUS_URL",
            self.server()
        ))
    }
}

impl Answer {
    /// The answer, if it is what was asked for; else what the server says is wrong.
    pub(crate) fn success(self) -> Result<Self, Failure> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(Failure::failed(self.error()))
    }

    /// The server's words for an error, with what to do about it where that is known.
    pub(crate) fn error(&self) -> String {
        #[derive(Deserialize)]
        struct Body {
            error: String,
        }
        let Ok(Body { error }) = serde_json::from_str(&self.body) else {
            return format!(
                "the server answered {}, and nothing that Photinus would say; see --url and PHOTINUS_URL",
                self.status
            );
        };
        match hint(&error) {
            Some(hint) => format!("{error}: {hint}"),
            None => error,
        }
    }

    /// The body, understood.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.body).map_err(|error| {
            Failure::failed(format!(
                "the server's answer is not understood: {error}; is it Photinus that answers? See --url and PHOTINUS_URL"
            ))
        })
    }
}

/// What a person can do about an error of the server.
pub(crate) fn hint(error: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 4] = [
        (
            "FF10436",
            "`photinus namespace list` shows which there are, and `photinus namespace create` makes one",
        ),
        ("FF10261", "name one with --tag"),
        ("FF10271", "name its members with --to"),
        (
            "FF10109",
            "the server knows no such path; see --url and PHOTINUS_URL",
        ),
    ];
    HINTS
        .iter()
        .find_map(|(code, hint)| error.contains(code).then_some(*hint))
}

/// An address without what is secret in it.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Neither fails where there is a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn has_refused(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The innermost cause: the outer ones only repeat where it was met.
pub(crate) fn reason(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Client {
        Client::new(&Target {
            url: url.parse().unwrap(),
            namespace: "a b/ä".into(),
            timeout: Duration::from_secs(1),
            json: false,
        })
        .unwrap()
    }

    #[test]
    fn a_path_before_the_api_stays() {
        for (url, expected) in [
            ("http://h:1", "http://h:1/api/v1/x"),
            ("http://h:1/", "http://h:1/api/v1/x"),
            ("https://h/p", "https://h/p/api/v1/x"),
            ("https://h/p/q/", "https://h/p/q/api/v1/x"),
        ] {
            assert_eq!(client(url).global(&["x"]).as_str(), expected);
        }
        assert_eq!(
            client("http://h").scoped(&["messages", "a/b"]).as_str(),
            "http://h/api/v1/namespaces/a%20b%2F%C3%A4/messages/a%2Fb"
        );
    }

    #[test]
    fn a_password_is_used_and_not_said() {
        let client = client("https://me:secret@h/p/");
        assert_eq!(client.server(), "https://h/p");
        assert!(client.global(&["x"]).as_str().contains("me:secret@"));
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (url, expected) in [
            ("http://127.0.0.1:5000", true),
            ("http://127.8.9.1", true),
            ("http://[::1]:5000", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn an_error_is_the_servers_words_and_what_to_do() {
        let answer = |body: &str| Answer {
            status: StatusCode::NOT_FOUND,
            body: body.into(),
        };
        let error = answer(r#"{"error":"FF10436: Unknown namespace 'x'"}"#).error();
        assert!(error.starts_with("FF10436: Unknown namespace 'x': `photinus namespace list`"));
        let error = answer(r#"{"error":"FF10140: wrong"}"#).error();
        assert_eq!(error, "FF10140: wrong");
        assert!(answer("<html>").error().contains("404 Not Found"));
    }
}
