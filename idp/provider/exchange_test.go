package provider_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const accessTokenType = "urn:ietf:params:oauth:token-type:access_token"

// trade is an API that may call another one for the person of a token.
type trade struct {
	*kit
	app, front, back *idptest.Party
}

func trading(t *testing.T, databaseURL string, format idp.TokenFormat) *trade {
	t.Helper()
	k := start(t, databaseURL)
	back := k.AddParty(idp.Client{Kind: idp.APIClient, Name: "Billing", Identifier: billing, Scopes: []string{"read", "write"}, TokenFormat: format})
	front := k.AddParty(idp.Client{
		Kind: idp.APIClient, Name: "Tickets", Identifier: tickets, Scopes: []string{"read", "own"}, TokenFormat: format, AccessTTL: time.Minute,
		GrantTypes: []string{idp.ExchangeGrant}, Resources: []string{billing},
	})
	app := k.AddParty(idp.Client{Resources: []string{tickets}, DefaultResource: tickets, Scopes: []string{"openid", "offline_access", "read", "write", "own"}})
	return &trade{k, app, front, back}
}

func (d *trade) subject() idptest.Tokens {
	d.t.Helper()
	return d.tokens(d.app, "scope", "openid offline_access read write own")
}

func (d *trade) exchange(p *idptest.Party, token string, pairs ...string) *reply {
	d.t.Helper()
	form := url.Values{"grant_type": {idp.ExchangeGrant}, "subject_token": {token}, "subject_token_type": {accessTokenType}, "resource": {billing}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return d.post(p, form)
}

func TestAnAPIExchangesATokenThatIsForItForOneForAnother(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		for _, format := range formats {
			d := trading(t, idptest.Migrated(t), format)
			subject := d.subject()
			r := d.exchange(d.front, subject.AccessToken)
			r.want(t, 200, "")
			token := r.text("access_token")
			if r.text("issued_token_type") != accessTokenType || r.text("token_type") != "Bearer" || r.text("scope") != "read" ||
				r.json["refresh_token"] != nil || r.json["id_token"] != nil || r.json["expires_in"].(float64) > 60 {
				t.Errorf("%s: %s", format, r.body)
			}
			seen := d.introspect(d.back, token).json
			act, _ := seen["act"].(map[string]any)
			if seen["active"] != true || seen["sub"] != d.user.ID || act["sub"] != d.front.Client.ID || seen["client_id"] != d.front.Client.ID ||
				!slices.Equal(words(seen["aud"]), []string{billing}) || seen["scope"] != "read" {
				t.Errorf("%s: the other API hears %v", format, seen)
			}
			if format == idp.JWTToken {
				if act, _ := part(t, token, 1)["act"].(map[string]any); act["sub"] != d.front.Client.ID {
					t.Errorf("act %v", act)
				}
			}
			d.userinfo(token).want(t, 401, "invalid_token")
			d.admits(t, token, idp.ErrTokenInvalid)
			d.exchange(d.front, token).want(t, 400, "invalid_request") // and not further on
		}
	})
}

func TestIntrospectionOfAnExchangedTokenTakesTwoStatements(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		for _, format := range formats {
			at := db.URL
			if at == "" || format != formats[0] { // a database has one of each API
				at = idptest.Migrated(t)
			}
			d := trading(t, at, format)
			token := d.exchange(d.front, d.subject().AccessToken).text("access_token")
			if d.introspect(d.back, token).json["active"] != true {
				t.Fatalf("%s: the token is not active", format)
			}
			r := d.request("POST", d.Issuer+"/introspect", url.Values{"token": {token}})
			r.SetBasicAuth(d.back.Client.ID, d.back.Secret)
			if n := d.statementsOf(t, r); n > 2 {
				t.Errorf("%s: %d statements, want 2", format, n)
			}
		}
	})
}

