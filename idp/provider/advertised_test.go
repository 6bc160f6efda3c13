package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// A trial holds a field of the discovery document: what the document says works, and what
// it leaves out is refused.
type trial func(t *testing.T, k *kit, d map[string]any, field string)

// Each field of the document needs a trial.
var trials = map[string]trial{
	"issuer": func(t *testing.T, k *kit, d map[string]any, field string) {
		if got := k.tokens(k.AddParty(idp.Client{})).Claims["iss"]; got != d[field] {
			t.Errorf("ID tokens are of %v, the document of %v", got, d[field])
		}
	},
	"authorization_endpoint": endpointTrial, "token_endpoint": endpointTrial, "userinfo_endpoint": endpointTrial,
	"end_session_endpoint": endpointTrial, "introspection_endpoint": endpointTrial, "revocation_endpoint": endpointTrial, "pushed_authorization_request_endpoint": endpointTrial, "jwks_uri": endpointTrial,
	"device_authorization_endpoint":     endpointTrial,
	"dpop_signing_alg_values_supported": listTrial(proofWorks, "ES256", "ES384", "EdDSA", "RS256", "PS256", "HS256", "none"),

	"scopes_supported": listTrial(scopeWorks, "openid", "profile", "email", "roles", "offline_access", "address", "phone", "admin"),
	"response_types_supported": listTrial(authorizes("response_type", "unsupported_response_type"),
		"code", "token", "id_token", "none", "code token", "code id_token", "id_token token", "code id_token token"),
	"response_modes_supported": listTrial(authorizes("response_mode", "invalid_request"), "query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt", "web_message"),
	"prompt_values_supported":  listTrial(promptWorks, "none", "login", "consent", "select_account", "create", "select", "signup"),
	"code_challenge_methods_supported": listTrial(func(t *testing.T, k *kit, method string) bool {
		p := k.AddParty(idp.Client{Kind: idp.NativeClient})
		a := p.Begin()
		challenge := map[string]string{"S256": oauth2.S256ChallengeFromVerifier(a.Verifier), "plain": a.Verifier}[method]
		page := k.browser.Get(edit(a.URL, "code_challenge_method", method, "code_challenge", challenge))
		return k.answered(t, p, a, page, "invalid_request")
	}, "S256", "plain"),
	"grant_types_supported": listTrial(grantWorks, "authorization_code", "refresh_token", "client_credentials", "password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer",
		"urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"),
	"acr_values_supported": listTrial(func(t *testing.T, k *kit, acr string) bool {
		if idp.ACR(acr).Rank() >= idp.ACRPasskey.Rank() { // what people with a passkey, in hardware, are answered
			usual := k.browser
			defer func() { k.browser = usual }()
			var s idp.Session
			k.browser, s = k.signIn(k.person(acr+"@rtx.example"), idp.MethodPassword, idp.MethodPasskey)
			if acr == string(idp.ACRHardware) {
				k.inHardware(s)
			}
		}
		got := k.tokens(k.AddParty(idp.Client{}), "acr_values", acr).Claims["acr"]
		// By password and app it is more than federated, and says so.
		return got == acr || acr == string(idp.ACRFederated)
	}, "urn:mace:incommon:iap:silver", "0"),
	"id_token_signing_alg_values_supported": listTrial(algWorks, "RS256", "ES256", "none", "HS256", "RS384", "PS384", "ES384", "ES512", "PS256", "EdDSA"),

	"token_endpoint_auth_methods_supported":         authTrial("/token", "none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"),
	"introspection_endpoint_auth_methods_supported": authTrial("/introspect", "client_secret_basic", "client_secret_post", "none", "client_secret_jwt", "private_key_jwt", "tls_client_auth"),
	"revocation_endpoint_auth_methods_supported":    authTrial("/revoke", "none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth"),

	"token_endpoint_auth_signing_alg_values_supported":         assertionTrial("/token"),
	"introspection_endpoint_auth_signing_alg_values_supported": assertionTrial("/introspect"),
	"revocation_endpoint_auth_signing_alg_values_supported":    assertionTrial("/revoke"),

	"subject_types_supported": listTrial(func(t *testing.T, k *kit, subjectType string) bool {
		c := idp.Client{SubjectType: idp.SubjectType(subjectType), RedirectURIs: []string{"https://one.example/cb"}, Name: "App", Populations: []string{idp.Agents}}
		if _, _, err := k.Manage.Apps.CreateClient(t.Context(), c); err != nil {
			return false
		}
		one := k.tokens(k.AddParty(c))
		c.RedirectURIs = []string{"https://two.example/cb"}
		two := k.tokens(k.AddParty(c))
		return (one.ID.Subject == two.ID.Subject) == (subjectType == "public")
	}, "public", "pairwise", "ephemeral"),
	"ui_locales_supported": listTrial(func(_ *testing.T, k *kit, lang string) bool {
		return k.send("GET", "/end_session?ui_locales="+lang, "").header.Get("Content-Language") == lang
	}, "zh", "it", "de-CH", "x"),
	"claim_types_supported": func(t *testing.T, k *kit, _ map[string]any, _ string) {
		info := k.userinfo(k.tokens(k.AddParty(idp.Client{})).AccessToken).json
		if info["_claim_names"] != nil || info["sub"] == nil {
			t.Errorf("claims %v are not all normal", info)
		}
	},
	// TestClaimsAreThoseOfTheDocumentation compares the list with tokens and answers.
	"claims_supported": func(t *testing.T, k *kit, d map[string]any, field string) {
		for name := range k.tokens(k.AddParty(idp.Client{})).Claims {
			if !slices.Contains(words(d[field]), name) {
				t.Errorf("claim %s is not announced", name)
			}
		}
	},

	"claims_parameter_supported": func(t *testing.T, k *kit, _ map[string]any, _ string) {
		tokens := k.tokens(k.AddParty(idp.Client{}), "scope", "openid", "claims", `{"id_token":{"email":null}}`)
		if tokens.Claims["email"] == nil {
			t.Errorf("claims %v lack one that was asked for", tokens.Claims)
		}
	},
	"request_parameter_supported":     parameterTrial("request", "e30.e30.", "request_not_supported"),
	"request_uri_parameter_supported": parameterTrial("request_uri", "https://app.example/request", "request_uri_not_supported"),
	"require_pushed_authorization_requests": func(t *testing.T, k *kit, d map[string]any, field string) {
		p := k.AddParty(idp.Client{})
		if a := p.Begin(); d[field] != false || p.Code(a, k.browser.Get(a.URL).Left) == "" {
			t.Errorf("%s is %v", field, d[field])
		}
	},
	"authorization_response_iss_parameter_supported": func(t *testing.T, k *kit, d map[string]any, _ string) {
		a := k.AddParty(idp.Client{}).Begin()
		if left := k.browser.Get(a.URL).Left; left == nil || left.Query().Get("iss") != d["issuer"] {
			t.Errorf("the answer %v has no iss", left)
		}
	},
	"backchannel_logout_supported": inConformance, "backchannel_logout_session_supported": inConformance,
	"frontchannel_logout_supported": inConformance, "frontchannel_logout_session_supported": inConformance,
}

