package idp

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Terms are what an app may have of a person, or asks for.
type Terms struct {
	// Scopes are ours.
	Scopes []string `json:"scopes,omitempty"`
	// Claims are those asked for by name that none of the scopes gives (OpenID Connect Core
	// 1.0 section 5.5).
	Claims []string `json:"claims,omitempty"`
	// APIs are those that it may call, by identifier, each with scopes there.
	APIs map[string][]string `json:"apis,omitempty"`
}

// Consent is what a person lets a third-party app have. There is one for each person and
// app. Grants name the consent by which they were made: without it they are worth nothing.
type Consent struct {
	ID, UserID, ClientID string
	Terms                Terms
	Version              int64
	CreatedAt, ChangedAt time.Time
}

// Terms are those of a request: what the app will be able to read and do.
func (r Request) Terms() Terms {
	var t Terms
	for _, s := range r.Scopes {
		if r.Resource == "" || slices.Contains(PersonScopes(), s) {
			t.Scopes = append(t.Scopes, s)
		}
	}
	if r.Resource != "" {
		t.APIs = map[string][]string{r.Resource: slices.DeleteFunc(slices.Clone(r.Scopes), func(s string) bool { return slices.Contains(PersonScopes(), s) })}
	}
	for _, c := range slices.Concat(r.Claims.IDToken, r.Claims.Userinfo) {
		if !slices.Contains(t.Scopes, ScopeOfClaim(c)) && !slices.Contains(t.Claims, c) {
			t.Claims = append(t.Claims, c)
		}
	}
	return t
}

// ScopeOfClaim is the scope that gives a claim about a person (OpenID Connect Core 1.0
// section 5.4).
func ScopeOfClaim(name string) string {
	switch name {
	case string(RolesAsRoles), string(RolesAsGroups):
		return RolesScope
	case "email", "email_verified":
		return "email"
	}
	return "profile"
}

// HasScope tells whether a scope is among them, of an API where resource names one.
func (t Terms) HasScope(resource, scope string) bool {
	if resource == "" || slices.Contains(PersonScopes(), scope) {
		return slices.Contains(t.Scopes, scope)
	}
	return slices.Contains(t.APIs[resource], scope)
}

// HasClaim tells whether a claim is among them, by its name or its scope.
func (t Terms) HasClaim(name string) bool {
	return slices.Contains(t.Claims, name) || slices.Contains(t.Scopes, ScopeOfClaim(name))
}

// HasAPI tells whether an API may be called at all; empty is ours.
func (t Terms) HasAPI(resource string) bool {
	_, has := t.APIs[resource]
	return resource == "" || has
}

// Cover tells whether all that is wanted is among them.
func (t Terms) Cover(wanted Terms) bool {
	lacks := func(resource string) func(string) bool {
		return func(scope string) bool { return !t.HasScope(resource, scope) }
	}
	if slices.ContainsFunc(wanted.Scopes, lacks("")) || slices.ContainsFunc(wanted.Claims, func(c string) bool { return !t.HasClaim(c) }) {
		return false
	}
	for api, scopes := range wanted.APIs {
		if !t.HasAPI(api) || slices.ContainsFunc(scopes, lacks(api)) {
			return false
		}
	}
	return true
}

