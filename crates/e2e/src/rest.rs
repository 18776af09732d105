//! How does a test call the HTTP API?

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::{Agent, http};

/// A client of one server, which keeps its connection.
pub struct Rest {
    agent: Agent,
    address: SocketAddr,
    base: String,
}

/// An answer of the server, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, if there is one.
    pub content_type: Option<String>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Rest {
    /// A client of the server at this address.
    pub fn new(address: SocketAddr) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self {
            agent: config.into(),
            address,
            base: format!("http://{address}"),
        }
    }

    /// Where the server is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One request with exactly this body and content type, or with neither.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<Reply, ureq::Error> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body)?)?,
            None => self.agent.run(request.body(())?)?,
        };
        let content_type = response
            .headers()
            .get("Content-Type")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(Reply {
            status: response.status().as_u16(),
            content_type,
            body: response
                .body_mut()
                .with_config()
                .limit(1 << 30)
                .read_to_vec()?,
        })
    }

    /// As [`Rest::send`] with a JSON body.
    pub fn try_json(&self, method: &str, path: &str, body: &Value) -> Result<Reply, ureq::Error> {
        let body = body.to_string();
        self.send(
            method,
            path,
            Some("application/json"),
            Some(body.as_bytes()),
        )
    }

    /// GET, where the server may be down.
    pub fn try_get(&self, path: &str) -> Result<Reply, ureq::Error> {
        self.send("GET", path, None, None)
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        answered("GET", path, self.try_get(path))
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        answered("DELETE", path, self.send("DELETE", path, None, None))
    }

    /// POST of JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        answered("POST", path, self.try_json("POST", path, body))
    }

    /// PUT of JSON.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Reply {
        answered("PUT", path, self.try_json("PUT", path, body))
    }

    /// Creates a durable subscription in the default namespace that starts with the oldest event unless the
    /// options say otherwise, and returns it.
    #[track_caller]
    pub fn subscribe(&self, name: &str, filter: Value, mut options: Value) -> Value {
        if options.get("firstEvent").is_none() {
            options["firstEvent"] = "oldest".into();
        }
        let body =
            json!({"name": name, "transport": "websockets", "filter": filter, "options": options});
        self.post("/api/v1/namespaces/default/subscriptions", &body)
            .expect(201)
    }

    /// Broadcasts one message with this topic and tag in the default namespace and returns it.
    #[track_caller]
    pub fn broadcast(&self, topic: &str, tag: &str) -> Value {
        let body = json!({
            "header": {"topics": [topic], "tag": tag},
            "data": [{"value": {"topic": topic}}],
        });
        self.post("/api/v1/namespaces/default/messages/broadcast", &body)
            .expect(202)
    }
}

impl Reply {
    /// The JSON body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in: {}", self.text()))
    }

    /// The text of an error body, with its code: it must be `{"error":"…"}` and JSON by its content type.
    #[track_caller]
    pub fn error(&self) -> String {
        assert_eq!(
            self.content_type.as_deref(),
            Some("application/json"),
            "{}",
            self.text()
        );
        match self.json().get("error") {
            Some(Value::String(text)) => text.clone(),
            _ => panic!("no error text in: {}", self.text()),
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[track_caller]
fn answered(method: &str, path: &str, outcome: Result<Reply, ureq::Error>) -> Reply {
    outcome.unwrap_or_else(|error| panic!("{method} {path} was not answered: {error}"))
}
