// The crate openidconnect, with its blocking client behind a small server.
use openidconnect::core::*;
use openidconnect::*;
use openidconnect::reqwest;
use openidconnect::url;
use std::env::var;
use tiny_http::{Header, Response, Server};

fn main() {
    let base = var("BASE").unwrap();
    let http = reqwest::blocking::ClientBuilder::new()
        .redirect(reqwest::redirect::Policy::none())
        .add_root_certificate(reqwest::Certificate::from_pem(&std::fs::read(var("CA_FILE").unwrap()).unwrap()).unwrap())
        .build()
        .unwrap();
    let metadata = ProviderMetadataWithLogout::discover(&IssuerUrl::new(var("ISSUER").unwrap()).unwrap(), &http).unwrap();
    let end = metadata.additional_metadata().end_session_endpoint.clone().unwrap();
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new(var("CLIENT_ID").unwrap()),
        Some(ClientSecret::new(var("CLIENT_SECRET").unwrap())),
    )
    .set_redirect_uri(RedirectUrl::new(format!("{base}/callback")).unwrap());

    let mut state = CsrfToken::new_random();
    let mut nonce = Nonce::new_random();
    let mut tokens: Option<CoreTokenResponse> = None;
    for request in Server::http(("localhost", var("PORT").unwrap().parse().unwrap())).unwrap().incoming_requests() {
        let url = url::Url::parse(&format!("{base}{}", request.url())).unwrap();
        let query = |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.to_string()).unwrap_or_default();
        let answer: Result<String, String> = match url.path() {
            "/" => {
                let (address, asked, fresh) = client
                    .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
                    .add_scopes(["profile", "email", "offline_access"].map(|s| Scope::new(s.into())))
                    .url();
                (state, nonce) = (asked, fresh);
                let to = Header::from_bytes("Location", address.as_str()).unwrap();
                request.respond(Response::empty(302).with_header(to)).unwrap();
                continue;
            }
            "/callback" if query("state") != *state.secret() => Err("this is not the answer to our request".into()),
            "/callback" => client
                .exchange_code(AuthorizationCode::new(query("code")))
                .unwrap()
                .request(&http)
                .map_err(|e| format!("{e:?}"))
                .and_then(|got: CoreTokenResponse| {
                    let id = got.extra_fields().id_token().ok_or("no ID token")?;
                    let claims = id.claims(&client.id_token_verifier(), &nonce).map_err(|e| format!("{e:?}"))?;
                    let said = format!("{{\"sub\":\"{}\"}}", claims.subject().as_str());
                    tokens = Some(got);
                    Ok(said)
                }),
            "/userinfo" => client
                .user_info(tokens.as_ref().unwrap().access_token().clone(), None)
                .unwrap()
                .request(&http)
                .map_err(|e| format!("{e:?}"))
                .map(|claims: CoreUserInfoClaims| format!("{{\"email\":\"{}\"}}", claims.email().unwrap().as_str())),
            "/refresh" => client
                .exchange_refresh_token(tokens.as_ref().unwrap().refresh_token().unwrap())
                .unwrap()
                .request(&http)
                .map_err(|e| format!("{e:?}"))
                .map(|_: CoreTokenResponse| "{\"refreshed\":true}".into()),
            "/logout" => {
                let address = LogoutRequest::from(end.clone())
                    .set_id_token_hint(tokens.as_ref().unwrap().extra_fields().id_token().unwrap())
                    .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(format!("{base}/bye")).unwrap())
                    .http_get_url();
                let to = Header::from_bytes("Location", address.as_str()).unwrap();
                request.respond(Response::empty(302).with_header(to)).unwrap();
                continue;
            }
            _ => Ok(String::new()),
        };
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err(body) => (500, body),
        };
        request.respond(Response::from_string(body).with_status_code(status)).unwrap();
    }
}
