//! What the product needs from a provider, through its own adapter: on the simulated one and on Doorkeeper.

use std::sync::Arc;

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use local::webinargeek::Rotation;
use shared::config::{ClientAuthentication, TokenEndpoint};
use shared::domain::pkce;
use shared::domain::secret::{AccessToken, AuthorizationCode, ClientSecret, CodeVerifier, RefreshToken};
use shared::domain::token_pair::{TokenPair, TokenResponse};
use shared::ports::{Entropy, ExchangeCode, ProviderError, RefreshPair, RevokeToken, Revoked};
use shared::system::{SystemClock, SystemEntropy};
use shared::tls::Tls;
use shared::webinargeek::{HttpClient, WebinarGeek};
use url::Url;

use crate::browser::provider_client;

/// A provider that runs, with one client.
pub struct Running {
    pub origin: String,
    pub client_id: String,
    pub client_secret: String,
    pub redirect_uri: String,
    pub rotation: Rotation,
}

/// The tokens of a customer who has approved.
pub async fn refresh_token(running: &Running) -> RefreshToken {
    Suite::new(running, ClientAuthentication::Post).connect().await.refresh_token.unwrap()
}

struct Suite<'a> {
    running: &'a Running,
    adapter: WebinarGeek,
    secret: ClientSecret,
    http: reqwest::Client,
}

pub async fn holds(running: &Running) {
    for authentication in [ClientAuthentication::Post, ClientAuthentication::Basic] {
        let suite = Suite::new(running, authentication);
        suite.a_denial_comes_back_with_the_state().await;
        suite.a_code_is_valid_once_and_only_with_its_verifier_and_redirect_uri().await;
        suite.a_wrong_secret_leaves_the_code_unused().await;
        suite.a_refresh_gives_a_new_pair_and_the_old_one_ends_as_its_class_says().await;
        suite.a_first_use_at_the_token_info_counts().await;
        suite.revoking_either_token_ends_the_pair().await;
        suite.unknown_tokens_are_distinguished_from_unknown_clients().await;
    }
}

impl<'a> Suite<'a> {
    fn new(running: &'a Running, client_authentication: ClientAuthentication) -> Self {
        let url = |path: &str| Url::parse(&format!("{}{path}", running.origin)).unwrap();
        let endpoint = TokenEndpoint {
            url: url("/oauth/token"),
            revoke_url: Some(url("/oauth/revoke")),
            client_id: running.client_id.clone(),
            client_authentication,
            expires_in: std::time::Duration::from_secs(1),
        };
        Self {
            running,
            adapter: WebinarGeek::new(HttpClient::new(&Tls::default()), endpoint, Arc::new(SystemClock)),
            secret: ClientSecret::new(&running.client_secret),
            http: provider_client(),
        }
    }

    async fn a_denial_comes_back_with_the_state(&self) {
        let (_, back) = self.decide("deny").await;
        assert_eq!(parameter(&back, "state").as_deref(), Some("the state"));
        // A provider that skips its consent page answers with a code.
        if parameter(&back, "code").is_none() {
            assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
        }
    }

    async fn a_code_is_valid_once_and_only_with_its_verifier_and_redirect_uri(&self) {
        let (verifier, back) = self.decide("approve").await;
        let code = AuthorizationCode::new(parameter(&back, "code").unwrap());
        let other = pkce::code_verifier([7; 32]);
        assert_invalid_grant(
            self.adapter.exchange(&code, &self.running.redirect_uri, Some(&other), &self.secret).await,
        );

        let (other_verifier, other_back) = self.decide("approve").await;
        let other_code = AuthorizationCode::new(parameter(&other_back, "code").unwrap());
        let elsewhere = "http://127.0.0.1:1/elsewhere";
        assert_invalid_grant(self.adapter.exchange(&other_code, elsewhere, Some(&other_verifier), &self.secret).await);

        let (code, verifier) = match self.exchange(&code, &verifier).await {
            Ok(_) => (code, verifier),
            // Some providers end a code at the first wrong try.
            Err(_) => {
                let (verifier, back) = self.decide("approve").await;
                let code = AuthorizationCode::new(parameter(&back, "code").unwrap());
                self.exchange(&code, &verifier).await.unwrap();
                (code, verifier)
            }
        };
        assert_invalid_grant(self.exchange(&code, &verifier).await);
    }