// inConformance: the modules of the logout profiles hold these (idp/conformance).
func inConformance(t *testing.T, _ *kit, d map[string]any, field string) {
	if d[field] != true {
		t.Errorf("%s is %v", field, d[field])
	}
}

func TestDiscoveryIsTrueFieldByField(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	d := k.send("GET", documentPath, "").json
	for field := range d {
		try, known := trials[field]
		if !known {
			t.Errorf("%s is in the document, and nothing tries it", field)
			continue
		}
		t.Run(field, func(t *testing.T) { try(t, k, d, field) })
	}
	for field := range trials {
		if _, there := d[field]; !there {
			t.Errorf("%s is tried and not in the document", field)
		}
	}
}

// endpointTrial: the address answers, and not as one that is not there.
func endpointTrial(t *testing.T, k *kit, d map[string]any, field string) {
	target, _ := d[field].(string)
	path, ours := strings.CutPrefix(target, k.Issuer)
	if r := k.send("GET", path, ""); !ours || r.status == http.StatusNotFound || r.status >= 500 {
		t.Errorf("%s answers %d", target, r.status)
	}
}

// listTrial: each value of a list works. Of all that the field could have, no other does.
func listTrial(works func(t *testing.T, k *kit, value string) bool, all ...string) trial {
	return func(t *testing.T, k *kit, d map[string]any, field string) {
		listed := words(d[field])
		if len(listed) == 0 {
			t.Fatalf("%s is %v, not a list", field, d[field])
		}
		for _, value := range listed {
			if !works(t, k, value) {
				t.Errorf("%s is offered and does not work", value)
			}
		}
		for _, value := range all {
			if !slices.Contains(listed, value) && works(t, k, value) {
				t.Errorf("%s works and is not offered", value)
			}
		}
	}
}

