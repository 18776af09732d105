//! What does a body say?

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use photinus_contract::CodedError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::App;
use crate::errors::ApiError;

/// The object that a body holds. Only the first JSON value is read.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let text = JsonText::from_request(request, app).await?;
        Ok(Self(text.object()?))
    }
}

/// The object that a body holds; of a request without a body, the one that says nothing.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        match request.body().is_end_stream() {
            true => Ok(Self(T::default())),
            false => Ok(Self(JsonBody::from_request(request, app).await?.0)),
        }
    }
}

/// The text of a body that is to hold an object, which may borrow from it.
pub(crate) struct JsonText(Bytes);

impl JsonText {
    /// The object. Only the first JSON value is read.
    pub(crate) fn object<'a, T: Deserialize<'a>>(&'a self) -> Result<T, CodedError> {
        first_object(&self.0)
    }
}

impl FromRequest<App> for JsonText {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let form = Form::of(request.headers())?;
        let text = read(request, app.config.body_bytes_max).await?;
        Ok(Self(match form {
            Form::Json => text,
            Form::NotDecoded => Bytes::from_static(b"{}"),
        }))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Json,
    /// Accepted, and the input stays empty, as in FireFly.
    NotDecoded,
}

impl Form {
    /// By the beginning of the content type.
    fn of(headers: &HeaderMap) -> Result<Self, CodedError> {
        let given = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let given = given.unwrap_or_default();
        let is = |expected: &str| {
            given
                .get(..expected.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(expected))
        };
        if is("application/json") {
            Ok(Form::Json)
        } else if is("application/x-www-form-urlencoded") || is("text/plain") {
            Ok(Form::NotDecoded)
        } else {
            Err(CodedError::new(
                "FF00162",
                415,
                format!("Content type '{given}' is not accepted here: expected 'application/json'"),
            ))
        }
    }
}

/// A body, which is bounded.
pub(crate) async fn read(request: Request, bytes_max: usize) -> Result<Bytes, CodedError> {
    let too_large = || {
        CodedError::new(
            "PH00413",
            413,
            format!("The body is larger than {bytes_max} bytes ([api] body_bytes_max)"),
        )
    };
    let body = request.into_body();
    // What says its length is refused before it is read.
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > bytes_max {
        return Err(too_large());
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(CodedError::undecodable(error)),
    }
}

fn first_object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, CodedError> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        // A decoder would take a list for an object whose fields come in order.
        Some(b'[') => Err(CodedError::undecodable(
            "expected a JSON object, found a list",
        )),
        Some(_) => match serde_json::Deserializer::from_slice(text)
            .into_iter()
            .next()
        {
            Some(value) => value.map_err(CodedError::undecodable),
            None => Err(CodedError::undecodable("EOF")),
        },
        None => Err(CodedError::undecodable("EOF")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Input {
        #[serde(default)]
        name: String,
    }

    #[test]
    fn only_the_first_value_is_read_and_it_must_be_an_object() {
        for (text, expected) in [
            (r#"{"name":"a"}"#, Ok("a")),
            (r#" {"name":"a"} {"name":"b"}"#, Ok("a")),
            (r#"{"name":"a"}garbage"#, Ok("a")),
            (r#"{"other":1}"#, Ok("")),
            ("", Err("EOF")),
            (" \n", Err("EOF")),
            ("null", Err("invalid type: null")),
            ("[]", Err("expected a JSON object")),
            ("5", Err("invalid type: integer")),
            (r#"{"name":5}"#, Err("invalid type: integer")),
            (r#"{"name":"#, Err("EOF while parsing")),
        ] {
            match (first_object::<Input>(text.as_bytes()), expected) {
                (Ok(input), Ok(name)) => assert_eq!(input.name, name, "{text}"),
                (Err(error), Err(start)) => {
                    assert_eq!((error.code(), error.status()), ("", 400), "{text}");
                    assert!(error.to_string().starts_with(start), "{text}: {error}");
                }
                (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn content_types_are_told_by_how_they_begin() {
        for (given, expected) in [
            ("application/json", Some(Form::Json)),
            ("Application/JSON; charset=utf-8", Some(Form::Json)),
            ("application/jsonx", Some(Form::Json)),
            ("text/plain", Some(Form::NotDecoded)),
            ("application/x-www-form-urlencoded", Some(Form::NotDecoded)),
            ("multipart/form-data; boundary=x", None),
            ("application/xml", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, given.parse().unwrap());
            assert_eq!(Form::of(&headers).ok(), expected, "{given}");
        }
        let error = Form::of(&HeaderMap::new()).unwrap_err();
        assert_eq!((error.code(), error.status()), ("FF00162", 415));
    }
}
