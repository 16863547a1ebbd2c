//! Objects of the data repository, which do not fit into memory: streamed from and to the caller's file.

use std::pin::pin;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{ApiClient, ApiError, Body, encoded, query, whole};
use crate::operator::types::{ObjectBody, ObjectPage};

/// Octets read at once.
const SLICE_OCTETS: usize = 64 << 10;

impl ApiClient {
    /// Puts an object there for a device to fetch, in place of what was there. `octets` is its length; a source that ends earlier or later breaks the
    /// request off, and the former object stays.
    ///
    /// # Errors
    /// [`ApiError`]; `Source` where the object cannot be read.
    pub async fn put_object(
        &self,
        dev_id: &str,
        path: &str,
        media_type: &str,
        octets: u64,
        source: impl AsyncRead + Unpin + Send + Sync + 'static,
    ) -> Result<ObjectBody, ApiError> {
        let parts = stream::try_unfold(source.take(octets), async |mut source| {
            let mut slice = vec![0; SLICE_OCTETS];
            let read = source.read(&mut slice).await?;
            slice.truncate(read);
            let frame = Frame::data(Bytes::from(slice));
            Ok::<_, std::io::Error>((read > 0).then_some((frame, source)))
        });
        let request = Request::put(object(dev_id, path))
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, octets);
        let body = Body::new(StreamBody::new(parts).map_err(ApiError::Source));
        let answer = self.begin(request, body).await?;
        let (status, body) = whole(answer).await?;
        serde_json::from_slice(&body).map_err(|cause| ApiError::Answer(status, cause.to_string()))
    }

    /// A page of a device's objects after a path.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn objects(&self, dev_id: &str, after: Option<&str>) -> Result<ObjectPage, ApiError> {
        let query = query("after", after);
        self.get(&format!(
            "/api/v1/devices/{}/objects{query}",
            encoded(dev_id)
        ))
        .await
    }

    /// Writes an object's content to `sink`; `progress` gets the octets so far, and all where the server tells them. Gives the octets.
    ///
    /// # Errors
    /// [`ApiError`]; `Sink` where it cannot be written.
    pub async fn get_object(
        &self,
        dev_id: &str,
        path: &str,
        sink: impl AsyncWrite,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<u64, ApiError> {
        let request = Request::get(object(dev_id, path));
        let answer = self.begin(request, Body::new(empty())).await?;
        if !answer.response.status().is_success() {
            return whole(answer).await.map(|_| 0);
        }
        let headers = answer.response.headers();
        let all = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let (mut sink, mut done) = (pin!(sink), 0);
        let mut body = answer.response.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            sink.write_all(&data).await.map_err(ApiError::Sink)?;
            done += data.len() as u64;
            progress(done, all);
        }
        sink.flush().await.map_err(ApiError::Sink)?;
        Ok(done)
    }

    /// Removes an object of a device.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn delete_object(&self, dev_id: &str, path: &str) -> Result<(), ApiError> {
        let (_, _) = self
            .send(Method::DELETE, &object(dev_id, path), None)
            .await?;
        Ok(())
    }
}

fn object(dev_id: &str, path: &str) -> String {
    let names: Vec<String> = path.split('/').map(encoded).collect();
    format!(
        "/api/v1/devices/{}/objects/{}",
        encoded(dev_id),
        names.join("/")
    )
}

fn empty() -> impl hyper::body::Body<Data = Bytes, Error = ApiError> + Send + Sync + 'static {
    Full::new(Bytes::new()).map_err(|never| match never {})
}
