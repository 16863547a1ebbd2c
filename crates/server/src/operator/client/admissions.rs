use http::Method;

use super::{ApiClient, ApiError, encoded, query};
use crate::operator::types::{
    AllowBody, AllowPage, DeviceAdded, NewAllow, NewApproval, NewRejection, NewTrigger,
    TriggerBody, WaitingBody, WaitingPage,
};

impl ApiClient {
    /// A page of devices that wait for an operator or were rejected, after an id.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn waiting_devices(&self, after: Option<&str>) -> Result<WaitingPage, ApiError> {
        self.get(&format!("/api/v1/admissions{}", query("after", after)))
            .await
    }

    /// Lets a waiting device in.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn approve(&self, id: &str, new: &NewApproval) -> Result<DeviceAdded, ApiError> {
        self.post(&format!("/api/v1/admissions/{}/approve", encoded(id)), new)
            .await
    }

    /// Rejects a waiting device.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn reject(&self, id: &str, new: &NewRejection) -> Result<WaitingBody, ApiError> {
        self.post(&format!("/api/v1/admissions/{}/reject", encoded(id)), new)
            .await
    }

    /// A page of the allow-list, after an id.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn allow_list(&self, after: Option<&str>) -> Result<AllowPage, ApiError> {
        self.get(&format!("/api/v1/allow-list{}", query("after", after)))
            .await
    }

    /// Puts a DevID or a pattern on the allow-list.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn allow(&self, new: &NewAllow) -> Result<AllowBody, ApiError> {
        self.post("/api/v1/allow-list", new).await
    }

    /// Takes an entry off the allow-list.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn disallow(&self, id: &str) -> Result<(), ApiError> {
        let path = format!("/api/v1/allow-list/{}", encoded(id));
        let (_, _) = self.send(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// Tells the server of a device; a repeat under the same key is answered with the same record.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn trigger(&self, new: &NewTrigger) -> Result<TriggerBody, ApiError> {
        self.post("/api/v1/triggers", new).await
    }
}