    async fn a_wrong_secret_leaves_the_code_unused(&self) {
        let (verifier, back) = self.decide("approve").await;
        let code = AuthorizationCode::new(parameter(&back, "code").unwrap());
        let wrong = ClientSecret::new("wrong");
        let refused = self.adapter.exchange(&code, &self.running.redirect_uri, Some(&verifier), &wrong).await;
        assert!(matches!(refused, Err(ProviderError::InvalidClient)), "{refused:?}");
        let grant = self.exchange(&code, &verifier).await.unwrap();
        assert!(grant.pair.refresh_token.is_some());
        assert_eq!(grant.token_type.as_deref(), Some("Bearer"));
        assert_eq!(grant.expires_in.unwrap().as_secs(), 7200);
        assert_eq!(grant.scope.as_deref(), Some("read"));
    }

    async fn a_refresh_gives_a_new_pair_and_the_old_one_ends_as_its_class_says(&self) {
        let old = self.connect().await;
        let new = self.refresh(&old).await.unwrap().pair;
        assert_ne!(old.access_token.expose(), new.access_token.expose());
        match self.running.rotation {
            Rotation::Grace => {
                assert!(self.is_live(&old.access_token).await, "until the new one is used");
                let lost_answer = self.refresh(&old).await.unwrap().pair;
                assert!(self.is_live(&lost_answer.access_token).await);
                assert!(!self.is_live(&old.access_token).await);
                assert_invalid_grant(self.refresh(&old).await);
                assert!(self.is_live(&new.access_token).await, "the other successor is still valid");
            }
            Rotation::Strict => {
                assert!(!self.is_live(&old.access_token).await);
                assert_invalid_grant(self.refresh(&old).await);
                assert!(self.is_live(&new.access_token).await);
            }
            Rotation::Never => {
                assert!(old.has_the_refresh_token_of(&new));
                assert!(self.is_live(&new.access_token).await);
            }
            Rotation::ReuseDetection => {
                let newest = self.refresh(&new).await.unwrap().pair;
                assert!(self.is_live(&newest.access_token).await);
                assert_invalid_grant(self.refresh(&old).await);
                assert!(!self.is_live(&newest.access_token).await, "reuse ends all pairs of the grant");
                assert_invalid_grant(self.refresh(&newest).await);
                return;
            }
        }
        let next = self.refresh(&new).await.unwrap().pair;
        assert!(self.is_live(&next.access_token).await);
    }

    async fn a_first_use_at_the_token_info_counts(&self) {
        if self.running.rotation == Rotation::Never {
            return;
        }
        let old = self.connect().await;
        let new = self.refresh(&old).await.unwrap().pair;
        let info = self.http.get(format!("{}/oauth/token/info", self.running.origin));
        let info = info.bearer_auth(new.access_token.expose()).send().await.unwrap();
        assert_eq!(info.status(), 200);
        assert_invalid_grant(self.refresh(&old).await);
    }

    async fn revoking_either_token_ends_the_pair(&self) {
        let pair = self.connect().await;
        assert_eq!(self.adapter.revoke(&pair, &self.secret).await.unwrap(), Revoked::Done);
        assert!(!self.is_live(&pair.access_token).await);
        assert_invalid_grant(self.refresh(&pair).await);

        let pair = self.connect().await;
        let access_only = TokenPair { access_token: pair.access_token.clone(), refresh_token: None };
        assert_eq!(self.adapter.revoke(&access_only, &self.secret).await.unwrap(), Revoked::Done);
        assert_invalid_grant(self.refresh(&pair).await);

        let twice = self.adapter.revoke(&access_only, &self.secret).await.unwrap();
        assert_eq!(twice, Revoked::Done, "a second revocation also succeeds");
        assert!(self.adapter.revoke(&access_only, &ClientSecret::new("wrong")).await.is_err());
    }

