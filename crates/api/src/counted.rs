//! What is counted of requests?
//!
//! FireFly's figures, with its names and labels: how many, how large, how long, by route, method, host and status.
//! A client chooses none of the values: the route is a template, the method and the host are known ones or `other`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::extract::Request;
use axum::middleware::map_request;
use axum::response::Response;
use axum::routing::MethodRouter;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HOST};
use http_body::Body as _;
use photinus_engine::metrics::{Family, Histogram, SECONDS, Sink, Value};
use tokio::time::Instant;

use crate::ApiConfig;
use crate::waiter::Waiter;

const LABELS: &[&str] = &["code", "method", "host", "route"];
/// What is not known by name.
const OTHER: &str = "other";
/// The methods that are told apart; the last one stands for all others.
const METHODS: [&str; 8] = [
    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", OTHER,
];
/// The statuses that are told apart.
const CODES: [u16; 31] = [
    101, 200, 201, 202, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409,
    410, 411, 413, 414, 415, 421, 426, 429, 431, 500, 502, 503,
];
/// FireFly's smallest bucket: 5 ms.
const FIREFLY_BOUND: u64 = 5_000_000;

/// The figures of one server.
struct Families {
    requests: Family,
    request_bytes: Family,
    duration: Family,
    response_bytes: Family,
}

static REST: Families = Families {
    requests: Family::counter(
        "ff_apiserver_rest_requests_total",
        LABELS,
        "The total number of requests received",
    ),
    request_bytes: Family::summary(
        "ff_apiserver_rest_request_size_bytes",
        LABELS,
        "Summary of request bytes received",
    ),
    duration: Family::histogram(
        "ff_apiserver_rest_request_duration_seconds",
        LABELS,
        "Histogram of the request duration",
    ),
    response_bytes: Family::summary(
        "ff_apiserver_rest_response_size_bytes",
        LABELS,
        "Summary of response bytes sent. What is streamed counts as nothing.",
    ),
};
/// Of the SPI.
static ADMIN: Families = Families {
    requests: Family::counter(
        "ff_apiserver_admin_requests_total",
        LABELS,
        "The total number of requests received",
    ),
    request_bytes: Family::summary(
        "ff_apiserver_admin_request_size_bytes",
        LABELS,
        "Summary of request bytes received",
    ),
    duration: Family::histogram(
        "ff_apiserver_admin_request_duration_seconds",
        LABELS,
        "Histogram of the request duration",
    ),
    response_bytes: Family::summary(
        "ff_apiserver_admin_response_size_bytes",
        LABELS,
        "Summary of response bytes sent. What is streamed counts as nothing.",
    ),
};
static AWAITED: Family = Family::gauge(
    "photinus_replies_awaited",
    &[],
    "Requests that wait for a reply; at most [api] replies_awaited_max.",
);

/// All figures of the API.
pub static FAMILIES: &[&Family] = &[
    &AWAITED,
    &REST.requests,
    &REST.request_bytes,
    &REST.duration,
    &REST.response_bytes,
    &ADMIN.requests,
    &ADMIN.request_bytes,
    &ADMIN.duration,
    &ADMIN.response_bytes,
];

/// What was counted of requests. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct RequestMetrics(Arc<Shared>);

struct Shared {
    families: &'static Families,
    hosts: OnceLock<HostNames>,
    /// All routes that there are. A request gets to its own without a look here.
    routes: Mutex<Vec<Route>>,
    waiter: OnceLock<Waiter>,
}

/// What is counted for one template. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Route(Arc<Counted>);

struct Counted {
    template: Box<str>,
    /// By host and method; in each by status.
    cells: Box<[OnceLock<Cell>]>,
}

type Cell = Box<[OnceLock<Box<Series>>]>;

struct Series {
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    duration: Histogram,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            duration: Histogram::new(SECONDS),
        }
    }
}

impl Route {
    fn series(&self, host: usize, method: usize, code: u16) -> &Series {
        let cell = &self.0.cells[host * METHODS.len() + method];
        let cell = cell.get_or_init(|| (0..=CODES.len()).map(|_| OnceLock::new()).collect());
        let code = CODES.iter().position(|known| *known == code);
        cell[code.unwrap_or(CODES.len())].get_or_init(Box::default)
    }

    /// Lets the requests to these methods know by which template they were found.
    pub(crate) fn name<S: Clone + Send + Sync + 'static>(
        self,
        methods: MethodRouter<S>,
    ) -> MethodRouter<S> {
        methods.layer(map_request(move |request: Request| {
            self.found(&request);
            std::future::ready(request)
        }))
    }

    /// It is the one that a request is for.
    pub(crate) fn found(&self, request: &Request) {
        if let Some(Found(found)) = request.extensions().get() {
            let _ = found.set(self.clone());
        }
    }
}

/// The hosts that are known by name.
struct HostNames(Vec<String>);

impl HostNames {
    fn new(config: &ApiConfig) -> Self {
        let is_name = |host: &&String| *host != "*" && !host.eq_ignore_ascii_case(OTHER);
        let listed = config.hosts.iter().filter(is_name);
        let here = ["localhost".to_owned(), config.listen.ip().to_string()];
        let known = here
            .into_iter()
            .chain(listed.map(|host| host.to_ascii_lowercase()));
        Self(known.chain([OTHER.to_owned()]).collect())
    }

    /// Which of them a request names, without the port, which says nothing. The last one is for all others.
    fn index(&self, headers: &HeaderMap) -> usize {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.split_once(':').map_or(host, |(name, _)| name),
        };
        let mut known = self.0.iter();
        let found = known.position(|known| known.eq_ignore_ascii_case(name));
        found.unwrap_or(self.0.len() - 1)
    }
}

