package entra_test

import (
	"crypto/sha1" // a thumbprint by definition (RFC 7517 section 4.8)
	"encoding/base64"
	"testing"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
)

const wellKnown = "/v2.0/.well-known/openid-configuration"

func TestDiscoveryNamesAnIssuerOrItsTemplate(t *testing.T) {
	h := open(t)
	for authority, issuer := range map[string]string{
		"common": h.Issuer("{tenantid}"), "organizations": h.Issuer("{tenantid}"), "consumers": h.Issuer(entra.Consumers),
		idptest.HomeTenant: h.Issuer(idptest.HomeTenant), "home.example": h.Issuer(idptest.HomeTenant),
	} {
		d := h.document("/" + authority + wellKnown)
		if d["issuer"] != issuer {
			t.Errorf("%s: issuer %v, want %s", authority, d["issuer"], issuer)
		}
		if d["code_challenge_methods_supported"] != nil {
			t.Errorf("%s: Entra's document does not speak of PKCE", authority)
		}
	}
	d := h.document("/generic/.well-known/openid-configuration")
	if d["issuer"] != h.Issuer(entra.Generic) || d["code_challenge_methods_supported"] == nil {
		t.Errorf("generic: %v", d)
	}
}

// keys are the documents' keys by kid.
func (h *house) keys(path string) map[string]map[string]any {
	h.tb.Helper()
	list, _ := h.document(path)["keys"].([]any)
	keys := map[string]map[string]any{}
	for _, k := range list {
		key, _ := k.(map[string]any)
		keys[key["kid"].(string)] = key
	}
	return keys
}

func TestKeysHaveCertificatesAndIssuers(t *testing.T) {
	h := open(t)
	issuers := map[any]bool{}
	for kid, k := range h.keys("/common/discovery/v2.0/keys") {
		chain, _ := k["x5c"].([]any)
		der, err := base64.StdEncoding.DecodeString(chain[0].(string))
		sum := sha1.Sum(der)
		if err != nil || k["x5t"] != kid || base64.RawURLEncoding.EncodeToString(sum[:]) != kid {
			t.Errorf("key %v: want the certificate's thumbprint as x5t and kid", k)
		}
		issuers[k["issuer"]] = true
	}
	if len(issuers) != 2 || !issuers[h.Issuer("{tenantid}")] || !issuers[h.Issuer(entra.Consumers)] {
		t.Errorf("issuers of keys: %v", issuers)
	}
	if keys := h.keys("/" + idptest.HomeTenant + "/discovery/v2.0/keys"); len(keys) != 1 {
		t.Errorf("a directory's keys: %v", keys)
	}
}

func TestKeysRotate(t *testing.T) {
	h := open(t)
	const path = "/" + idptest.HomeTenant + "/discovery/v2.0/keys"
	p, b := h.home(idptest.HomeApp), h.browser()
	before := h.keys(path)
	if err := h.RotateKeys(idptest.HomeTenant, false); err != nil {
		t.Fatal(err)
	}
	a := p.begin()
	p.must(a, h.SignIn(b, a.url, idptest.Alice)) // signed by the new key
	after := h.keys(path)
	if len(before) != 1 || len(after) != 2 {
		t.Errorf("%d keys before, %d after: want one more", len(before), len(after))
	}
	if err := h.RotateKeys(idptest.HomeTenant, true); err != nil {
		t.Fatal(err)
	}
	for kid := range h.keys(path) {
		if after[kid] != nil {
			t.Error("an old key is still published")
		}
	}
	if len(h.keys("/consumers/discovery/v2.0/keys")) != 1 {
		t.Error("keys of personal accounts rotated, too")
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	directory := entra.Directory{ID: idptest.HomeTenant}
	app := entra.App{ClientID: "a", Directory: idptest.HomeTenant}
	person := entra.Person{Directory: idptest.HomeTenant, OID: "1", PreferredUsername: "p", Password: "p"}
	nameless := person
	nameless.PreferredUsername = ""
	for name, c := range map[string]entra.Config{
		"no base":           {BaseURL: "localhost"},
		"a path":            {BaseURL: "http://localhost/x"},
		"directory twice":   {BaseURL: "http://localhost", Directories: []entra.Directory{directory, directory}},
		"unknown directory": {BaseURL: "http://localhost", Apps: []entra.App{app}},
		"app twice":         {BaseURL: "http://localhost", Directories: []entra.Directory{directory}, Apps: []entra.App{app, app}},
		"person twice":      {BaseURL: "http://localhost", Directories: []entra.Directory{directory}, People: []entra.Person{person, person}},
		"person nowhere":    {BaseURL: "http://localhost", People: []entra.Person{person}},
		"person nameless":   {BaseURL: "http://localhost", Directories: []entra.Directory{directory}, People: []entra.Person{nameless}},
	} {
		if _, err := entra.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