    async fn unknown_tokens_are_distinguished_from_unknown_clients(&self) {
        let unknown = RefreshToken::new("unknown");
        assert_invalid_grant(self.adapter.refresh(&unknown, &self.secret).await);
        let pair = self.connect().await;
        let wrong = ClientSecret::new("wrong");
        let refused = self.adapter.refresh(pair.refresh_token.as_ref().unwrap(), &wrong).await;
        assert!(matches!(refused, Err(ProviderError::InvalidClient)), "{refused:?}");
        assert!(self.refresh(&pair).await.is_ok(), "the pair is still valid");
    }

    async fn connect(&self) -> TokenPair {
        let (verifier, back) = self.decide("approve").await;
        let code = AuthorizationCode::new(parameter(&back, "code").unwrap());
        self.exchange(&code, &verifier).await.unwrap().pair
    }

    async fn exchange(
        &self,
        code: &AuthorizationCode,
        verifier: &CodeVerifier,
    ) -> Result<TokenResponse, ProviderError> {
        self.adapter.exchange(code, &self.running.redirect_uri, Some(verifier), &self.secret).await
    }

    async fn refresh(&self, pair: &TokenPair) -> Result<TokenResponse, ProviderError> {
        self.adapter.refresh(pair.refresh_token.as_ref().unwrap(), &self.secret).await
    }

    async fn is_live(&self, access_token: &AccessToken) -> bool {
        crate::laptop::is_live(&self.running.origin, access_token.expose()).await
    }

    /// A browser at the consent page. It sends the right form unchanged, and returns the address of the redirect.
    async fn decide(&self, decision: &str) -> (CodeVerifier, Url) {
        let entropy: &dyn Entropy = &SystemEntropy;
        let verifier = pkce::code_verifier(entropy.bytes());
        let request = Url::parse_with_params(
            &format!("{}/oauth/authorize", self.running.origin),
            [
                ("response_type", "code"),
                ("client_id", &self.running.client_id),
                ("redirect_uri", &self.running.redirect_uri),
                ("scope", "read"),
                ("state", "the state"),
                ("code_challenge", &pkce::code_challenge(&verifier)),
                ("code_challenge_method", "S256"),
            ],
        );
        let page = self.http.get(request.unwrap()).send().await.unwrap();
        if let Some(location) = page.headers().get(LOCATION) {
            return (verifier, Url::parse(location.to_str().unwrap()).unwrap());
        }
        let cookies: Vec<String> = page.headers().get_all(SET_COOKIE).iter().filter_map(cookie).collect();
        let form = form(&page.text().await.unwrap(), decision);
        let sent = self.http.post(format!("{}/oauth/authorize", self.running.origin)).form(&form);
        let answer = sent.header(COOKIE, cookies.join("; ")).send().await.unwrap();
        let location = answer.headers().get(LOCATION).unwrap_or_else(|| panic!("no redirect: {}", answer.status()));
        (verifier, Url::parse(location.to_str().unwrap()).unwrap())
    }
}

fn cookie(header: &http::HeaderValue) -> Option<String> {
    Some(header.to_str().ok()?.split(';').next()?.to_owned())
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn assert_invalid_grant(answer: Result<TokenResponse, ProviderError>) {
    assert!(matches!(answer, Err(ProviderError::InvalidGrant)), "{answer:?}");
}

/// The fields of the form for a decision. If the page has only one form, its button has the decision as its value. Of
/// two forms, deny is the one that deletes (Doorkeeper's way), and approve is the other.
fn form(page: &str, decision: &str) -> Vec<(String, String)> {
    let forms: Vec<&str> = page.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap()).collect();
    let field = |input: &str| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()));
    let fields = |form: &str| form.split("<input").skip(1).filter_map(field).collect::<Vec<_>>();
    if let [only] = forms[..] {
        let mut fields = fields(only);
        fields.push(("decision".to_owned(), decision.to_owned()));
        return fields;
    }
    let deletes =
        |fields: &Vec<(String, String)>| fields.iter().any(|(name, value)| name == "_method" && value == "delete");
    let form = forms.into_iter().map(fields).find(|fields| deletes(fields) == (decision == "deny"));
    form.unwrap_or_else(|| panic!("no form for {decision}: {page}"))
}

fn attribute(input: &str, name: &str) -> Option<String> {
    let rest = input.split('>').next()?.split(&format!(" {name}=\"")).nth(1)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}
