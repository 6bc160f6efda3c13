package conformance_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func fapiDiscovery(r *run) {
	if r.metadata["issuer"] != r.house.Issuer || r.metadata["authorization_response_iss_parameter_supported"] != true {
		r.Errorf("issuer %v", r.metadata["issuer"])
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", parEndpoint} {
		r.wantURL(name)
	}
	for name, want := range map[string]string{
		"code_challenge_methods_supported": "S256", "token_endpoint_auth_methods_supported": "private_key_jwt", "grant_types_supported": "authorization_code",
		"token_endpoint_auth_signing_alg_values_supported": "PS256", "dpop_signing_alg_values_supported": "PS256", "id_token_signing_alg_values_supported": "PS256",
	} {
		if !slices.Contains(r.list(name), want) {
			r.Errorf("%s is %v, without %s", name, r.metadata[name], want)
		}
	}
}

// fapiHappyFlow: two clients sign in. An access token comes in the header alone.
func fapiHappyFlow(r *run) {
	for i := range r.house.banks.list {
		got := r.whole(r.bank(i), "scope", "openid profile email")
		if _, alg := header(r, got.raw); alg != "PS256" && alg != "ES256" && alg != "EdDSA" {
			r.Errorf("the ID token is signed with %s", alg)
		}
		target := r.endpoint("userinfo_endpoint")
		a := r.send(http.MethodGet, target+"?"+url.Values{"access_token": {got.access}}.Encode(), nil, "DPoP", r.proof(http.MethodGet, target, how{}))
		if a.status < http.StatusBadRequest {
			r.Errorf("an access token in the address is answered with %d", a.status)
		}
		for _, accept := range []string{"application/json; charset=utf-8", "*/*"} {
			claims := map[string]any{"ath": challenge(got.access)}
			a = r.send(http.MethodGet, target, nil, "Authorization", "DPoP "+got.access, "DPoP", r.proof(http.MethodGet, target, how{proof: claims}), "Accept", accept)
			r.wantClaims(a, got.claims["sub"])
		}
		r.browser = idptest.NewBrowser(r)
	}
}

// fapiUserRejects: the person says no, and the app hears it with its state of 128 characters.
func fapiUserRejects(r *run) {
	b := r.newBank(idp.Client{ThirdParty: true})
	q := r.asks(b, "state", strings.Repeat("s", 128))
	page := r.comesBack(r.opens(b, r.pushed(b, q)))
	if _, _, asked := page.Form("/deny"); !asked {
		r.Fatalf("%d %q does not let the person say no", page.Status, page.Heading())
	}
	r.refused(r.browser.Submit(page, "/deny"), q, "access_denied")
}

func fapiWithout(name string) func(r *run) {
	return func(r *run) {
		b := r.bank(0)
		q := r.asks(b, name, "")
		uri := r.pushed(b, q)
		values := r.answer(r.comesBack(r.opens(b, uri)), q)
		if name == "state" && values.Has("state") {
			r.Errorf("the app is told %v: it sent no state", values)
		}
		r.redeems(b, q, values.Get("code"))
	}
}

func fapiWith(name, value string) func(r *run) {
	return func(r *run) { r.whole(r.bank(0), name, value) }
}

func fapiClaimsParameter(r *run) {
	b := r.bank(0)
	q := r.asks(b, "claims", `{"id_token":{"email":null,"name":{"essential":true},"no_such_claim":null},"userinfo":{"email":null,"locale":{"value":"x"}}}`)
	got := r.redeems(b, q, r.pushedCode(b, q))
	r.wantClaims(r.presents(got.access), got.claims["sub"], "email")
	if got.claims["email"] == nil || got.claims["no_such_claim"] != nil {
		r.Errorf("ID token %v", got.claims)
	}
}

func fapiSchemeCase(r *run) {
	got := r.whole(r.bank(0))
	for _, scheme := range []string{"dpop", "DPOP", "dPoP"} {
		r.wantClaims(r.presentsAs(scheme, got.access), got.claims["sub"])
	}
}

// fapiProofWith signs in with proofs that have such times, in seconds from now.
func fapiProofWith(times map[string]int64) func(r *run) {
	return func(r *run) {
		b := r.bank(0)
		claims := func() map[string]any {
			all := map[string]any{}
			for name, ahead := range times {
				all[name] = idp.Now().Unix() + ahead
			}
			return all
		}
		q := r.asks(b)
		got := r.redeems(b, q, r.pushedCode(b, q), how{proof: claims()})
		r.wantClaims(r.presents(got.access, how{proof: claims()}), got.claims["sub"])
	}
}

func fapiMismatchedJKT(r *run) {
	b := r.bank(0)
	q := r.asks(b, "dpop_jkt", idptest.NewKey(r, jose.ES256).JKT())
	r.refusedBy(r.push(b, q, how{proven: true}), "invalid_request", "invalid_dpop_proof")
}

