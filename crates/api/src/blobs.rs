//! How do files come in and go out?

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use photinus_contract::{CodedError, Data, DataId};
use photinus_engine::{BlobUpload, DataText, Handle};
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::App;
use crate::errors::{ApiError, nothing_found};
use crate::multipart::{Malformed, Multipart, Part, Piece};
use crate::params::{InNamespace, PathId, PathRest};
use crate::replies::json;

const FORM: &str = "multipart/form-data";
/// The type of a file that says none.
const ANY_TYPE: &str = "application/octet-stream";
const HASH: HeaderName = HeaderName::from_static("x-ff-blob-hash-sha256");
const SIZE: HeaderName = HeaderName::from_static("x-ff-blob-size");
/// How much of a file is read at once for a client that takes it.
const PIECE_BYTES: usize = 128 << 10;
/// Most paths of one answer.
const PATHS_MAX: usize = 10_000;
/// Most fields of a form before its file.
const FIELDS_MAX: usize = 64;

/// Whether a body of this type is a form with a file.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let start = given.and_then(|given| given.get(..FORM.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(FORM.as_bytes()))
}

/// POST data, as a form.
pub(crate) async fn upload(
    app: &App,
    ns: &InNamespace,
    request: Request,
) -> Result<Data, ApiError> {
    let _room = app.blob_uploads.clone().try_acquire_owned().map_err(|_| {
        let text = format!(
            "As many files are being uploaded as are allowed ([api] blob_uploads_max: {})",
            app.config.blob_uploads_max
        );
        CodedError::new("PH00450", 503, text)
    })?;
    let bytes_max = app.config.blob_bytes_max;
    let said = request.headers().get(CONTENT_TYPE);
    let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
    let multipart = Multipart::new(said).map_err(not_a_form)?;
    let body = request.into_body();
    // What says its length is refused before it is read.
    let room = bytes_max.saturating_add(app.config.body_bytes_max as u64);
    if body.size_hint().lower() > room {
        return Err(too_large(bytes_max).into());
    }
    let mut form = Form { body, multipart };
    let (fields, file) = form.fields(app.config.body_bytes_max).await?;
    let fields = fields.with_metadata_of(&file)?;
    let mut upload = app.handle.begin_blob(ns.name(), &fields.input()).await?;
    form.file(&mut upload, bytes_max).await?;
    Ok(upload.finish().await?)
}

/// A form that is being read.
struct Form {
    body: Body,
    multipart: Multipart,
}

impl Form {
    /// What comes next; an error if the body ends before the form.
    async fn next(&mut self) -> Result<Piece, CodedError> {
        loop {
            if let Some(piece) = self.multipart.next().map_err(not_a_form)? {
                return Ok(piece);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.multipart.push(bytes);
                    }
                }
                Some(Err(error)) => return Err(CodedError::undecodable(error)),
                None => return Err(not_a_form(Malformed("it ends in the middle"))),
            }
        }
    }

    /// The fields before the file, and the head of the file.
    async fn fields(&mut self, bytes_max: usize) -> Result<(Fields, Part), CodedError> {
        let mut fields = Fields::default();
        let (mut current, mut bytes, mut count) = (None, 0, 0);
        loop {
            match self.next().await? {
                Piece::Part(part) if part.filename.is_some() => return Ok((fields, part)),
                Piece::Part(part) => {
                    count += 1;
                    current = fields.of_name(&part.name);
                    if let Some(text) = &mut current {
                        // As in FireFly, the last one of a name counts.
                        text.clear();
                    }
                }
                Piece::Content(content) => {
                    bytes += content.len();
                    if let Some(text) = &mut current {
                        text.extend_from_slice(&content);
                    }
                }
                Piece::End => return Err(not_a_form(Malformed("it has no file"))),
            }
            if bytes > bytes_max || count > FIELDS_MAX {
                return Err(CodedError::new(
                    "PH00413",
                    413,
                    format!(
                        "The fields of the form are more than {FIELDS_MAX}, or larger than {bytes_max} bytes ([api] body_bytes_max)"
                    ),
                ));
            }
        }
    }

    /// Takes the file in, to the end of the form.
    async fn file(&mut self, upload: &mut BlobUpload, bytes_max: u64) -> Result<(), CodedError> {
        loop {
            match self.next().await? {
                Piece::Content(content) => {
                    if upload.size() + content.len() as u64 > bytes_max {
                        return Err(too_large(bytes_max));
                    }
                    upload.write(&content).await?;
                }
                Piece::Part(part) => {
                    return Err(CodedError::bad_request(
                        "FF00163",
                        format!("The field '{}' comes after the file", part.name),
                    ));
                }
                Piece::End => return Ok(()),
            }
        }
    }
}

