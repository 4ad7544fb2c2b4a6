//! Whose login this is, and what it may do.
//!
//! Source: VCD `OpenAPI` 37.2, `sessions/current` and `roles/{id}/rights`. A session that came from an API
//! token may read roles, but no role without the right to view it: what is refused here says nothing.

use std::collections::BTreeSet;

use http::Method;
use serde::Deserialize;

use super::call::Call;
use super::encode::path_segment;
use super::error::VcdError;
use super::lists::List;
use super::model::IdName;
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;
use super::{VcdClient, json};
use crate::domain::site::Account;

/// A login and the roles it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRoles {
    /// Whose login it is; without rights.
    pub account: Account,
    /// URNs of its roles.
    pub roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionRead {
    user: IdName,
    org: IdName,
    #[serde(default)]
    role_refs: Vec<IdName>,
}

impl<T: Transport> VcdClient<T> {
    /// Whose login this is.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn login(&self) -> Result<LoginRoles, VcdError> {
        let op = Operation::GET_SESSION;
        let call = Call::json(op, Method::GET, "/1.0.0/sessions/current");
        let response = self.perform(call).await?;
        let session: SessionRead = json::read(op, response.body())?;
        Ok(LoginRoles {
            account: Account {
                user_id: session.user.id,
                user: session.user.name,
                org: session.org.name,
                rights: None,
            },
            roles: session.role_refs.into_iter().map(|role| role.id).collect(),
        })
    }

    /// Names of the rights of a role.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: there is no right to read the role.
    /// - others: see [`VcdError::class`].
    pub async fn role_rights(&self, role: &str) -> Result<BTreeSet<String>, VcdError> {
        let path = format!("/1.0.0/roles/{}/rights", path_segment(role));
        let list = List {
            op: Operation::LIST_ROLE_RIGHTS,
            path: &path,
            query: "",
            page_size: MAX_PAGE_SIZE,
        };
        let rights = self.list::<IdName>(list).await?;
        Ok(rights.into_iter().map(|right| right.name).collect())
    }

    /// Whether VCD takes the token of `login` for one of the provider's organization.
    ///
    /// `false` also where VCD cannot be asked: whoever asks knows already that something is wrong.
    /// Repeat: safe. Cancel: safe.
    pub async fn is_token_of_provider(&self, login: &super::Login) -> bool {
        let provider = super::Login {
            org: "System".to_owned(),
            token: login.token.clone(),
        };
        let session = self.for_tenant(provider);
        session.session.access(&session.gateway, None).await.is_ok()
    }
}