// answered tells whether an app gets a code, and if not that it gets the error.
func (k *kit) answered(t *testing.T, p *idptest.Party, a idptest.Attempt, page *idptest.Page, refusal string) bool {
	t.Helper()
	if page.Left != nil && page.Left.Query().Has("error") {
		k.wantError(t, p, a, page, refusal)
		return false
	}
	return page.Status < 400
}

func authorizes(parameter, refusal string) func(t *testing.T, k *kit, value string) bool {
	return func(t *testing.T, k *kit, value string) bool {
		p := k.AddParty(idp.Client{})
		a := p.Begin()
		return k.answered(t, p, a, k.browser.Get(edit(a.URL, parameter, value)), refusal)
	}
}

func promptWorks(t *testing.T, k *kit, prompt string) bool {
	p := k.AddParty(idp.Client{})
	a := p.Begin("prompt", prompt)
	return k.answered(t, p, a, k.browser.Get(a.URL), "invalid_request")
}

func scopeWorks(_ *testing.T, k *kit, scope string) bool {
	client := idp.Client{Scopes: append(idp.PersonScopes(), idp.AdminScope)}
	granted, _ := k.tokens(k.AddParty(client), "scope", "openid "+scope).Extra("scope").(string)
	return slices.Contains(strings.Fields(granted), scope)
}

// grantWorks: the token endpoint knows the grant type. What else a request lacks, it tells
// by another error.
func grantWorks(_ *testing.T, k *kit, grant string) bool {
	p := k.AddParty(idp.Client{Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}})
	return k.post(p, url.Values{"grant_type": {grant}}).text("error") != "unsupported_grant_type"
}

func algWorks(t *testing.T, k *kit, alg string) bool {
	client, _, err := k.Manage.Apps.CreateClient(t.Context(), idp.Client{
		Name: "Signed", Populations: []string{idp.Agents}, RedirectURIs: []string{idptest.RedirectURI}, SigningAlg: idp.Algorithm(alg),
	})
	if err != nil {
		return false
	}
	p := k.AddParty(idp.Client{SigningAlg: client.SigningAlg})
	return part(t, k.tokens(p).RawID, 0)["alg"] == alg
}

// authTrial: each method authenticates an app of its own at an endpoint, and no app can have
// another.
func authTrial(path string, all ...string) trial {
	return listTrial(func(t *testing.T, k *kit, method string) bool {
		c := idp.Client{AuthMethod: idp.AuthMethod(method), Name: "Authenticates", Populations: []string{idp.Agents}, RedirectURIs: []string{idptest.RedirectURI}}
		if method == string(idp.NoClientAuth) {
			c.Kind = idp.NativeClient
		}
		c = k.withKey(c)
		if _, _, err := k.Manage.Apps.CreateClient(t.Context(), c); err != nil {
			return false
		}
		p := k.AddParty(c)
		r := k.postTo(path, p, url.Values{"token": {"x"}, "grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {idptest.RedirectURI}})
		return r.status == http.StatusOK || r.text("error") == "invalid_grant"
	}, all...)
}

// assertionTrial: an app authenticates by a signature of each algorithm, and of no other.
func assertionTrial(path string) trial {
	return listTrial(func(t *testing.T, k *kit, alg string) bool {
		key := newKey(t, jose.SignatureAlgorithm(alg), "")
		client := k.keyed(key).Client
		token := ""
		if alg == "HS256" {
			token = signHMAC(t, []byte(client.JWKS), k.claimsOf(client.ID))
		} else {
			token = key.sign(t, k.claimsOf(client.ID))
		}
		r := k.send("POST", path, asserted(url.Values{"token": {"x"}, "grant_type": {"client_credentials"}}, token).Encode())
		return r.status == http.StatusOK
	}, "RS256", "RS384", "RS512", "PS384", "PS512", "HS256")
}

// parameterTrial: a parameter that is not supported is refused by its own error.
func parameterTrial(name, value, refusal string) trial {
	return func(t *testing.T, k *kit, d map[string]any, field string) {
		if d[field] != false {
			t.Fatalf("%s is %v", field, d[field])
		}
		p := k.AddParty(idp.Client{})
		a := p.Begin(name, value)
		k.wantError(t, p, a, k.browser.Get(a.URL), refusal)
	}
}
