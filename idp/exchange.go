package idp

// ExchangeGrant is the grant type by which an API or an app gets a token for another API in
// place of one that is meant for it (RFC 8693).
const ExchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"

// Exchange is how an access token came of another, which its grant gave.
type Exchange struct {
	ClientID string // who exchanged, and holds it; empty: it came of no exchange
	ParentID string // the token that it came of: a row's id, or a JWT's jti
	Resource string // identifier of the API that it is for
	// GivenVersion is that of a Grant.
	GivenVersion int64
}

// ExchangeState is everything beside its grant that decides what such a token is worth.
type ExchangeState struct {
	// App is who exchanged.
	App App
	// ParentRevoked: the token that it came of was revoked.
	ParentRevoked bool
}

// Live tells whether who exchanged still may, and may reach the API, and whether the token
// that it came of was not revoked.
func (s ExchangeState) Live(e Exchange) bool {
	g := Grant{GivenVersion: e.GivenVersion}
	return !s.ParentRevoked && e.GivenVersion >= s.App.Taken[takenKind] && s.App.Allows(g, ExchangeGrant) &&
		s.App.gives(s.App.Resources, takenResource, e.Resource, e.GivenVersion)
}