func fapiOtherProofThanPushed(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	code := r.pushedCode(b, q, how{proven: true, holder: idptest.NewKey(r, jose.ES256)})
	a := r.exchange(b, codeForm(code, "code_verifier", q.verifier))
	r.refusedBy(a, "invalid_request", "invalid_grant", "invalid_dpop_proof")
}

func fapiOtherProofThanJKT(r *run) {
	b := r.bank(0)
	q := r.asks(b, "dpop_jkt", idptest.NewKey(r, jose.ES256).JKT())
	a := r.exchange(b, codeForm(r.pushedCode(b, q), "code_verifier", q.verifier))
	r.refusedBy(a, "invalid_request", "invalid_grant", "invalid_dpop_proof")
}

func fapiProofAtPAR(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	r.redeems(b, q, r.pushedCode(b, q, how{proven: true}))
}

func fapiCodeBinding(r *run) {
	b := r.bank(0)
	q := r.asks(b, "dpop_jkt", r.holds().JKT())
	r.redeems(b, q, r.pushedCode(b, q))
}

// fapiOutside sends another value beside the request_uri: what was pushed counts, or the
// request is refused.
func fapiOutside(name, value string) func(r *run) {
	return func(r *run) {
		b := r.bank(0)
		q := r.asks(b)
		page := r.comesBack(r.opens(b, r.pushed(b, q), name, value))
		if values := r.told(page); values == nil || values.Has("error") {
			r.refusedThere(page, "invalid_request")
			return
		}
		r.redeems(b, q, r.answer(page, q).Get("code"))
	}
}

// fapiLong: a long value works, or is refused.
func fapiLong(name string) func(r *run) {
	return func(r *run) {
		b := r.bank(0)
		q := r.asks(b, name, strings.Repeat("l", 1000))
		a := r.push(b, q)
		if a.status != http.StatusCreated {
			r.refusedBy(a, "invalid_request")
			return
		}
		r.redeems(b, q, r.answer(r.comesBack(r.opens(b, a.text("request_uri"))), q).Get("code"))
	}
}

// fapiStateOutside: a state beside the request_uri is not used.
func fapiStateOutside(r *run) {
	b := r.bank(0)
	q := r.asks(b, "state", "")
	a := r.push(b, q)
	if a.status != http.StatusCreated {
		r.refusedBy(a, "invalid_request")
		return
	}
	page := r.comesBack(r.opens(b, a.text("request_uri"), "state", "only outside"))
	if values := r.told(page); values == nil || values.Has("error") {
		r.refusedThere(page, "invalid_request", "access_denied")
		return
	}
	r.redeems(b, q, r.answer(page, q).Get("code"))
}

// fapiRedirectURIBefore: a request has its redirect URI itself, even where that of the last one
// is known.
func fapiRedirectURIBefore(r *run) {
	b := r.bank(0)
	r.pushed(b, r.asks(b))
	r.refusedBy(r.push(b, r.asks(b, "redirect_uri", "")), "invalid_request", "invalid_request_object")
}

func fapiNoRedirectURI(r *run) {
	b := r.newBank(idp.Client{})
	r.refusedBy(r.push(b, r.asks(b, "redirect_uri", "")), "invalid_request")
}

func fapiUnregisteredRedirectURI(r *run) {
	b := r.bank(0)
	a := r.push(b, r.asks(b, "redirect_uri", callback+"/other"))
	if a.status != http.StatusCreated {
		r.refusedBy(a, "invalid_request")
	}
}

func fapiWithoutPAR(r *run) {
	r.refusedThere(r.open(r.asks(r.bank(0))), "invalid_request")
}

func fapiResponseType(value string) func(r *run) {
	return func(r *run) {
		b := r.bank(0)
		r.refusedBy(r.push(b, r.asks(b, "response_type", value)), "unsupported_response_type", "invalid_request", "unauthorized_client")
	}
}

// fapiOtherClientsID: the id of the second client does not go with the key of the first.
func fapiOtherClientsID(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	code := r.pushedCode(b, q)
	a := r.exchange(bank{r.bank(1).id, b.key}, codeForm(code, "code_verifier", q.verifier))
	r.refusedBy(a, "invalid_client", "invalid_grant")
}

func fapiHolderOfKey(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	a := r.exchange(b, codeForm(r.pushedCode(b, q), "code_verifier", q.verifier), how{unproven: true})
	r.refusedBy(a, "invalid_request", "invalid_grant", "invalid_dpop_proof")
}

func fapiOtherClientsCode(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	a := r.exchange(r.bank(1), codeForm(r.pushedCode(b, q), "code_verifier", q.verifier))
	r.refusedBy(a, "invalid_grant")
}

