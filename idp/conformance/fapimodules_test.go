package conformance_test

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatehouse/idp"
)

// fapiPlan is fapi2-security-profile-final-test-plan with client_auth_type=private_key_jwt,
// sender_constrain=dpop, openid=openid_connect and fapi_profile=plain_fapi.
var fapiPlan = []module{
	{"discovery-end-point-verification", fapiDiscovery, replaces(`"code_challenge_methods_supported":["S256"]`, `"code_challenge_methods_supported":["plain"]`)},
	{"happy-flow", fapiHappyFlow, accepts("/userinfo", func(r *http.Request, _ url.Values) bool { return r.URL.Query().Has("access_token") })},
	{"user-rejects-authentication", fapiUserRejects, func(_ *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/deny") {
			backTo(w, r, callback, "error", "server_error")
			return
		}
		next.ServeHTTP(w, r)
	}},
	{"ensure-authorization-request-without-state-success", fapiWithout("state"), rejects("/par", "invalid_request", ofForm(func(q url.Values) bool { return !q.Has("state") }))},
	{"ensure-authorization-request-without-nonce-success", fapiWithout("nonce"), rejects("/par", "invalid_request", ofForm(func(q url.Values) bool { return !q.Has("nonce") }))},
	{"ensure-authorization-request-with-64-char-nonce-success", fapiWith("nonce", strings.Repeat("n", 64)), rejects("/par", "invalid_request", ofForm(func(q url.Values) bool { return len(q.Get("nonce")) == 64 }))},
	{"ensure-other-scope-order-succeeds", fapiWith("scope", "email openid"), rejects("/par", "invalid_scope", ofForm(is("scope", "email openid")))},
	{"test-claims-parameter-identity-claims", fapiClaimsParameter, alter("/par", func(q url.Values) { q.Del("claims") })},
	{"access-token-type-header-case-sensitivity", fapiSchemeCase, answers("/userinfo", func(r *http.Request, _ url.Values) bool {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		return scheme != "DPoP" && strings.EqualFold(scheme, "DPoP")
	}, status(http.StatusUnauthorized))},
	{"check-dpop-proof-nbf-exp", fapiProofWith(map[string]int64{"nbf": 0, "exp": 300}), rejects("/token", "invalid_dpop_proof", proves(func(c map[string]any) bool { return c["nbf"] != nil }))},
	{"ensure-dpopproof-with-iat-10seconds-before-succeeds", fapiProofWith(map[string]int64{"iat": -10}), rejects("/token", "invalid_dpop_proof", proves(func(c map[string]any) bool { return ahead(c, "iat") <= -10 }))},
	{"ensure-dpopproof-with-iat-10seconds-after-succeeds", fapiProofWith(map[string]int64{"iat": 10}), rejects("/token", "invalid_dpop_proof", proves(func(c map[string]any) bool { return ahead(c, "iat") > 1 }))},
	{"ensure-mismatched-dpop-jkt-fails", fapiMismatchedJKT, meddles("/par", func(r *http.Request, form url.Values) {
		if jkt := jktIn(r); jkt != "" && form.Get("dpop_jkt") != jkt {
			form.Del("dpop_jkt")
		}
	})},
	{"ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt", fapiOtherProofThanPushed, meddles("/par", func(r *http.Request, form url.Values) {
		if !form.Has("dpop_jkt") {
			r.Header.Del("DPoP")
		}
	})},
	{"ensure-token-endpoint-fails-with-mismatched-dpop-jkt", fapiOtherProofThanJKT, meddles("/par", func(r *http.Request, form url.Values) {
		if r.Header.Get("DPoP") == "" {
			form.Del("dpop_jkt")
		}
	})},
	{"ensure-dpopproof-at-par-endpoint-binding-success", fapiProofAtPAR, watching(func(_ *house, e *entry, w http.ResponseWriter, r *http.Request, _ url.Values) bool {
		return refuseIf(w, r.URL.Path == "/token" && e != nil && e.jkt != "" && e.jkt == jktIn(r), "invalid_dpop_proof")
	})},
	{"ensure-dpop-auth-code-binding-success", fapiCodeBinding, watching(func(_ *house, e *entry, w http.ResponseWriter, r *http.Request, _ url.Values) bool {
		return refuseIf(w, r.URL.Path == "/token" && e != nil && e.jkt == "param "+jktIn(r), "invalid_dpop_proof")
	})},
	{"ensure-different-nonce-inside-and-outside-request-object", fapiOutside("nonce", "outside"), answers("/authorize", func(_ *http.Request, q url.Values) bool { return q.Get("nonce") == "outside" }, outsideWins)},
	{"ensure-different-state-inside-and-outside-request-object", fapiOutside("state", "outside"), answers("/authorize", func(_ *http.Request, q url.Values) bool { return q.Get("state") == "outside" }, outsideWins)},
	{"ensure-authorization-request-with-long-nonce", fapiLong("nonce"), answers("/par", ofForm(func(q url.Values) bool { return len(q.Get("nonce")) == 1000 }), status(http.StatusInternalServerError))},
	{"ensure-authorization-request-with-long-state", fapiLong("state"), answers("/par", ofForm(func(q url.Values) bool { return len(q.Get("state")) == 1000 }), status(http.StatusInternalServerError))},
	{"state-only-outside-request-object-not-used", fapiStateOutside, answers("/authorize", func(_ *http.Request, q url.Values) bool { return q.Get("state") == "only outside" }, outsideWins)},
	{"ensure-request-object-without-redirect-uri-fails", fapiRedirectURIBefore, remembersRedirects(true)},
	{"plain-fapi-tolerate-unregistered-redirect-uri", fapiUnregisteredRedirectURI, answers("/par", ofForm(func(q url.Values) bool {
		return q.Has("redirect_uri") && q.Get("redirect_uri") != callback
	}), status(http.StatusInternalServerError))},
	{"ensure-unsigned-authorization-request-without-using-par-fails", fapiWithoutPAR, accepts("/authorize", func(_ *http.Request, q url.Values) bool { return !q.Has("request_uri") })},
	{"ensure-redirect-uri-in-authorization-request", fapiNoRedirectURI, remembersRedirects(false)},
	{"ensure-response-type-code-idtoken-fails", fapiResponseType("code id_token"), responseTypeIsCode("code id_token")},
	{"ensure-response-type-token-fails", fapiResponseType("token"), responseTypeIsCode("token")},
	{"ensure-client-id-in-token-endpoint", fapiOtherClientsID, func(h *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		form := parameters(r)
		header, claims := said(form.Get("client_assertion"))
		if r.URL.Path == "/token" && header["alg"] == "PS256" && claims["sub"] == h.banks.list[1].id {
			fine(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}},
	{"ensure-holder-of-key-required", fapiHolderOfKey, accepts("/token", func(r *http.Request, form url.Values) bool {
		return r.Header.Get("DPoP") == "" && isGrant(form, "authorization_code")
	})},
	{"ensure-authorization-code-is-bound-to-client", fapiOtherClientsCode, watching(func(_ *house, e *entry, w http.ResponseWriter, r *http.Request, form url.Values) bool {
		header, claims := said(form.Get("client_assertion"))
		return fineIf(w, r, r.URL.Path == "/token" && e != nil && header["alg"] == "ES256" && claims["sub"] != e.client)
	})},
	{"attempt-reuse-authorization-code-after-one-second", fapiCodeReuse, replaysCode(func(time.Duration) bool { return true })},
	{"ensure-token-endpoint-fails-with-expired-auth-code", fapiExpiredCode, watching(func(h *house, e *entry, w http.ResponseWriter, r *http.Request, _ url.Values) bool {
		return fineIf(w, r, r.URL.Path == "/token" && e.older(h, idp.CodeLifetime))
	})},
	{"ensure-signed-client-assertion-with-RS256-fails", fapiRS256, accepts("/token", func(_ *http.Request, form url.Values) bool {
		header, _ := said(form.Get("client_assertion"))
		return header["alg"] == "RS256"
	})},
	{"ensure-client-assertion-in-token-endpoint", fapiNoAssertion, accepts("/token", ofForm(func(q url.Values) bool { return !q.Has("client_assertion") }))},
	{"ensure-client-assertion-with-exp-is-5-minutes-in-past-fails", fapiAssertionAtToken("exp", -300), accepts("/token", asserts(func(c map[string]any) bool { return ahead(c, "exp") < -60 }))},
	{"ensure-client-assertion-with-wrong-aud-fails", fapiAssertionAtToken("aud", "https://elsewhere.example"), accepts("/token", asserts(func(c map[string]any) bool { return c["aud"] == "https://elsewhere.example" }))},
	{"ensure-client-assertion-with-no-sub-fails", fapiAssertionAtToken("sub", nil), accepts("/token", asserts(func(c map[string]any) bool { return c["sub"] == nil }))},
	{"dpop-negative-tests", fapiBadProofs, accepts("/userinfo", proves(func(c map[string]any) bool { return c["jti"] == nil }))},
	{"refresh-token", fapiRefreshToken, rewrites("/token", ofForm(func(q url.Values) bool { return isGrant(q, "refresh_token") }), func(_ http.Header, body string) string {
		return strings.Replace(body, `"refresh_token":"`, `"refresh_token":"x`, 1)
	})},
	{"par-ensure-reused-request-uri-prior-to-auth-completion-succeeds", fapiOpenedTwice, watching(func(_ *house, e *entry, w http.ResponseWriter, r *http.Request, _ url.Values) bool {
		again := r.URL.Path == "/authorize" && e != nil && e.opened == 1 && !signedIn(r)
		if again {
			w.WriteHeader(http.StatusGone)
		}
		return again
	})},
	{"par-attempt-reuse-request_uri", fapiReusedRequestURI, watching(func(_ *house, e *entry, w http.ResponseWriter, r *http.Request, _ url.Values) bool {
		return fineIf(w, r, r.URL.Path == "/authorize" && e != nil && e.opened == 1 && signedIn(r))
	})},
	{"par-attempt-to-use-expired-request_uri", fapiExpiredRequestURI, watching(func(h *house, e *entry, w http.ResponseWriter, r *http.Request, _ url.Values) bool {
		return fineIf(w, r, r.URL.Path == "/authorize" && e.older(h, parLifetime))
	})},
	{"par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted", fapiClock(8, true), rejects("/par", "invalid_client", asserts(func(c map[string]any) bool { return ahead(c, "nbf") > 1 && ahead(c, "nbf") < 60 }))},
	{"par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails", fapiClock(70, false), accepts("/par", asserts(func(c map[string]any) bool { return ahead(c, "nbf") > 60 }))},
	{"par-attempt-to-use-request_uri-for-different-client", fapiOtherClientsRequestURI, watching(func(_ *house, e *entry, w http.ResponseWriter, r *http.Request, form url.Values) bool {
		return fineIf(w, r, r.URL.Path == "/authorize" && e != nil && e.client != form.Get("client_id"))
	})},
	{"par-authorization-request-containing-request_uri-form-param", fapiRequestURIPushed, alter("/par", func(q url.Values) { q.Del("request_uri") })},
	{"par-attempt-invalid-http-method", fapiWrongMethod, func(_ *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/par" && r.Method == http.MethodPut {
			r.Method = http.MethodPost
		}
		next.ServeHTTP(w, r)
	}},
	{"par-ensure-pkce-required", fapiNoPKCE, alter("/par", func(q url.Values) {
		if !q.Has("code_challenge") && !q.Has("code_challenge_method") {
			q.Set("code_challenge", challenge("any"))
			q.Set("code_challenge_method", "S256")
		}
	})},
	{"ensure-pkce-code-verifier-required", fapiNoVerifier, accepts("/token", ofForm(func(q url.Values) bool {
		return isGrant(q, "authorization_code") && !q.Has("code_verifier")
	}))},
	{"incorrect-pkce-code-verifier-rejected", fapiWrongVerifier, watching(func(_ *house, e *entry, w http.ResponseWriter, r *http.Request, form url.Values) bool {
		return fineIf(w, r, r.URL.Path == "/token" && e == nil && form.Has("code_verifier"))
	})},
	{"par-plain-pkce-rejected", fapiPlainPKCE, alter("/par", func(q url.Values) {
		if q.Get("code_challenge_method") == "plain" {
			q.Set("code_challenge", challenge(q.Get("code_challenge")))
			q.Set("code_challenge_method", "S256")
		}
	})},
	{"par-without-duplicate-parameters", fapiWithoutDuplicates, answers("/authorize", func(_ *http.Request, q url.Values) bool {
		return q.Has("request_uri") && len(q) == 2
	}, status(http.StatusBadRequest))},
	{"par-test-array-as-audience-fails", fapiAudience(func(r *run) any { return []string{r.house.Issuer} }), acceptsAudience(func(_ *house, aud any) bool { return aud != nil && !isString(aud) })},
	{"par-test-par-endpoint-url-as-audience-fails", fapiAudience(func(r *run) any { return r.endpoint(parEndpoint) }), acceptsAudience(func(h *house, aud any) bool { return aud == h.Issuer+"/par" })},
	{"par-test-token-endpoint-url-as-audience-fails", fapiAudience(func(r *run) any { return r.endpoint("token_endpoint") }), acceptsAudience(func(h *house, aud any) bool { return aud == h.Issuer+"/token" })},
}
