package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/server"
)

// acrClaim is the claims parameter that asks for an acr.
func acrClaim(essential bool, values ...string) string {
	b, _ := json.Marshal(map[string]any{"id_token": map[string]any{"acr": map[string]any{"essential": essential, "values": values}}})
	return string(b)
}

// Without a page, each request gets a code or the standard's error.
func TestWhatASessionIsEnoughFor(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	password, mfa := string(idp.ACRPassword), string(idp.ACRMFA)
	k.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
	weak, _ := k.signIn(k.person("weak@rtx.example"), idp.MethodPassword)
	mailed, _ := k.signIn(k.person("mailed@rtx.example"), idp.MethodPassword, idp.MethodEmail)
	strong, _ := k.signIn(k.person("strong@rtx.example"), idp.MethodPassword, idp.MethodTOTP)
	for name, c := range map[string]struct {
		browser    *idptest.Browser
		pairs      []string
		error, acr string
	}{
		"nobody":                               {idptest.NewBrowser(t), nil, "login_required", ""},
		"password":                             {weak, nil, "", password},
		"password, asked for more":             {weak, []string{"acr_values", mfa}, "interaction_required", ""},
		"password, asked for two steps":        {weak, []string{"acr_values", string(idp.ACRTwoStep)}, "interaction_required", ""},
		"password, asked for unknown":          {weak, []string{"acr_values", "urn:bogus"}, "", password},
		"password, asked for the best":         {weak, []string{"acr_values", "phr"}, "interaction_required", ""},
		"password, either will do":             {weak, []string{"acr_values", "phr " + password}, "", password},
		"email code":                           {mailed, []string{"acr_values", string(idp.ACRTwoStep)}, "", string(idp.ACRTwoStep)},
		"email code, asked for mfa":            {mailed, []string{"acr_values", mfa}, "interaction_required", ""},
		"app":                                  {strong, nil, "", mfa},
		"app, asked for its alias":             {strong, []string{"acr_values", string(idp.ACRRefedsMFA)}, "", string(idp.ACRRefedsMFA)},
		"app, asked for less":                  {strong, []string{"acr_values", password}, "", password},
		"app, essential":                       {strong, []string{"claims", acrClaim(true, mfa)}, "", mfa},
		"password, essential":                  {weak, []string{"claims", acrClaim(true, mfa)}, "interaction_required", ""},
		"essential and unknown":                {weak, []string{"claims", acrClaim(true, "urn:bogus")}, "unmet_authentication_requirements", ""},
		"voluntary and unknown":                {weak, []string{"claims", acrClaim(false, "urn:bogus")}, "", password},
		"essential beats acr_values":           {weak, []string{"acr_values", password, "claims", acrClaim(true, mfa)}, "interaction_required", ""},
		"essential without a value":            {weak, []string{"claims", `{"id_token":{"acr":{"essential":true}}}`}, "", password},
		"other claims":                         {weak, []string{"claims", `{"userinfo":{"email":null},"id_token":{"acr":null,"auth_time":{"essential":true}}}`}, "", password},
		"young enough":                         {strong, []string{"max_age", "60"}, "", mfa},
		"too old":                              {strong, []string{"max_age", "1"}, "login_required", ""},
		"another person is wanted":             {weak, []string{"claims", `{"id_token":{"sub":{"value":"somebody"}}}`}, "login_required", ""},
		"claims that are no JSON":              {weak, []string{"claims", "{"}, "invalid_request", ""},
		"claims that are a list":               {weak, []string{"claims", "[]"}, "invalid_request", ""},
		"claims that are null":                 {weak, []string{"claims", "null"}, "", password},
		"two subjects, one in each place":      {weak, []string{"claims", `{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}`}, "invalid_request", ""},
		"a subject for userinfo":               {weak, []string{"claims", `{"userinfo":{"sub":{"value":"somebody"}}}`}, "login_required", ""},
		"claims of which a place is a list":    {weak, []string{"claims", `{"userinfo":["email"]}`}, "invalid_request", ""},
		"two subjects":                         {weak, []string{"claims", `{"id_token":{"sub":{"values":["a","b"]}}}`}, "invalid_request", ""},
		"a subject that is a list":             {weak, []string{"claims", `{"id_token":{"sub":{"value":["a"]}}}`}, "invalid_request", ""},
		"a subject that is a number":           {weak, []string{"claims", `{"id_token":{"sub":{"value":7}}}`}, "invalid_request", ""},
		"subjects, one of which is no text":    {weak, []string{"claims", `{"id_token":{"sub":{"values":["a",7]}}}`}, "invalid_request", ""},
		"a subject with a zero byte":           {weak, []string{"claims", `{"id_token":{"sub":{"value":"a\u0000"}}}`}, "invalid_request", ""},
		"an acr of another type is none":       {weak, []string{"claims", `{"id_token":{"acr":{"essential":true,"values":[3]}}}`}, "", password},
		"only the second step is within a day": {strong, []string{"max_age", "86400", "acr_values", mfa}, "", mfa},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.Begin(append([]string{"prompt", "none"}, c.pairs...)...)
			page := c.browser.Get(a.URL)
			if c.error != "" {
				k.wantError(t, p, a, page, c.error)
				return
			}
			if got := p.Exchange(a, page.Left).Claims["acr"]; got != c.acr {
				t.Errorf("acr %v, want %s", got, c.acr)
			}
		})
	}
}