func fapiCodeReuse(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	code := r.pushedCode(b, q)
	got := r.redeems(b, q, code)
	r.later(time.Second)
	r.refusedBy(r.exchange(b, codeForm(code, "code_verifier", q.verifier)), "invalid_grant")
	if a := r.presents(got.access); a.status != http.StatusUnauthorized {
		r.Errorf("the access token still works: %d", a.status)
	}
}

func fapiExpiredCode(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	code := r.pushedCode(b, q)
	r.exec("UPDATE grants SET code_expires_at = " + ago(time.Second))
	r.later(idp.CodeLifetime)
	r.refusedBy(r.exchange(b, codeForm(code, "code_verifier", q.verifier)), "invalid_grant")
}

func fapiRS256(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	a := r.exchange(b, codeForm(r.pushedCode(b, q), "code_verifier", q.verifier), how{by: b.key.By(jose.RS256)})
	r.refusedBy(a, "invalid_client")
}

func fapiNoAssertion(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	a := r.exchange(b, codeForm(r.pushedCode(b, q), "code_verifier", q.verifier, "client_id", b.id), how{anonymous: true})
	r.refusedBy(a, "invalid_client", "invalid_request")
}

// fapiAssertionAtToken: an assertion with a claim that is wrong authenticates nobody. A time is
// in seconds from now.
func fapiAssertionAtToken(name string, value any) func(r *run) {
	return func(r *run) {
		b := r.bank(0)
		q := r.asks(b)
		claims := map[string]any{name: value}
		if ahead, is := value.(int); is {
			claims[name] = idp.Now().Unix() + int64(ahead)
			claims["iat"] = idp.Now().Unix() + int64(ahead) - 60
		}
		a := r.exchange(b, codeForm(r.pushedCode(b, q), "code_verifier", q.verifier), how{assertion: claims})
		r.refusedBy(a, "invalid_client")
	}
}

// fapiBadProofs: RFC 9449 section 4.3.
func fapiBadProofs(r *run) {
	got := r.whole(r.bank(0))
	now := idp.Now().Unix()
	for name, claims := range map[string]map[string]any{
		"no jti": {"jti": nil}, "no htm": {"htm": nil}, "no htu": {"htu": nil}, "no iat": {"iat": nil}, "no ath": {"ath": nil},
		"another ath": {"ath": challenge("another")}, "PUT": {"htm": "PUT"}, "another address": {"htu": r.house.Issuer + "/token"},
		"an hour late": {"iat": now - 3600}, "an hour early": {"iat": now + 3600},
	} {
		if a := r.presents(got.access, how{proof: claims}); a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest {
			r.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	target := r.endpoint("userinfo_endpoint")
	right := func() string {
		return r.proof(http.MethodGet, target, how{proof: map[string]any{"ath": challenge(got.access)}})
	}
	first, rest, _ := strings.Cut(right(), ".")
	header, _ := base64.RawURLEncoding.DecodeString(first)
	altered := func(from, to string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(header), from, to, 1))) + "." + rest
	}
	twice := right()
	other := r.proof(http.MethodGet, target, how{proof: map[string]any{"ath": challenge(got.access)}, holder: idptest.NewKey(r, jose.ES256)})
	for name, headers := range map[string][]string{
		"another key": {"DPoP", other}, "two proofs": {"DPoP", right(), "DPoP", right()}, "no JWT": {"DPoP", "no JWT"}, "no proof": {},
		"no typ": {"DPoP", altered("dpop+jwt", "")}, "alg none": {"DPoP", altered(`"ES256"`, `"none"`)}, "no jwk": {"DPoP", altered(`"jwk"`, `"kwj"`)},
		"an altered signature": {"DPoP", right() + "A"},
	} {
		a := r.send(http.MethodGet, target, nil, append([]string{"Authorization", "DPoP " + got.access}, headers...)...)
		if a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest {
			r.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := r.presentsAs("Bearer", got.access); a.status != http.StatusUnauthorized {
		r.Errorf("as a Bearer token: %d", a.status)
	}
	for _, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		if a := r.send(http.MethodGet, target, nil, "Authorization", "DPoP "+got.access, "DPoP", twice); a.status != want {
			r.Errorf("a proof that comes twice: %d, want %d", a.status, want)
		}
	}
	r.wantClaims(r.presents(got.access, how{proof: map[string]any{"htu": target + "?a=b#c", "extra": "claim"}}), got.claims["sub"])
}