// With is both together.
func (t Terms) With(more Terms) Terms {
	sum := Terms{Scopes: union(t.Scopes, more.Scopes), Claims: union(t.Claims, more.Claims), APIs: maps.Clone(t.APIs)}
	for api, scopes := range more.APIs {
		if sum.APIs == nil {
			sum.APIs = map[string][]string{}
		}
		sum.APIs[api] = union(sum.APIs[api], scopes)
	}
	sum.Claims = slices.DeleteFunc(sum.Claims, func(c string) bool { return slices.Contains(sum.Scopes, ScopeOfClaim(c)) })
	return sum
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// ClaimWord and APIWord stand for a claim and a scope of an API where a scope of ours stands
// for itself; an API as such has no scope. No scope has a space.
func ClaimWord(claim string) string { return APIWord("claim", claim) }

// APIWord is described with ClaimWord.
func APIWord(api, scope string) string { return api + " " + scope }

// Only are those whose words are kept, openid in any case: without it there is no sign-in.
// A scope of an API takes the API.
func (t Terms) Only(kept []string) Terms {
	keep := func(list []string, word func(string) string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !slices.Contains(kept, word(s)) })
	}
	only := Terms{Scopes: keep(t.Scopes, func(s string) string { return s }), Claims: keep(t.Claims, ClaimWord)}
	if slices.Contains(t.Scopes, "openid") {
		only.Scopes = union(only.Scopes, []string{"openid"})
	}
	for api, scopes := range t.APIs {
		if !slices.Contains(kept, APIWord(api, "")) {
			continue
		}
		if only.APIs == nil {
			only.APIs = map[string][]string{}
		}
		only.APIs[api] = keep(scopes, func(s string) string { return APIWord(api, s) })
	}
	return only
}

// Approval is what a person is asked for an app beside the sign-in, before it gets a code.
type Approval int

// The approvals.
const (
	NoApproval Approval = iota
	// ApproveTerms: whether the app may have what it asks for.
	ApproveTerms
	// ApproveApp: whether it is the person who opens the app (RFC 8252 section 8.6).
	ApproveApp
)

// Unclaimed tells whether any program of the device could receive what is sent to a
// redirect URI of the client: it is unknown whether this app asks (RFC 8252 section 8.6).
func (c Client) Unclaimed(redirectURI string) bool {
	return c.Kind == NativeClient && !strings.HasPrefix(redirectURI, "https://")
}

// Approval is what a request of the client asks of a person who gave some terms before. An app
// whose identity cannot be assured has to ask each time, as prompt=consent does. answered: that
// much was answered for this request.
func (c Client) Approval(r Request, given Terms, answered bool) Approval {
	unclaimed := r.UserCode == "" && c.Unclaimed(r.RedirectURI) // a device's page asks by itself
	switch {
	case c.ThirdParty && ((unclaimed || r.Demand.Consent) && !answered || !given.Cover(r.Terms())):
		return ApproveTerms
	case unclaimed && !answered:
		return ApproveApp
	}
	return NoApproval
}

// consented is a grant with no more than what the person lets the app have still. What no
// consent was asked for stays.
func (s GrantState) consented(g Grant) Grant {
	if g.ConsentID == "" {
		return g
	}
	keep := func(list []string, has func(string) bool) []string {
		return slices.DeleteFunc(slices.Clone(list), func(name string) bool { return !has(name) })
	}
	g.Scopes = keep(g.Scopes, func(scope string) bool { return s.Consent.Terms.HasScope(g.Resource, scope) })
	g.Claims.IDToken = keep(g.Claims.IDToken, s.Consent.Terms.HasClaim)
	g.Claims.Userinfo = keep(g.Claims.Userinfo, s.Consent.Terms.HasClaim)
	return g
}

// withdrawn tells whether the consent is gone by which the grant was made, or no longer
// says what it is for.
func (s GrantState) withdrawn() bool {
	return s.Grant.ConsentID != "" && (s.Consent.ID != s.Grant.ConsentID || !s.Consent.Terms.HasAPI(s.Grant.Resource))
}

// TermsDetail is what the audit log says of terms.
func TermsDetail(t Terms) map[string]string {
	detail := map[string]string{}
	for name, list := range map[string][]string{"scopes": t.Scopes, "claims": t.Claims, "resources": slices.Sorted(maps.Keys(t.APIs))} {
		if len(list) > 0 {
			detail[name] = strings.Join(list, " ")
		}
	}
	for _, api := range slices.Sorted(maps.Keys(t.APIs)) {
		if scopes := t.APIs[api]; len(scopes) > 0 {
			detail["scopes at "+api] = strings.Join(scopes, " ")
		}
	}
	return detail
}
