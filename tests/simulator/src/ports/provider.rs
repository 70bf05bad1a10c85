//! The provider.

use async_trait::async_trait;
use shared::domain::account::Account;
use shared::domain::secret::{AccessToken, AuthorizationCode, ClientSecret, CodeVerifier, RefreshToken};
use shared::domain::token_pair::{TokenPair, TokenResponse};
use shared::ports::{ExchangeCode, ProviderError, ReadAccount, RefreshPair, RevokeToken, Revoked};

use super::{Ports, unexpected};
use crate::call::{Answer, Request};

fn granted(answer: Answer) -> Result<TokenResponse, ProviderError> {
    match answer {
        Answer::Grant(Ok(grant)) => Ok(grant),
        Answer::Grant(Err(error)) | Answer::Failed(error) => Err(error.into()),
        answer => Err(ProviderError::Unknown(unexpected(&answer))),
    }
}

#[async_trait]
impl ExchangeCode for Ports {
    async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
        verifier: Option<&CodeVerifier>,
        _: &ClientSecret,
    ) -> Result<TokenResponse, ProviderError> {
        let request = Request::Exchange {
            code: code.expose().to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            verifier: verifier.map(|verifier| verifier.expose().to_owned()),
        };
        granted(self.ask(request).await)
    }
}

#[async_trait]
impl RefreshPair for Ports {
    async fn refresh(&self, refresh_token: &RefreshToken, _: &ClientSecret) -> Result<TokenResponse, ProviderError> {
        granted(self.ask(Request::Refresh { refresh_token: refresh_token.expose().to_owned() }).await)
    }
}

#[async_trait]
impl RevokeToken for Ports {
    async fn revoke(&self, pair: &TokenPair, _: &ClientSecret) -> Result<Revoked, ProviderError> {
        let token = match &pair.refresh_token {
            Some(refresh_token) => refresh_token.expose(),
            None => pair.access_token.expose(),
        };
        match self.ask(Request::Revoke { token: token.to_owned() }).await {
            Answer::Revoked => Ok(Revoked::Done),
            Answer::NotRevoked => Ok(Revoked::NotRevocable("status 404".to_owned())),
            Answer::Failed(error) => Err(error.into()),
            answer => Err(ProviderError::Unknown(unexpected(&answer))),
        }
    }
}

#[async_trait]
impl ReadAccount for Ports {
    async fn read(&self, access_token: &AccessToken) -> Result<Account, ProviderError> {
        match self.ask(Request::Account { access_token: access_token.expose().to_owned() }).await {
            Answer::Account(Some(id)) => Ok(Account { id, company: None, email: None }),
            Answer::Failed(error) => Err(error.into()),
            answer => Err(ProviderError::Unknown(unexpected(&answer))),
        }
    }
}
