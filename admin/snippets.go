package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"text/template"

	"gatehouse/idp"
	"gatehouse/ui"
)

// party is an app as it is set up at the other side.
type party struct {
	idp.Client
	Issuer string
}

func (v *visit) party(c idp.Client) party {
	return party{Client: c, Issuer: strings.TrimSuffix(v.console.Callback, "/admin/callback")}
}

// The endpoints as discovery has them, for what reads no discovery.
const (
	discoveryPath  = "/.well-known/openid-configuration"
	authorizePath  = "/authorize"
	tokenPath      = "/token"
	userinfoPath   = "/userinfo"
	endSessionPath = "/end_session"
	introspectPath = "/introspect"
	keysPath       = "/keys"
)

// settings are what an app needs to be told, but for its secret.
func (p party) settings() []ui.Setting {
	var list []ui.Setting
	add := func(label ui.Key, values ...string) {
		if len(values) > 0 && values[0] != "" {
			list = append(list, ui.Setting{Label: *label.With(), Values: values})
		}
	}
	add("console.setting.issuer", p.Issuer)
	add("console.setting.discovery", p.Issuer+discoveryPath)
	add("console.setting.client_id", p.ID)
	add("console.setting.auth_method", string(p.AuthMethod))
	if p.Kind == idp.APIClient {
		add("console.setting.identifier", p.Identifier)
		add("console.setting.scopes", p.scope())
		add("console.setting.introspect", p.Issuer+introspectPath)
		add("console.setting.keys", p.Issuer+keysPath)
		return list
	}
	if p.Kind == idp.ServiceClient {
		add("console.setting.grant_type", "client_credentials")
		add("console.setting.scopes", p.scope())
		add("console.setting.token", p.Issuer+tokenPath)
		return list
	}
	add("console.setting.flow", "authorization_code")
	if p.NeedsPKCE() {
		add("console.setting.pkce", "S256")
	}
	add("console.setting.scopes", p.scope())
	add("console.setting.redirect_uris", p.RedirectURIs...)
	add("console.setting.post_logout_uris", p.PostLogoutRedirectURIs...)
	add("console.setting.logout_uri", p.BackchannelLogoutURI)
	add("console.setting.signing_alg", string(p.SigningAlg))
	add("console.setting.authorize", p.Issuer+authorizePath)
	add("console.setting.token", p.Issuer+tokenPath)
	add("console.setting.userinfo", p.Issuer+userinfoPath)
	add("console.setting.end_session", p.Issuer+endSessionPath)
	add("console.setting.keys", p.Issuer+keysPath)
	return list
}

func (p party) scope() string { return strings.Join(p.Scopes, " ") }

// What the templates of the snippets ask.

// Scope is what an app asks for at first: a refresh token that outlives the session
// is asked for by who needs it.
func (p party) Scope() string {
	if p.Kind == idp.ServiceClient {
		return p.scope()
	}
	var list []string
	for _, s := range p.Scopes {
		if s != "offline_access" {
			list = append(list, s)
		}
	}
	return strings.Join(list, " ")
}

// ScopeList is Scope one by one.
func (p party) ScopeList() []string { return strings.Fields(p.Scope()) }

// Redirect is the first redirect URI.
func (p party) Redirect() string {
	if len(p.RedirectURIs) == 0 {
		return ""
	}
	return p.RedirectURIs[0]
}

// PostLogout is the first URI after signing out.
func (p party) PostLogout() string {
	if len(p.PostLogoutRedirectURIs) == 0 {
		return ""
	}
	return p.PostLogoutRedirectURIs[0]
}

// Path is the path of a URI, which some libraries want instead of it.
func (p party) Path(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Path == "" {
		return "/"
	}
	return u.EscapedPath()
}

// Basic tells whether the secret goes into the header, and not into the form.
func (p party) Basic() bool { return p.AuthMethod == idp.ClientSecretBasic }

// Plain tells whether the issuer is reached without TLS, which libraries refuse
// unless they are told that this is a test.
func (p party) Plain() bool { return strings.HasPrefix(p.Issuer, "http:") }

// Alg is what signs the ID token.
func (p party) Alg() string { return string(p.SigningAlg) }