// A client's least acr holds for everybody who comes by password.
func TestAClientsLeastACR(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	k.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
	p := k.AddParty(idp.Client{})
	k.SetOverride(p.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.OnNextLogin)
	for method, want := range map[idp.Method]string{
		"": "interaction_required", idp.MethodEmail: "interaction_required", idp.MethodTOTP: "", idp.MethodRecovery: "",
	} {
		methods := []idp.Method{idp.MethodPassword}
		if method != "" {
			methods = append(methods, method)
		}
		b, _ := k.signIn(k.person(string(method)+"x@rtx.example"), methods...)
		if got := b.Get(p.Begin("prompt", "none").URL).Left.Query().Get("error"); got != want {
			t.Errorf("password and %q: error %q, want %q", method, got, want)
		}
	}
}

// A later step-up of the session never upgrades a grant.
func TestAStepUpLeavesOlderGrantsAsTheyAre(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		k.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
		p := k.AddParty(idp.Client{})
		b, s := k.signIn(k.person("weak@rtx.example"), idp.MethodPassword)
		a := p.Begin()
		before := p.Exchange(a, b.Get(a.URL).Left)
		s.Proofs = append(s.Proofs, idp.Proof{Method: idp.MethodTOTP, At: idp.Now()})
		idptest.Must(t, k.Store.RenewSession(t.Context(), s))
		refreshed, err := p.Refresh(before.RefreshToken)
		idptest.Must(t, err)
		raw, _ := refreshed.Extra("id_token").(string)
		if claims := payload(t, raw); claims["acr"] != string(idp.ACRPassword) || len(claims["amr"].([]any)) != 1 {
			t.Errorf("after the refresh: %v", claims)
		}
		a = p.Begin()
		if after := p.Exchange(a, b.Get(a.URL).Left); after.Claims["acr"] != string(idp.ACRMFA) {
			t.Errorf("a new grant: %v", after.Claims)
		}
	})
}

func payload(t *testing.T, jwt string) map[string]any {
	t.Helper()
	claims := map[string]any{}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	idptest.Must(t, err)
	idptest.Must(t, json.Unmarshal(raw, &claims))
	return claims
}

// A step-up may cost three statements more than single sign-on, which takes four.
func TestStatementsOfAStepUp(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		k := signedIn(t, idptest.StartWith(t, cfg, ""), db.URL)
		p := k.AddParty(idp.Client{})
		statements(t, replica(k, cfg), k.request("GET", p.Begin("prompt", "login").URL, nil), http.StatusFound, 4+3)
		db.Age(t, "sessions", time.Minute, "last_seen_at")
	})
}

// Where the policy asks people with permissions for a passkey, a session without one, such as
// one that a recovery code made for the account's pages, does not let them in elsewhere.
func TestSingleSignOnAsksPeopleWithPermissionsForTheirPasskey(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	k.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, IssuerLabel: "RTX", PasskeyForRoles: true}, populations.OnNextLogin)
	admin := k.person("boss@rtx.example")
	idptest.Must(t, k.Store.GiveRole(t.Context(), admin.ID, idp.RoleAdmin))
	byCode, _ := k.signIn(admin, idp.MethodPassword, idp.MethodRecovery)
	byPasskey, _ := k.signIn(admin, idp.MethodPassword, idp.MethodPasskey)
	other, _ := k.signIn(k.person("other@rtx.example"), idp.MethodPassword, idp.MethodTOTP)
	for name, c := range map[string]struct {
		browser *idptest.Browser
		error   string
	}{
		"a recovery code": {byCode, "interaction_required"}, "the passkey": {byPasskey, ""}, "somebody without a permission": {other, ""},
	} {
		a := p.Begin("prompt", "none")
		page := c.browser.Get(a.URL)
		if c.error != "" {
			k.wantError(t, p, a, page, c.error)
			continue
		}
		if page.Left == nil || p.Exchange(a, page.Left).Claims["sub"] == nil {
			t.Errorf("%s: %s", name, page.URL)
		}
	}
}
