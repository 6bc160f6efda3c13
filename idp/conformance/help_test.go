package conformance_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"gatehouse/idp/idptest"
)

// header is what the header of a JWT says.
func header(r *run, raw string) (kid, alg string) {
	first, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	idptest.Must(r, err)
	var h struct {
		KeyID string `json:"kid"`
		Alg   string `json:"alg"`
	}
	idptest.Must(r, json.Unmarshal(text, &h))
	return h.KeyID, h.Alg
}

// list is a list of the discovery document.
func (r *run) list(name string) (list []string) {
	values, _ := r.metadata[name].([]any)
	for _, v := range values {
		s, _ := v.(string)
		list = append(list, s)
	}
	return list
}

// challenge is S256 of a verifier (RFC 7636 section 4.2).
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