// snippet is code for a library, for apps of some kinds.
type snippet struct {
	title string
	kinds []idp.ClientKind
	// edDSA: the library verifies EdDSA.
	edDSA bool
	code  string
}

func snippets() []snippet {
	all := []idp.ClientKind{idp.WebClient, idp.NativeClient}
	web, spa := []idp.ClientKind{idp.WebClient}, []idp.ClientKind{idp.SPAClient}
	native, service := []idp.ClientKind{idp.NativeClient}, []idp.ClientKind{idp.ServiceClient}
	return []snippet{
		{"Go · coreos/go-oidc", all, true, goOIDC},
		{"Node.js · openid-client", all, true, openidClient},
		{"Python · Authlib", web, true, authlib},
		{"ASP.NET Core · AddOpenIdConnect", web, false, aspNet},
		{"Java · Spring Security", web, false, springSecurity},
		{"JavaScript · oidc-client-ts", spa, true, oidcClientTS},
		{"Android · AppAuth", native, false, appAuth},
		{"curl", service, true, curlService},
		{"Go · x/oauth2", service, true, goService},
		{"Python · Authlib", service, true, authlibService},
		{"Node.js · openid-client", service, true, openidService},
	}
}

// snippets are code for the libraries that suit an app.
func (p party) snippets() ([]ui.Snippet, error) {
	var list []ui.Snippet
	if p.AuthMethod == idp.PrivateKeyJWT { // they are written for secrets
		return nil, nil
	}
	for _, s := range snippets() {
		for _, kind := range s.kinds {
			if kind != p.Kind || p.SigningAlg == idp.EdDSA && !s.edDSA {
				continue
			}
			code, err := p.fill(s)
			if err != nil {
				return nil, err
			}
			list = append(list, ui.Snippet{Title: s.title, Code: code})
		}
	}
	return list, nil
}