func TestOnlyWhoATokenIsForExchangesItAndOnlyForWhatIsAllowed(t *testing.T) {
	t.Parallel()
	d := trading(t, idptest.Migrated(t), idp.OpaqueToken)
	subject := d.subject()
	stranger := d.AddParty(idp.Client{Kind: idp.APIClient, Identifier: "urn:example:other", Scopes: []string{"read"}, GrantTypes: []string{idp.ExchangeGrant}, Resources: []string{billing}})
	d.exchange(stranger, subject.AccessToken).want(t, 400, "invalid_request")
	d.exchange(d.back, subject.AccessToken).want(t, 400, "unauthorized_client")
	d.exchange(d.app, subject.AccessToken).want(t, 400, "unauthorized_client")
	d.exchange(d.front, d.tokens(d.AddParty(idp.Client{})).AccessToken).want(t, 400, "invalid_request")
	service := d.service(idp.Client{Resources: []string{tickets}, DefaultResource: tickets, Scopes: []string{"read"}})
	d.exchange(d.front, d.ask(service).text("access_token")).want(t, 400, "invalid_request")
	for _, c := range []struct{ name, value, want string }{
		{"subject_token", "", "invalid_request"},
		{"subject_token", "invented", "invalid_request"},
		{"subject_token", subject.RefreshToken, "invalid_request"},
		{"subject_token", subject.RawID, "invalid_request"},
		{"subject_token_type", "urn:ietf:params:oauth:token-type:id_token", "invalid_request"},
		{"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "invalid_request"},
		{"actor_token", "x", "invalid_request"},
		{"resource", "", "invalid_target"},
		{"resource", tickets, "invalid_target"},
		{"audience", billing, "invalid_target"}, // beside the resource
		{"scope", "write", "invalid_scope"},     // granted to the app, and not in the token
		{"scope", "own", "invalid_scope"},       // of the one API alone
		{"scope", "openid", "invalid_scope"},
	} {
		d.exchange(d.front, subject.AccessToken, c.name, c.value).want(t, 400, c.want)
	}
	d.exchange(d.front, subject.AccessToken, "resource", "", "audience", billing, "scope", "read").want(t, 200, "")

	// An app exchanges its own token for one for another of its APIs.
	app := d.AddParty(idp.Client{Resources: []string{tickets, billing}, Scopes: []string{"openid", "read"}, GrantTypes: []string{"authorization_code", idp.ExchangeGrant}})
	d.exchange(app, d.tokens(app, "resource", tickets, "scope", "openid read").AccessToken).want(t, 200, "")
}

func TestAnExchangedTokenEndsWithWhatItRestsOn(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(d *trade, subject idptest.Tokens){
		"the token that it came of": func(d *trade, s idptest.Tokens) { d.revoke(d.app, s.AccessToken).wantDone(d.t) },
		"the grant":                 func(d *trade, s idptest.Tokens) { d.revoke(d.app, s.RefreshToken).wantDone(d.t) },
		"the person":                func(d *trade, _ idptest.Tokens) { d.exec("UPDATE users SET disabled = true") },
		"the grant type": func(d *trade, _ idptest.Tokens) {
			d.changeFront(func(c *idp.Client) { c.GrantTypes, c.Resources = nil, nil })
		},
		"the API among its own": func(d *trade, _ idptest.Tokens) { d.changeFront(func(c *idp.Client) { c.Resources = nil }) },
		"the API, given back": func(d *trade, _ idptest.Tokens) {
			d.changeFront(func(c *idp.Client) { c.Resources = nil })
			d.changeFront(func(c *idp.Client) { c.Resources = []string{billing} })
		},
		"who exchanged": func(d *trade, _ idptest.Tokens) { d.exec("DELETE FROM clients WHERE id = '" + d.front.Client.ID + "'") },
		"the app": func(d *trade, _ idptest.Tokens) {
			d.exec("UPDATE clients SET populations = 'contacts' WHERE id = '" + d.app.Client.ID + "'")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, format := range formats {
				d := trading(t, idptest.Migrated(t), format)
				subject := d.subject()
				token := d.exchange(d.front, subject.AccessToken).text("access_token")
				if d.introspect(d.back, token).json["active"] != true {
					t.Fatalf("%s: the token is not active", format)
				}
				end(d, subject)
				if r := d.introspect(d.back, token); r.json["active"] != false {
					t.Errorf("%s: the token is active still: %s", format, r.body)
				}
			}
		})
	}
}

func (d *trade) changeFront(change func(c *idp.Client)) {
	d.t.Helper()
	v, err := d.Store.VersionedClient(d.t.Context(), d.front.Client.ID)
	idptest.Must(d.t, err)
	change(&v.Client)
	idptest.Must(d.t, d.Store.SaveClient(d.t.Context(), v.Version, v.Client))
}

func TestAnExchangedTokenIsRevokedByWhoHoldsIt(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		d := trading(t, idptest.Migrated(t), format)
		subject := d.subject()
		token := d.exchange(d.front, subject.AccessToken).text("access_token")
		d.revoke(d.app, token).wantDone(t)
		if d.introspect(d.back, token).json["active"] != true {
			t.Errorf("%s: the app ended a token that it does not hold", format)
		}
		d.revoke(d.front, token).wantDone(t)
		if d.introspect(d.back, token).json["active"] != false || d.introspect(d.front, subject.AccessToken).json["active"] != true {
			t.Errorf("%s: the wrong token ended", format)
		}
	}
}