/// What a form says besides its file.
#[derive(Default)]
struct Fields {
    autometa: Vec<u8>,
    metadata: Vec<u8>,
    validator: Vec<u8>,
    datatype_name: Vec<u8>,
    datatype_version: Vec<u8>,
}

/// The same as JSON.
struct Described {
    metadata: Option<Box<RawValue>>,
    validator: String,
    datatype: Option<Box<RawValue>>,
}

impl Fields {
    /// The field of this name, if it is one of ours.
    fn of_name(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        Some(match name {
            "autometa" => &mut self.autometa,
            "metadata" => &mut self.metadata,
            "validator" => &mut self.validator,
            "datatype.name" => &mut self.datatype_name,
            "datatype.version" => &mut self.datatype_version,
            _ => return None,
        })
    }

    /// With what the head of the file says, if that is asked for.
    fn with_metadata_of(self, file: &Part) -> Result<Described, CodedError> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (name, version) = (text(self.datatype_name), text(self.datatype_version));
        let datatype = match name.is_empty() && version.is_empty() {
            true => None,
            false => Some(raw(&BTreeMap::from([
                ("name", name),
                ("version", version),
            ]))?),
        };
        let metadata = metadata(text(self.metadata))?;
        let metadata = match self.autometa.eq_ignore_ascii_case(b"true") {
            true => Some(with_file(metadata.as_deref(), file)?),
            false => metadata,
        };
        Ok(Described {
            metadata,
            validator: text(self.validator),
            datatype,
        })
    }
}

impl Described {
    fn input(&self) -> DataText<'_> {
        let mut input = DataText::default();
        input.value = self.metadata.as_deref();
        input.validator = self.validator.as_str().into();
        input.datatype = self.datatype.as_deref();
        input
    }
}

/// Metadata that is no JSON is a text.
fn metadata(text: String) -> Result<Option<Box<RawValue>>, CodedError> {
    if text.is_empty() {
        return Ok(None);
    }
    let read: Result<Box<RawValue>, _> = serde_json::from_str(&text);
    read.or_else(|_| raw(&text)).map(Some)
}

/// Metadata with what is known of a file. What is no object is lost.
fn with_file(metadata: Option<&RawValue>, file: &Part) -> Result<Box<RawValue>, CodedError> {
    let read = metadata.map(|metadata| serde_json::from_str(metadata.get()));
    let mut object: BTreeMap<String, Box<RawValue>> = match read {
        Some(Ok(object)) => object,
        _ => BTreeMap::new(),
    };
    let filename = file.filename.as_deref().unwrap_or_default();
    let mimetype = file.content_type.as_deref().unwrap_or(ANY_TYPE);
    for (key, value) in [("filename", filename), ("mimetype", mimetype)] {
        object.insert(key.to_owned(), raw(value)?);
    }
    raw(&object)
}

fn raw(value: &(impl serde::Serialize + ?Sized)) -> Result<Box<RawValue>, CodedError> {
    serde_json::value::to_raw_value(value).map_err(CodedError::undecodable)
}

fn not_a_form(Malformed(why): Malformed) -> CodedError {
    let text = format!("The body is no multipart form with a file: {why}");
    CodedError::bad_request("FF00161", text)
}

fn too_large(bytes_max: u64) -> CodedError {
    let text = format!("The file is larger than {bytes_max} bytes ([api] blob_bytes_max)");
    CodedError::new("PH00413", 413, text)
}

