//! How do the transports' own paths get to them?

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http_body_util::BodyExt;
use photinus_contract::transport::{HttpBody, HttpMount, HttpService, PathParams};

use crate::counted::{RequestMetrics, Route};
use crate::params::decoded_again;
use crate::percent::decode;

/// The paths, in the order in which they were given; the first that fits counts. They come after the routes
/// of the API, which no transport can replace.
pub(crate) struct Mounts {
    mounts: Vec<Mount>,
    /// Not mounted: the statuses that the API itself shows.
    pub(crate) statuses: Route,
}

struct Mount {
    pattern: Vec<Segment>,
    route: Route,
    service: Arc<dyn HttpService>,
}

enum Segment {
    Text(String),
    Name(String),
}

impl Mounts {
    pub(crate) fn new(mounts: Vec<HttpMount>, metrics: &RequestMetrics) -> Self {
        let mounts = mounts.into_iter();
        Self {
            statuses: metrics.route("/api/v1/{transport}"),
            mounts: mounts
                .map(|mount| Mount {
                    pattern: pattern(&mount.path),
                    route: metrics.route(&mount.path),
                    service: mount.service,
                })
                .collect(),
        }
    }

    /// The service that is mounted at this path, and what stands for its `{name}` segments.
    pub(crate) fn find(&self, path: &str) -> Option<(Arc<dyn HttpService>, PathParams, Route)> {
        self.mounts.iter().find_map(|mount| {
            let params = fit(&mount.pattern, path)?;
            Some((mount.service.clone(), params, mount.route.clone()))
        })
    }
}

/// Hands a request over. Its extensions go along: the protocol upgrade and the peer's address are there.
pub(crate) async fn call(
    service: Arc<dyn HttpService>,
    params: PathParams,
    route: Route,
    mut request: Request,
) -> Response {
    route.found(&request);
    request.extensions_mut().insert(params);
    let request = request.map(|body| Box::pin(body.map_err(Into::into)) as HttpBody);
    service.call(request).await.map(Body::new)
}

fn pattern(path: &str) -> Vec<Segment> {
    let segment = |text: &str| {
        let name = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) => Segment::Name(name.to_owned()),
            None => Segment::Text(text.to_owned()),
        }
    };
    path.split('/').map(segment).collect()
}

fn fit(pattern: &[Segment], path: &str) -> Option<PathParams> {
    let mut params = PathParams::default();
    let mut segments = path.split('/');
    for expected in pattern {
        let segment = segments.next()?;
        match expected {
            Segment::Text(text) if text == segment => {}
            Segment::Name(name) if !segment.is_empty() => {
                let decoded = String::from_utf8(decode(segment, false)?).ok()?;
                params.0.push((name.clone(), decoded_again(&decoded)));
            }
            _ => return None,
        }
    }
    segments.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_segment() {
        for (mounted, path, expected) in [
            ("/ws", "/ws", Some(None)),
            ("/ws", "/ws/", None),
            ("/ws", "/wss", None),
            ("/ws", "/", None),
            ("/n/{ns}/ws", "/n/a/ws", Some(Some("a"))),
            ("/n/{ns}/ws", "/n/a%2Db+c/ws", Some(Some("a-b c"))),
            ("/n/{ns}/ws", "/n//ws", None),
            ("/n/{ns}/ws", "/n/a/b/ws", None),
            ("/n/{ns}/ws", "/n/a", None),
        ] {
            let found = fit(&pattern(mounted), path);
            let found = found.as_ref().map(|params| params.get("ns"));
            assert_eq!(found, expected, "{mounted} {path}");
        }
    }
}