// fapiRefreshToken: a refresh token goes on, for its app with a proof alone.
func fapiRefreshToken(r *run) {
	var refresh [2]string
	for i := range refresh {
		b := r.bank(i)
		got := r.whole(b, "scope", "openid offline_access", "prompt", "consent")
		refresh[i] = got.text("refresh_token")
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh[i]}}
		again := r.exchange(b, form)
		if again.status != http.StatusOK || again.text("refresh_token") != refresh[i] || again.text("access_token") == got.access {
			r.Errorf("the refresh token is answered with %d %s", again.status, again.body)
		}
		if raw := again.text("id_token"); raw != "" && r.verified(raw)["sub"] != got.claims["sub"] {
			r.Error("the new ID token is of somebody else")
		}
		r.refusedBy(r.exchange(b, form, how{unproven: true}), "invalid_request", "invalid_grant", "invalid_dpop_proof")
		r.browser = idptest.NewBrowser(r)
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh[1]}}
	r.refusedBy(r.exchange(r.bank(0), form), "invalid_grant", "invalid_request", "invalid_client")
}

// fapiOpenedTwice: a request_uri is used up by its answer, not by the page that asks.
func fapiOpenedTwice(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	uri := r.pushed(b, q)
	if page := r.opens(b, uri); !asksForPassword(page) {
		r.Fatalf("%d %q is not the sign-in page", page.Status, page.Heading())
	}
	r.redeems(b, q, r.answer(r.comesBack(r.opens(b, uri)), q).Get("code"))
}

func fapiReusedRequestURI(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	uri := r.pushed(b, q)
	r.redeems(b, q, r.answer(r.comesBack(r.opens(b, uri)), q).Get("code"))
	r.refusedThere(r.opens(b, uri), "invalid_request_uri", "invalid_request")
}

// parLifetime is how long a request_uri may be unopened at the very most.
const parLifetime = 600 * time.Second

func fapiExpiredRequestURI(r *run) {
	b := r.bank(0)
	uri := r.pushed(b, r.asks(b))
	r.exec("UPDATE pushed_requests SET expires_at = " + ago(time.Second))
	r.later(parLifetime)
	r.refusedThere(r.opens(b, uri), "invalid_request_uri", "invalid_request")
}

// fapiClock: iat and nbf that are some seconds ahead.
func fapiClock(ahead int64, accepted bool) func(r *run) {
	return func(r *run) {
		b := r.bank(0)
		at := idp.Now().Unix() + ahead
		a := r.push(b, r.asks(b), how{assertion: map[string]any{"iat": at, "nbf": at, "exp": at + 60}})
		if accepted && a.status != http.StatusCreated {
			r.Errorf("answer %d %s", a.status, a.body)
		}
		if !accepted {
			r.refusedBy(a, "invalid_client", "invalid_request")
		}
	}
}

func fapiOtherClientsRequestURI(r *run) {
	b := r.bank(0)
	uri := r.pushed(b, r.asks(b))
	r.refusedThere(r.opens(r.bank(1), uri), "invalid_request_uri", "invalid_request")
}

func fapiRequestURIPushed(r *run) {
	b := r.bank(0)
	r.refusedBy(r.push(b, r.asks(b, "request_uri", "urn:ietf:params:oauth:request_uri:x")), "invalid_request")
}

func fapiWrongMethod(r *run) {
	b := r.bank(0)
	if a := r.push(b, r.asks(b), how{method: http.MethodPut}); a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotFound {
		r.Errorf("PUT is answered with %d %s", a.status, a.body)
	}
}

func fapiNoPKCE(r *run) {
	b := r.bank(0)
	r.refusedBy(r.push(b, r.asks(b, "code_challenge", "", "code_challenge_method", "")), "invalid_request")
}

func fapiPlainPKCE(r *run) {
	b := r.bank(0)
	q := r.asks(b, "code_challenge_method", "plain")
	q.Set("code_challenge", q.verifier)
	r.refusedBy(r.push(b, q), "invalid_request")
}

func fapiNoVerifier(r *run) {
	b := r.bank(0)
	r.refusedBy(r.exchange(b, codeForm(r.pushedCode(b, r.asks(b)))), "invalid_grant", "invalid_request")
}

func fapiWrongVerifier(r *run) {
	b := r.bank(0)
	r.refusedBy(r.exchange(b, codeForm(r.pushedCode(b, r.asks(b)), "code_verifier", strings.Repeat("v", 64))), "invalid_grant")
}

func fapiWithoutDuplicates(r *run) {
	b := r.bank(0)
	q := r.asks(b)
	page := r.comesBack(r.opens(b, r.pushed(b, q), "response_type", "", "scope", "", "redirect_uri", ""))
	r.redeems(b, q, r.answer(page, q).Get("code"))
}

func fapiAudience(aud func(r *run) any) func(r *run) {
	return func(r *run) {
		b := r.bank(0)
		r.refusedBy(r.push(b, r.asks(b), how{assertion: map[string]any{"aud": aud(r)}}), "invalid_client", "invalid_request")
	}
}
