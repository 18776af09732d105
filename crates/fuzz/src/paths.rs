//! What does the REST API make of a path and a query?

use axum::body::Body;
use http::{Request, Uri};

use crate::in_time;
use crate::rest::Rest;

/// The path and query of a GET.
pub fn paths(input: &[u8]) {
    in_time(input, || {
        // What is no address is refused by the HTTP parser, before anything of ours sees it.
        let Ok(uri) = Uri::try_from(input) else {
            return;
        };
        Rest::with(|rest| {
            let request = Request::get(uri.clone()).body(Body::empty()).unwrap();
            let answer = rest.send(request);
            assert!(![201, 202].contains(&answer.status), "a GET makes nothing");
            if uri.scheme().is_some() || uri.authority().is_some() || !uri.path().starts_with('/') {
                return;
            }
            // Empty segments say nothing.
            let doubled: Uri = format!("/{uri}").parse().unwrap();
            if doubled.authority().is_some() {
                return;
            }
            let again = rest.send(Request::get(doubled).body(Body::empty()).unwrap());
            assert_eq!(again.status, answer.status, "{uri}");
        });
    });
}
