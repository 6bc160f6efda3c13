package portal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	clientID     = "agent-portal"
	clientSecret = "not a secret: +/&%"
)

// fakeProvider is a small OpenID provider: everyone who comes to /authorize is
// signed in at once. Tests bend it by setting fields before they call.
type fakeProvider struct {
	*httptest.Server
	key       *ecdsa.PrivateKey
	published *ecdsa.PublicKey // what the key set shows

	mu           sync.Mutex
	requests     map[string]url.Values // authorization request by code
	lastRequest  url.Values
	refreshToken string
	refreshes    int

	claims        map[string]any    // added to, or replacing, an ID token's claims
	response      map[string]string // added to, or replacing, the authorization response
	issSupported  bool
	down          bool   // no discovery document
	tokenError    string // answered by the token endpoint
	tokenStatus   int
	expiresIn     int
	authTime      int64 // of everyone's sign-in; a refresh does not move it
	withoutTokens bool  // the refresh answer has no ID token
}

func newFakeProvider(t *testing.T) *fakeProvider {
	t.Helper()
	key := newKey(t)
	f := &fakeProvider{
		key:       key,
		published: &key.PublicKey,
		requests:  map[string]url.Values{},
		claims:    map[string]any{},
		response:  map[string]string{},
		expiresIn: 900,
		authTime:  now().Add(-2 * time.Minute).Unix(),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", f.discovery)
	mux.HandleFunc("GET /keys", f.keys)
	mux.HandleFunc("GET /authorize", f.authorize)
	mux.HandleFunc("POST /token", f.token)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// set changes what the provider does, in step with requests in flight.
func (f *fakeProvider) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeProvider) discovery(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                f.URL,
		"authorization_endpoint":                f.URL + "/authorize",
		"token_endpoint":                        f.URL + "/token",
		"jwks_uri":                              f.URL + "/keys",
		"end_session_endpoint":                  f.URL + "/end_session",
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"authorization_response_iss_parameter_supported": f.issSupported,
	})
}

func (f *fakeProvider) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: f.published, KeyID: "one", Algorithm: "ES256", Use: "sig",
	}}})
}

func (f *fakeProvider) authorize(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastRequest = r.URL.Query()
	code := rand.Text()
	f.requests[code] = f.lastRequest
	response := map[string]string{"code": code, "state": f.lastRequest.Get("state"), "iss": f.URL}
	maps.Copy(response, f.response)
	query := url.Values{}
	for name, value := range response {
		if value != "" {
			query.Set(name, value)
		}
	}
	http.Redirect(w, r, f.lastRequest.Get("redirect_uri")+"?"+query.Encode(), http.StatusFound)
}

func (f *fakeProvider) token(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	if id != url.QueryEscape(clientID) || secret != url.QueryEscape(clientSecret) {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	if f.tokenError != "" {
		answer(w, f.tokenStatus, map[string]any{"error": f.tokenError})
		return
	}
	nonce, ok := f.redeem(r)
	if !ok {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	f.refreshToken = rand.Text()
	access := rand.Text()
	body := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": f.expiresIn,
		"refresh_token": f.refreshToken, "id_token": f.idToken(nonce, access),
	}
	if nonce == "" && f.withoutTokens {
		delete(body, "id_token")
	}
	answer(w, http.StatusOK, body)
}

// redeem takes a code with its PKCE verifier, or the one refresh token.
func (f *fakeProvider) redeem(r *http.Request) (nonce string, ok bool) {
	if r.PostFormValue("grant_type") == "refresh_token" {
		f.refreshes++
		return "", r.PostFormValue("refresh_token") == f.refreshToken
	}
	request, ok := f.requests[r.PostFormValue("code")]
	delete(f.requests, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	good := ok && request.Get("code_challenge_method") == "S256" && request.Get("code_challenge") == challenge
	return request.Get("nonce"), good
}

func (f *fakeProvider) idToken(nonce, access string) string {
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": f.URL, "aud": clientID, "sub": "user-1", "sid": "sid-1",
		"iat": now().Unix(), "exp": now().Add(5 * time.Minute).Unix(),
		"auth_time": f.authTime,
		"at_hash":   base64.RawURLEncoding.EncodeToString(sum[:16]),
		"name":      "Maya", "email": "maya@rtx.example", "population": "agents",
		"amr": []string{"pwd", "otp", "mfa"}, "acr": "urn:gatehouse:acr:mfa",
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	maps.Copy(claims, f.claims)
	return sign(f.key, "JWT", claims)
}

// logoutToken is a good logout token with changes; a nil removes a claim.
func (f *fakeProvider) logoutToken(changes map[string]any) string {
	return sign(f.key, "logout+jwt", f.logoutClaims(changes))
}

func (f *fakeProvider) logoutClaims(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": f.URL, "aud": clientID, "sub": "user-1", "sid": "sid-1", "jti": rand.Text(),
		"iat": now().Unix(), "exp": now().Add(2 * time.Minute).Unix(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

func sign(key any, typ string, claims map[string]any) string {
	alg := jose.ES256
	if _, shared := key.([]byte); shared {
		alg = jose.HS256
	}
	options := (&jose.SignerOptions{}).WithHeader("kid", "one")
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// unsigned is a token with alg none.
func unsigned(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"logout+jwt"}`))
	return header + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