/// The bytes of a file.
#[utoipa::path(
    get,
    path = "/data/{id}/blob",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/File"), content_type = "application/octet-stream")),
)]
pub(crate) async fn download(
    State(app): State<App>,
    ns: InNamespace,
    id: Result<PathId, ApiError>,
) -> Result<Response, ApiError> {
    // Whatever is wrong with the id, there is no blob of it.
    let Ok(PathId(id)) = id else {
        return Err(nothing_found());
    };
    let turn = app.blob_downloads.clone().acquire_owned().await;
    let turn = turn.map_err(|_| ApiError::internal("downloads have ended"))?;
    let data = app.handle.datum(ns.name(), id).await?;
    let blob = data.and_then(|data| data.blob).ok_or_else(nothing_found)?;
    let id = DataId(id);
    // Before the answer begins it can still be another one.
    let first = app.handle.read_blob(id, 0, 1).await?;
    if first.ok_or_else(nothing_found)?.is_empty() && blob.size > 0 {
        return Err(nothing_found());
    }
    let pieces = Pieces {
        handle: app.handle.clone(),
        id,
        offset: 0,
        size: blob.size,
        _turn: Arc::new(turn),
    };
    let mut response = Response::new(Body::from_stream(stream::try_unfold(pieces, Pieces::next)));
    let headers = response.headers_mut();
    let hash = HeaderValue::from_str(&blob.hash.to_string());
    headers.insert(HASH, hash.map_err(|_| nothing_found())?);
    headers.insert(SIZE, HeaderValue::from(blob.size));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(blob.size));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(ANY_TYPE));
    Ok(response)
}

/// A file on its way out. What cannot be read ends the connection: the client sees that the answer is not whole.
struct Pieces {
    handle: Handle,
    id: DataId,
    offset: u64,
    size: u64,
    /// Kept until the client has all of it.
    _turn: Arc<OwnedSemaphorePermit>,
}

impl Pieces {
    async fn next(mut self) -> io::Result<Option<(axum::body::Bytes, Self)>> {
        if self.offset >= self.size {
            return Ok(None);
        }
        let length =
            PIECE_BYTES.min(usize::try_from(self.size - self.offset).unwrap_or(PIECE_BYTES));
        let read = self.handle.read_blob(self.id, self.offset, length).await;
        match read.map_err(io::Error::other)? {
            Some(piece) if !piece.is_empty() => {
                self.offset += piece.len() as u64;
                Ok(Some((piece, self)))
            }
            _ => Err(io::Error::other("the file is shorter than it was")),
        }
    }
}

/// The folders of files, the topmost.
#[utoipa::path(
    get,
    path = "/datasubpaths/",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/Paths"))),
)]
pub(crate) async fn paths(
    app: State<App>,
    ns: InNamespace,
    parent: PathRest,
) -> Result<Response, ApiError> {
    paths_below(app, ns, parent).await
}

/// The folders of files below one.
#[utoipa::path(
    get,
    path = "/datasubpaths/{*rest}",
    tag = "data",
    responses((status = 200, body = ref("#/components/schemas/Paths"))),
)]
pub(crate) async fn paths_below(
    State(app): State<App>,
    ns: InNamespace,
    PathRest(parent): PathRest,
) -> Result<Response, ApiError> {
    let paths = app.handle.blob_paths(ns.name(), &parent, PATHS_MAX).await?;
    Ok(json(StatusCode::OK, &paths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_json_or_a_text_and_what_is_known_of_the_file_is_added() {
        let file = Part {
            filename: Some("a.txt".to_owned()),
            content_type: Some("text/plain".to_owned()),
            ..Part::default()
        };
        let known = r#""filename":"a.txt","mimetype":"text/plain""#;
        for (metadata, plain, automatic) in [
            ("", None, format!("{{{known}}}")),
            ("hello", Some(r#""hello""#), format!("{{{known}}}")),
            ("5 6", Some(r#""5 6""#), format!("{{{known}}}")),
            ("[1.0]", Some("[1.0]"), format!("{{{known}}}")),
            (
                r#"{"z":1.0,"filename":"b"}"#,
                Some(r#"{"z":1.0,"filename":"b"}"#),
                format!(r#"{{{known},"z":1.0}}"#),
            ),
        ] {
            for (autometa, expected) in [("", plain), ("false", plain), ("TRUE", Some(&*automatic))]
            {
                let fields = Fields {
                    metadata: metadata.into(),
                    autometa: autometa.into(),
                    ..Fields::default()
                };
                let described = fields.with_metadata_of(&file).unwrap();
                let found = described.metadata.as_deref().map(RawValue::get);
                assert_eq!(found, expected, "{metadata} {autometa}");
            }
        }
    }
}
