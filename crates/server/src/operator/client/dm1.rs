//! Accounts of DM 1.x.

use super::{ApiClient, ApiError, encoded};
use crate::operator::types::{Dm1AccountAdded, Dm1AccountBody, Dm1Revocation, NewDm1Account};

impl ApiClient {
    /// Makes an account of DM 1.x for a device.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn add_dm1(
        &self,
        dev_id: &str,
        new: &NewDm1Account,
    ) -> Result<Dm1AccountAdded, ApiError> {
        self.post(&path(dev_id, ""), new).await
    }

    /// Shows a device's account of DM 1.x.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn dm1(&self, dev_id: &str) -> Result<Dm1AccountBody, ApiError> {
        self.get(&path(dev_id, "")).await
    }

    /// Has both secrets of the account replaced in the next session.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn rotate_dm1(&self, dev_id: &str) -> Result<Dm1AccountBody, ApiError> {
        self.ask(&path(dev_id, "/rotate")).await
    }

    /// Revokes the account, or what it was provisioned with.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn revoke_dm1(
        &self,
        dev_id: &str,
        what: &Dm1Revocation,
    ) -> Result<Dm1AccountBody, ApiError> {
        self.post(&path(dev_id, "/revoke"), what).await
    }

    /// Leaves out what waits for a decision about the account, or takes an acceptance back that was not used.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn reject_dm1(&self, dev_id: &str) -> Result<Dm1AccountBody, ApiError> {
        self.ask(&path(dev_id, "/reject")).await
    }
}

fn path(dev_id: &str, rest: &str) -> String {
    format!("/api/v1/devices/{}/dm1{rest}", encoded(dev_id))
}