// fill puts the app's settings into a snippet, each as a literal of its language.
func (p party) fill(s snippet) (string, error) {
	t, err := template.New(s.title).Funcs(template.FuncMap{"q": quoted, "sh": shell}).Parse(s.code)
	if err != nil {
		return "", fmt.Errorf("read the snippet %s: %w", s.title, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, p); err != nil {
		return "", fmt.Errorf("fill in the snippet %s: %w", s.title, err)
	}
	return strings.TrimSpace(out.String()), nil
}

// quoted is a string as Go, JavaScript, Python, C#, Java, Kotlin and YAML read it:
// JSON's, without a dollar that Kotlin would take for a variable.
func quoted(s string) (string, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return strings.ReplaceAll(strings.TrimSpace(out.String()), "$", `\u0024`), err
}

// shell is a string as a POSIX shell reads it.
func shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

const goOIDC = `
// go get github.com/coreos/go-oidc/v3/oidc golang.org/x/oauth2
provider, err := oidc.NewProvider(ctx, {{q .Issuer}})
if err != nil {
	return err
}
endpoint := provider.Endpoint()
endpoint.AuthStyle = {{if .Basic}}oauth2.AuthStyleInHeader{{else}}oauth2.AuthStyleInParams{{end}}
config := oauth2.Config{
	ClientID:     {{q .ID}},
{{- if not .Public}}
	ClientSecret: os.Getenv("CLIENT_SECRET"),
{{- end}}
	Endpoint:     endpoint,
	RedirectURL:  {{q .Redirect}},
	Scopes:       []string{ {{- range $i, $s := .ScopeList}}{{if $i}}, {{end}}{{q $s}}{{end -}} },
}
verifier := provider.Verifier(&oidc.Config{ClientID: config.ClientID})

// Sign in: keep state, nonce and pkce for this browser.
state, nonce, pkce := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
address := config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(pkce))

// Redirect URI: compare the parameter state first.
token, err := config.Exchange(ctx, code, oauth2.VerifierOption(pkce))
if err != nil {
	return err
}
raw, _ := token.Extra("id_token").(string)
idToken, err := verifier.Verify(ctx, raw) // then compare idToken.Nonce
if err != nil {
	return err
}
person, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token)) // compare person.Subject with idToken.Subject
`

const openidClient = `
// npm install openid-client   (version 6)
import * as client from 'openid-client'

const config = await client.discovery(
  new URL({{q .Issuer}}),
  {{q .ID}},
  { id_token_signed_response_alg: {{q .Alg}} },
  {{if .Public}}client.None(){{else if .Basic}}client.ClientSecretBasic(process.env.CLIENT_SECRET){{else}}client.ClientSecretPost(process.env.CLIENT_SECRET){{end}},
{{- if .Plain}}
  { execute: [client.allowInsecureRequests] }, // a test without TLS
{{- end}}
)

// Sign in: keep verifier, state and nonce for this browser.
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const address = client.buildAuthorizationUrl(config, {
  redirect_uri: {{q .Redirect}},
  scope: {{q .Scope}},
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})

// Redirect URI:
const tokens = await client.authorizationCodeGrant(config, currentUrl, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
})
const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
`

const authlib = `
# pip install authlib flask requests
import os

from authlib.integrations.flask_client import OAuth
from flask import Flask, session

app = Flask(__name__)
app.secret_key = os.environ["FLASK_SECRET_KEY"]
oauth = OAuth(app)
oauth.register(
    "gatehouse",
    server_metadata_url={{q (print .Issuer "/.well-known/openid-configuration")}},
    client_id={{q .ID}},
    client_secret=os.environ["CLIENT_SECRET"],
    client_kwargs={
        "scope": {{q .Scope}},
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": {{q (print .AuthMethod)}},
    },
)


@app.route("/sign-in")
def sign_in():
    return oauth.gatehouse.authorize_redirect({{q .Redirect}})


@app.route({{q (.Path .Redirect)}})
def callback():
    token = oauth.gatehouse.authorize_access_token()
    session["person"] = oauth.gatehouse.userinfo(token=token)  # name and email
    return "Signed in"
`

const aspNet = `
// dotnet add package Microsoft.AspNetCore.Authentication.OpenIdConnect
builder.Services
    .AddAuthentication(options =>
    {
        options.DefaultScheme = CookieAuthenticationDefaults.AuthenticationScheme;
        options.DefaultChallengeScheme = OpenIdConnectDefaults.AuthenticationScheme;
    })
    .AddCookie()
    .AddOpenIdConnect(options =>
    {
        options.Authority = {{q .Issuer}};
{{- if .Plain}}
        options.RequireHttpsMetadata = false; // a test without TLS
{{- end}}
        options.ClientId = {{q .ID}};
{{- if not .Basic}}
        options.ClientSecret = builder.Configuration["ClientSecret"];
{{- end}}
        options.ResponseType = OpenIdConnectResponseType.Code;
        options.ResponseMode = OpenIdConnectResponseMode.Query;
        options.UsePkce = true;
        options.CallbackPath = {{q (.Path .Redirect)}};
{{- with .PostLogout}}{{if ne ($.Path .) "/"}}
        options.SignedOutCallbackPath = {{q ($.Path .)}};
{{- end}}{{end}}
        options.MapInboundClaims = false;
        options.GetClaimsFromUserInfoEndpoint = true; // name and email
        options.SaveTokens = true;
        options.Scope.Clear();
{{- range .ScopeList}}
        options.Scope.Add({{q .}});
{{- end}}
{{- if .Basic}}
        // The handler would put the secret into the form; this app sends it in the
        // header (client_secret_basic).
        options.Events.OnAuthorizationCodeReceived = context =>
        {
            var pair = Uri.EscapeDataString({{q .ID}}) + ":"
                + Uri.EscapeDataString(builder.Configuration["ClientSecret"]!);
            context.Backchannel.DefaultRequestHeaders.Authorization =
                new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(pair)));
            return Task.CompletedTask;
        };
{{- end}}
    });
`

const springSecurity = `
# application.yaml
spring:
  security:
    oauth2:
      client:
        registration:
          gatehouse:
            client-id: {{q .ID}}
            client-secret: ${CLIENT_SECRET}
            client-authentication-method: {{.AuthMethod}}
            authorization-grant-type: authorization_code
            redirect-uri: {{q .Redirect}}
            scope: [{{range $i, $s := .ScopeList}}{{if $i}}, {{end}}{{q $s}}{{end}}]
        provider:
          gatehouse:
            issuer-uri: {{q .Issuer}}

// SecurityConfig.java
@Bean
SecurityFilterChain security(HttpSecurity http, ClientRegistrationRepository clients) throws Exception {
    var requests = new DefaultOAuth2AuthorizationRequestResolver(clients, "/oauth2/authorization");
    requests.setAuthorizationRequestCustomizer(OAuth2AuthorizationRequestCustomizers.withPkce());
    http.authorizeHttpRequests(all -> all.anyRequest().authenticated())
        .oauth2Login(login -> login
            .authorizationEndpoint(endpoint -> endpoint.authorizationRequestResolver(requests))
            .redirectionEndpoint(endpoint -> endpoint.baseUri({{q (.Path .Redirect)}})));
    return http.build();
}
{{- if ne .Alg "RS256"}}

@Bean
JwtDecoderFactory<ClientRegistration> idTokenDecoders() {
    var factory = new OidcIdTokenDecoderFactory();
    factory.setJwsAlgorithmResolver(client -> SignatureAlgorithm.{{.Alg}});
    return factory;
}
{{- end}}
`

const oidcClientTS = `
// npm install oidc-client-ts
import { UserManager } from 'oidc-client-ts'

const users = new UserManager({
  authority: {{q .Issuer}},
  client_id: {{q .ID}},
  redirect_uri: {{q .Redirect}},
{{- with .PostLogout}}
  post_logout_redirect_uri: {{q .}},
{{- end}}
  response_type: 'code', // with PKCE (S256), always
  scope: {{q .Scope}},
  loadUserInfo: true, // name and email
})

// Sign in:
await users.signinRedirect()

// Redirect URI:
const user = await users.signinRedirectCallback()
console.log(user.profile)
`

const appAuth = `
// implementation("net.openid:appauth:0.11.1"), and appAuthRedirectScheme in build.gradle
AuthorizationServiceConfiguration.fetchFromIssuer(Uri.parse({{q .Issuer}})) { configuration, _ ->
    val request = AuthorizationRequest.Builder(
        configuration!!,
        {{q .ID}},
        ResponseTypeValues.CODE, // with PKCE (S256), always
        Uri.parse({{q .Redirect}}),
    ).setScope({{q .Scope}}).build()
    signIn.launch(AuthorizationService(this).getAuthorizationRequestIntent(request))
}

// When it comes back:
val answer = AuthorizationResponse.fromIntent(intent)!!
AuthorizationService(this).performTokenRequest(answer.createTokenExchangeRequest()) { tokens, _ ->
    tokens?.idToken
}
`

const curlService = `
# A token for the service itself; the secret stays out of the command's history.
curl --fail --silent --show-error --user {{sh .ID}}":$CLIENT_SECRET" \
  --data grant_type=client_credentials \
  --data-urlencode {{sh (print "scope=" .Scope)}} \
  {{sh (print .Issuer "/token")}}
`

const goService = `
// go get golang.org/x/oauth2
config := clientcredentials.Config{
	ClientID:     {{q .ID}},
	ClientSecret: os.Getenv("CLIENT_SECRET"),
	TokenURL:     {{q (print .Issuer "/token")}},
	Scopes:       []string{ {{- range $i, $s := .ScopeList}}{{if $i}}, {{end}}{{q $s}}{{end -}} },
	AuthStyle:    {{if .Basic}}oauth2.AuthStyleInHeader{{else}}oauth2.AuthStyleInParams{{end}},
}
client := config.Client(ctx) // sends a token along, and gets another in time
`

const authlibService = `
# pip install authlib requests
import os

from authlib.integrations.requests_client import OAuth2Session

session = OAuth2Session(
    {{q .ID}},
    os.environ["CLIENT_SECRET"],
    scope={{q .Scope}},
    token_endpoint_auth_method={{q (print .AuthMethod)}},
)
session.fetch_token({{q (print .Issuer "/token")}}, grant_type="client_credentials")
`

const openidService = `
// npm install openid-client   (version 6)
import * as client from 'openid-client'

const config = await client.discovery(
  new URL({{q .Issuer}}),
  {{q .ID}},
  {},
  {{if .Basic}}client.ClientSecretBasic(process.env.CLIENT_SECRET){{else}}client.ClientSecretPost(process.env.CLIENT_SECRET){{end}},
{{- if .Plain}}
  { execute: [client.allowInsecureRequests] }, // a test without TLS
{{- end}}
)
const tokens = await client.clientCredentialsGrant(config, { scope: {{q .Scope}} })
`
