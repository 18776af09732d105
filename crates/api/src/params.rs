//! What does a path name?

use std::borrow::Cow;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;
use photinus_contract::CodedError;
use photinus_contract::data::{Hash, HashError};
use photinus_contract::store::NamespaceInfo;
use uuid::Uuid;

use crate::App;
use crate::errors::{ApiError, unknown_namespace};
use crate::percent::decode;

/// The namespace of paths that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// The namespace of the path, or the default one. `FF10436` if there is no such namespace.
pub(crate) struct InNamespace(pub(crate) NamespaceInfo);

impl InNamespace {
    pub(crate) fn name(&self) -> &str {
        self.0.name.as_str()
    }
}

impl FromRequestParts<App> for InNamespace {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let name = param(parts, app, "ns").await;
        let name = name.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        match app.handle.namespace(name) {
            Some(info) => Ok(Self(info)),
            None => Err(unknown_namespace(name)),
        }
    }
}

/// The id in the path. `FF00138` if it is no UUID.
pub(crate) struct PathId(pub(crate) Uuid);

impl FromRequestParts<App> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        uuid(parts, app, "id").await.map(Self)
    }
}

/// The id of an event in the path. `FF00138` if it is no UUID.
pub(crate) struct PathEvent(pub(crate) Uuid);

impl FromRequestParts<App> for PathEvent {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        uuid(parts, app, "event").await.map(Self)
    }
}

async fn uuid(parts: &mut Parts, app: &App, name: &str) -> Result<Uuid, ApiError> {
    let text = param(parts, app, name).await.unwrap_or_default();
    Uuid::from_str(&text).map_err(|_| {
        let text = format!("'{text}' in the path is not a UUID");
        CodedError::bad_request("FF00138", text).into()
    })
}

/// The collection in the path.
pub(crate) struct PathCollection(pub(crate) String);

impl FromRequestParts<App> for PathCollection {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let name = param(parts, app, "collection").await;
        Ok(Self(name.unwrap_or_default()))
    }
}

/// A name in the path.
pub(crate) struct PathName(pub(crate) String);

impl FromRequestParts<App> for PathName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self(param(parts, app, "name").await.unwrap_or_default()))
    }
}

/// All that follows in the path, with its slashes; empty if there is nothing.
pub(crate) struct PathRest(pub(crate) String);

impl FromRequestParts<App> for PathRest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self(param(parts, app, "rest").await.unwrap_or_default()))
    }
}

/// The name and the version in the path.
pub(crate) struct PathVersion {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl FromRequestParts<App> for PathVersion {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self {
            name: param(parts, app, "name").await.unwrap_or_default(),
            version: param(parts, app, "version").await.unwrap_or_default(),
        })
    }
}

/// The hash in the path. `FF00107` or `FF00106` if it is none.
pub(crate) struct PathHash(pub(crate) Hash);

impl FromRequestParts<App> for PathHash {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let text = param(parts, app, "hash").await.unwrap_or_default();
        match text.parse::<Hash>() {
            Ok(hash) => Ok(Self(hash)),
            Err(error) => {
                let (code, what) = match error {
                    HashError::Length => ("FF00107", "does not have 64 hex digits"),
                    HashError::Digit => ("FF00106", "is not hex"),
                };
                let text = format!("'{text}' in the path {what}");
                Err(CodedError::bad_request(code, text).into())
            }
        }
    }
}

pub(crate) async fn param(parts: &mut Parts, app: &App, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, app).await.ok()?;
    let (_, value) = params.iter().find(|(key, _)| *key == name)?;
    Some(decoded_again(value))
}

/// A path parameter, whose escapes were taken back, as FireFly reads it: with the rules of a query, again.
pub(crate) fn decoded_again(value: &str) -> String {
    let decoded = decode(value, true).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| value.to_owned())
}

/// Takes empty segments, `.` and `..` out of the path. FireFly redirects to the cleaned path; serving it is
/// safer with methods other than GET. A path that is not UTF-8 is refused here, once for all.
pub(crate) fn clean_path(uri: &mut Uri) -> Result<(), CodedError> {
    let path = uri.path();
    if decode(path, false).is_none_or(|bytes| std::str::from_utf8(&bytes).is_err()) {
        return Err(CodedError::bad_request(
            "PH00400",
            "The path has a broken percent escape or is not UTF-8",
        ));
    }
    if let Cow::Owned(cleaned) = cleaned(path) {
        let with_query = match uri.query() {
            Some(query) => format!("{cleaned}?{query}"),
            None => cleaned,
        };
        let with_query: PathAndQuery = with_query.parse().map_err(CodedError::undecodable)?;
        let mut parts = std::mem::take(uri).into_parts();
        parts.path_and_query = Some(with_query);
        *uri = Uri::from_parts(parts).map_err(CodedError::undecodable)?;
    }
    Ok(())
}

fn cleaned(path: &str) -> Cow<'_, str> {
    if !path.starts_with('/') || !(path.contains("//") || path.contains("/.")) {
        return Cow::Borrowed(path);
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut cleaned = String::with_capacity(path.len());
    for segment in &segments {
        cleaned.push('/');
        cleaned.push_str(segment);
    }
    if path.ends_with('/') || cleaned.is_empty() {
        cleaned.push('/');
    }
    Cow::Owned(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, expected) in [
            ("/api/v1/status", "/api/v1/status"),
            ("/api/v1//websockets", "/api/v1/websockets"),
            ("//api///v1/status?a=//b", "/api/v1/status?a=//b"),
            ("/api/v1/./status", "/api/v1/status"),
            ("/api/v1/x/../status", "/api/v1/status"),
            ("/../../x", "/x"),
            ("/..", "/"),
            ("/a//", "/a/"),
            ("/a/.b", "/a/.b"),
        ] {
            let mut uri: Uri = path.parse().unwrap();
            assert_eq!(clean_path(&mut uri), Ok(()), "{path}");
            assert_eq!(uri.to_string(), expected, "{path}");
        }
        for path in ["/%", "/%2", "/%zz", "/%ff"] {
            let mut uri: Uri = path.parse().unwrap();
            assert_eq!(
                clean_path(&mut uri).unwrap_err().code(),
                "PH00400",
                "{path}"
            );
        }
    }

    #[test]
    fn parameters_are_decoded_once_more() {
        for (value, expected) in [
            ("a+b", "a b"),
            ("a%20b", "a b"),
            ("100%", "100%"),
            ("ä", "ä"),
        ] {
            assert_eq!(decoded_again(value), expected);
        }
    }
}
