package provider

import (
	"encoding/json"
	"net/url"
	"slices"

	"gatehouse/idp"
)

// maxClaims is how long the claims parameter may be, in bytes.
const maxClaims = 4096

// claimsRequest is the claims parameter (OpenID Connect Core 1.0 section 5.5). The ID
// token's acr and sub decide who signs in and how; personal claims are given in the place
// that names them. What else it asks for every token has, or none.
type claimsRequest struct {
	IDToken  map[string]*claimRequest `json:"id_token"`
	Userinfo map[string]*claimRequest `json:"userinfo"`
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
// voluntary, and so is acr among the claims; an essential acr must be met (OpenID Connect
// Core 1.0 section 5.5.1.1): unknown values cannot be met.
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
	if f := a.wantSubject(claims.IDToken["sub"], claims.Userinfo["sub"]); f != nil {
		return f
	}
	a.request.Claims = idp.AskedClaims{IDToken: askable(claims.IDToken, a.client), Userinfo: askable(claims.Userinfo, a.client)}
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

// askable are the claims among those asked for that scopes give which the client may ask
// for, in their order: a claim is a part of its scope. Values are no reason to leave one out
// that has another (section 5.5.1 has it so for sub and acr alone).
func askable(asked map[string]*claimRequest, client idp.Client) []string {
	var list []string
	for _, c := range claimScopes() {
		if _, has := asked[c.name]; has && slices.Contains(client.Scopes, c.scope) {
			list = append(list, c.name)
		}
	}
	return list
}

// claimsParameter is the parameter that asks for claims, and takes one person and no other
// (OpenID Connect Core 1.0 section 5.5.1): empty for none and anybody.
func claimsParameter(c idp.AskedClaims, subject string) string {
	places := map[string]map[string]any{}
	for place, names := range map[string][]string{"id_token": c.IDToken, "userinfo": c.Userinfo} {
		for _, name := range names {
			if places[place] == nil {
				places[place] = map[string]any{}
			}
			places[place][name] = nil
		}
	}
	if subject != "" {
		if places["id_token"] == nil {
			places["id_token"] = map[string]any{}
		}
		places["id_token"]["sub"] = map[string]string{"value": subject}
	}
	if len(places) == 0 {
		return ""
	}
	text, _ := json.Marshal(places) // always marshals
	return string(text)
}

// wantSubject takes the person whom the claims name, in either place. As with
// id_token_hint, only that person will do.
func (a *authorization) wantSubject(places ...*claimRequest) *failure {
	for _, sub := range places {
		values := sub.texts()
		switch {
		case !sub.restricts():
			continue
		case len(values) != 1 || len(sub.Values) > 1 || !isText(values[0]),
			a.request.Demand.Subject != "" && a.request.Demand.Subject != values[0]:
			return fail(invalidRequest, "claims may name one sub")
		}
		a.request.Demand.Subject = values[0]
	}
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
