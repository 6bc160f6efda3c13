package provider

import (
	"encoding/json"
	"net/url"
	"slices"

	"gatehouse/idp"
)

// maxClaims is how long the claims parameter may be, in bytes.
const maxClaims = 4096

// claimsRequest is the claims parameter (OpenID Connect Core 1.0 section 5.5), as
// far as it decides how somebody signs in: the ID token's acr and sub. What else it
// asks for is answered by the scopes.
type claimsRequest struct {
	IDToken map[string]*claimRequest `json:"id_token"`
}

// claimRequest is one requested claim; null asks for it as such.
type claimRequest struct {
	Essential bool              `json:"essential"`
	Value     json.RawMessage   `json:"value"`
	Values    []json.RawMessage `json:"values"`
}

// texts are the values that are strings; the others equal no claim of ours.
func (c *claimRequest) texts() []string {
	if c == nil {
		return nil
	}
	var list []string
	for _, raw := range append(c.Values, c.Value) {
		var text string
		if len(raw) > 0 && json.Unmarshal(raw, &text) == nil && text != "" {
			list = append(list, text)
		}
	}
	return list
}

// restricts tells whether values are named, of whatever kind: a restriction that nothing
// here equals is no lack of one.
func (c *claimRequest) restricts() bool {
	return c != nil && (len(c.Values) > 0 || len(c.Value) > 0 && string(c.Value) != "null")
}

// checkClaims reads which acr and which person the request asks for. acr_values is
// voluntary, and so is acr among the claims; an essential acr must be met (OpenID
// Connect Core 1.0 section 5.5.1.1): of values that nobody knows none can be.
func (a *authorization) checkClaims(form url.Values) *failure {
	voluntary := fields(form.Get("acr_values"))
	a.request.Demand.ACRValues = knownACRs(voluntary)
	if !form.Has("claims") {
		return nil
	}
	raw := form.Get("claims")
	var claims claimsRequest
	if len(raw) > maxClaims || json.Unmarshal([]byte(raw), &claims) != nil {
		return fail(invalidRequest, "claims is not the JSON object of OpenID Connect Core 1.0 section 5.5, of up to 4096 bytes")
	}
	if f := a.wantSubject(claims.IDToken["sub"]); f != nil {
		return f
	}
	acr := claims.IDToken["acr"]
	values := acr.texts()
	if acr == nil || len(values) == 0 {
		return nil
	}
	known := knownACRs(values)
	if acr.Essential && len(known) == 0 {
		return fail(unmetRequirements, "none of the acr values that are essential is known here")
	}
	if len(known) > 0 {
		a.request.Demand.ACRValues = known
	}
	return nil
}

// wantSubject takes the person whom the claims name: nobody else will do, as with
// id_token_hint.
func (a *authorization) wantSubject(sub *claimRequest) *failure {
	values := sub.texts()
	switch {
	case !sub.restricts():
		return nil
	case len(values) != 1 || len(sub.Values) > 1 || !isText(values[0]):
		return fail(invalidRequest, "claims may name one sub")
	}
	a.request.Demand.UserID = values[0]
	return nil
}

// knownACRs drops values that mean nothing here.
func knownACRs(values []string) []idp.ACR {
	var known []idp.ACR
	for _, v := range values {
		if acr := idp.ACR(v); acr.Rank() > 0 && !slices.Contains(known, acr) {
			known = append(known, acr)
		}
	}
	return known
}