/// Which route a request was found to be for; goes with it, and is known also if nothing comes of it.
#[derive(Clone)]
struct Found(Arc<OnceLock<Route>>);

/// A request that is being answered.
pub(crate) struct Begun {
    found: Found,
    since: Instant,
    method: usize,
    host: usize,
    bytes: u64,
}

impl RequestMetrics {
    /// Of the API.
    pub fn rest() -> Self {
        Self::of(&REST)
    }

    /// Of the SPI.
    pub fn admin() -> Self {
        Self::of(&ADMIN)
    }

    fn of(families: &'static Families) -> Self {
        Self(Arc::new(Shared {
            families,
            hosts: OnceLock::new(),
            routes: Mutex::default(),
            waiter: OnceLock::new(),
        }))
    }

    /// Before anything else.
    pub(crate) fn begin(&self, config: &ApiConfig) {
        let _ = self.0.hosts.set(HostNames::new(config));
    }

    /// What is counted for a template. To be asked once for each.
    pub(crate) fn route(&self, template: &str) -> Route {
        let hosts = self.hosts().0.len();
        let cells = (0..hosts * METHODS.len()).map(|_| OnceLock::new());
        let route = Route(Arc::new(Counted {
            template: template.into(),
            cells: cells.collect(),
        }));
        self.routes().push(route.clone());
        route
    }

    /// Who waits for replies is asked for how many there are.
    pub(crate) fn ask(&self, waiter: &Waiter) {
        let _ = self.0.waiter.set(waiter.clone());
    }

    /// A request came.
    pub(crate) fn begun(&self, request: &mut Request) -> Begun {
        let found = Found(Arc::default());
        request.extensions_mut().insert(found.clone());
        let method = METHODS
            .iter()
            .position(|known| *known == request.method().as_str());
        Begun {
            found,
            since: Instant::now(),
            method: method.unwrap_or(METHODS.len() - 1),
            host: self.hosts().index(request.headers()),
            bytes: size(request),
        }
    }

    /// It was answered, by the route that was found or by none.
    pub(crate) fn answered(&self, begun: Begun, response: &Response, none: &Route) {
        let route = begun.found.0.get().unwrap_or(none);
        let series = route.series(begun.host, begun.method, response.status().as_u16());
        let bytes = response.body().size_hint().exact().unwrap_or(0);
        series
            .request_bytes
            .fetch_add(begun.bytes, Ordering::Relaxed);
        series.response_bytes.fetch_add(bytes, Ordering::Relaxed);
        series.duration.took(begun.since.elapsed());
    }

    /// Gives all figures to a sink.
    pub fn collect(&self, sink: &mut dyn Sink) {
        if let Some(waiter) = self.0.waiter.get() {
            sink.count(&AWAITED, &[], waiter.waiting() as u64);
        }
        let families = self.0.families;
        let routes = self.routes().clone();
        for Route(route) in &routes {
            for (cell, place) in route.cells.iter().zip(0..) {
                let host = &self.hosts().0[place / METHODS.len()];
                let method = METHODS[place % METHODS.len()];
                for (series, code) in cell.get().into_iter().flatten().zip(0..) {
                    let Some(series) = series.get() else { continue };
                    let code = CODES.get(code).map(u16::to_string);
                    let code = code.unwrap_or_else(|| OTHER.to_owned());
                    let labels = &[&code, method, host, &route.template];
                    collect_series(families, labels, series, sink);
                }
            }
        }
    }

    fn hosts(&self) -> &HostNames {
        self.0
            .hosts
            .get_or_init(|| HostNames::new(&ApiConfig::default()))
    }

    fn routes(&self) -> MutexGuard<'_, Vec<Route>> {
        self.0.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn collect_series(
    families: &'static Families,
    labels: &[&str],
    series: &Series,
    sink: &mut dyn Sink,
) {
    let duration = series.duration.read().from_bound(FIREFLY_BOUND);
    let count = duration.count;
    sink.count(&families.requests, labels, count);
    sink.times(&families.duration, labels, &duration);
    for (family, sum) in [
        (&families.request_bytes, &series.request_bytes),
        (&families.response_bytes, &series.response_bytes),
    ] {
        let sum = sum.load(Ordering::Relaxed) as f64;
        sink.put(family, labels, Value::Summary { count, sum });
    }
}

/// About how many bytes a request is, as FireFly estimates it: its head, and the body as far as its length is said.
fn size(request: &Request) -> u64 {
    const HTTP_1_1: usize = 8;
    let line = request.method().as_str().len() + request.uri().path().len() + HTTP_1_1 + 4;
    let headers = request.headers();
    let headers_size: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 2)
        .sum();
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    (line + headers_size) as u64 + length.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_choose_a_host() {
        let config = ApiConfig {
            hosts: ["Events.Example", "*", "Other"].map(str::to_owned).into(),
            ..ApiConfig::default()
        };
        let names = HostNames::new(&config);
        for (host, expected) in [
            ("localhost:5000", "localhost"),
            ("LOCALHOST", "localhost"),
            ("127.0.0.1:5000", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("events.example:80", "events.example"),
            ("127.0.0.2:5000", "other"),
            ("[::1]:5000", "other"),
            ("*", "other"),
            ("other", "other"),
            ("evil.example", "other"),
            ("", "other"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            assert_eq!(names.0[names.index(&headers)], expected, "{host}");
        }
        assert_eq!(names.0[names.index(&HeaderMap::new())], "other");
        // One of them, so that no series is there twice.
        let others = names.0.iter().filter(|name| *name == OTHER);
        assert_eq!(others.count(), 1);
    }
}
