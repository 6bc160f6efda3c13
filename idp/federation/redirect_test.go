package federation_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/settings"
)

// older makes the connection one of an older release, which shares its redirect URI.
func (h *house) older() {
	h.t.Helper()
	c, err := h.Store.Connection(h.t.Context(), h.connection.ID)
	idptest.Must(h.t, err)
	c.OwnRedirect = false
	idptest.Must(h.t, h.Store.SaveConnection(h.t.Context(), c))
	c.Version++
	h.connection = c
}

// at is an answer that came to another path.
func (h *house) at(answer *url.URL, path string) string {
	moved := *answer
	moved.Path = path
	return moved.String()
}

// All connections shared one redirect URI, so that one provider's answer could pass for
// another's (RFC 9700 section 4.4).
func TestANewConnectionHasARedirectURIOfItsOwn(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	other := h.connect(h.generic)
	own := idp.FederationCallback + "/" + h.connection.ID
	for name, path := range map[string]string{
		"the shared one": idp.FederationCallback, "another connection's": idp.FederationCallback + "/" + other.ID,
		"nobody's": idp.FederationCallback + "/" + idp.NewID(), "text": idp.FederationCallback + "/%00",
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			b := idptest.NewBrowser(t)
			answer := h.entra.SignIn(b, h.leave(b, h.party.Begin()), idptest.Alice).Left
			if answer.Path != own {
				t.Fatalf("the answer came to %s, want %s", answer.Path, own)
			}
			moved := strings.Replace(answer.String(), own, path, 1)
			if p := b.Get(moved); p.Left != nil || p.Status != http.StatusConflict || h.lastRefusal().Detail["reason"] != string(idp.FederationLost) {
				t.Errorf("there it is taken: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
			}
			if h.count("sessions") != 0 {
				t.Error("a session was made")
			}
		})
	}
	h.t = t
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
}

// An older connection keeps the shared one until an admin switches, and a sign-in that is
// under way then completes.
func TestAConnectionSwitchesToARedirectURIOfItsOwn(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		h.older()
		a := h.party.Begin()
		answer := h.entra.SignIn(b, h.leave(b, a), idptest.Alice).Left
		if answer.Path != idp.FederationCallback {
			t.Fatalf("an older connection's answer came to %s", answer.Path)
		}
		if p := idptest.NewBrowser(t).Get(h.at(answer, idp.FederationCallback+"/"+h.connection.ID)); p.Left != nil || p.Status < 400 {
			t.Errorf("at its own address before the switch: %q (%d)", p.Heading(), p.Status)
		}
		change := connections.ConnectionChange{Connection: h.connection, Reason: "apart"}
		change.OwnRedirect = true
		entry, err := h.Manage.Connections.UpdateConnection(t.Context(), authz.System(), change)
		idptest.Must(t, err)
		h.connection = entry.Connection
		if entry.RedirectURI != h.Issuer+idp.FederationCallback+"/"+entry.ID {
			t.Errorf("to register: %s", entry.RedirectURI)
		}
		p := b.Get(answer.String())
		if p.Left == nil {
			t.Fatalf("the sign-in under way ended at %q (%d) %s", p.Heading(), p.Status, alert(p))
		}
		h.party.Exchange(a, p.Left)
		again := idptest.NewBrowser(t)
		if answer := h.entra.SignIn(again, h.leave(again, h.party.Begin()), idptest.Alice).Left; answer.Path != entry.CallbackPath() {
			t.Errorf("after the switch the answer came to %s", answer.Path)
		}
	})
}

// Sign-out at the other side comes back to the connection's own address, too.
func TestSigningOutThereComesBackToTheOwnAddress(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.EndUpstream = true }), idptest.NewBrowser(t)
	tokens := h.signIn(b, idptest.Alice)
	p := b.Get(h.Issuer + "/end_session?" + url.Values{
		"id_token_hint": {tokens.RawID}, "post_logout_redirect_uri": {"https://portal.example/bye"},
	}.Encode())
	back := p.Left.Query().Get("post_logout_redirect_uri")
	if back != h.Issuer+h.connection.CallbackPath() {
		t.Errorf("back to %q", back)
	}
	p = b.Get(back + "?" + url.Values{"state": p.Left.Query()["state"]}.Encode())
	if p.Left == nil || p.Left.String() != "https://portal.example/bye" {
		t.Errorf("back at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
}

// iss is checked wherever it is sent, and has to be there where the provider says that it
// is (RFC 9207 section 2.4). No parameter comes twice.
func TestAnAnswerNamesItsIssuer(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	generic := h.connect(func(n *connections.ConnectionChange) {
		h.generic(n)
		n.Trust, n.Domains, n.CreateUsers = idp.Trusted, []string{"generic.example"}, true
	})
	home := h.entra.Issuer(idptest.HomeTenant)
	for name, c := range map[string]struct {
		generic bool
		change  func(url.Values)
		taken   bool
	}{
		"sent and right":        {true, func(url.Values) {}, true},
		"announced and missing": {true, func(q url.Values) { q.Del("iss") }, false},
		"empty":                 {true, func(q url.Values) { q.Set("iss", "") }, false},
		"of another":            {true, func(q url.Values) { q.Set("iss", home) }, false},
		"sent twice":            {true, func(q url.Values) { q.Add("iss", home) }, false},
		"a code twice":          {true, func(q url.Values) { q.Add("code", "x") }, false},
		"a state twice":         {true, func(q url.Values) { q.Add("state", "x") }, false},
		"an error of another":   {true, func(q url.Values) { q.Set("error", "access_denied"); q.Set("iss", home) }, false},
		"Entra without":         {false, func(url.Values) {}, true},
		"Entra's own":           {false, func(q url.Values) { q.Set("iss", home) }, true},
		"Entra with another's":  {false, func(q url.Values) { q.Set("iss", h.entra.Issuer("generic")) }, false},
		"of another directory":  {false, func(q url.Values) { q.Set("iss", h.entra.Issuer(idptest.OtherTenant)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.forgetTries()
			b, id, who := idptest.NewBrowser(t), h.connection.ID, idptest.Alice
			if c.generic {
				id, who = generic.ID, idptest.Gina
			}
			page := b.Get(h.party.Begin().URL)
			p := h.entra.SignIn(b, b.Get(page.URL.String()+"/federate?c="+id).Left, who)
			q := p.Left.Query()
			c.change(q)
			p.Left.RawQuery = q.Encode()
			p = h.back(b, p)
			if c.taken != (p.Left != nil) || !c.taken && p.Status != http.StatusBadRequest {
				t.Errorf("at %q (%d) %s, left for %v", p.Heading(), p.Status, alert(p), p.Left)
			}
			if got := h.lastRefusal().Detail["reason"]; !c.taken && got != string(idp.FederationToken) {
				t.Errorf("the audit log says %q", got)
			}
		})
	}
}

// The same connection could be added twice, and then stood twice on the sign-in page.
func TestTheSameConnectionIsAddedOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, nil)
		tenants := []string{"44444444-aaaa-4bbb-8ccc-000000000002", "44444444-aaaa-4bbb-8ccc-000000000001"}
		h.connect(func(n *connections.ConnectionChange) { n.Tenants = tenants })
		h.connect(func(n *connections.ConnectionChange) { anyone(n) })
		h.connect(h.generic)
		for name, c := range map[string]struct {
			change func(*connections.ConnectionChange)
			field  string
		}{
			"the same organisation":             {func(*connections.ConnectionChange) {}, "tenants"},
			"switched off":                      {func(n *connections.ConnectionChange) { n.Enabled = false }, "tenants"},
			"by another name and client":        {func(n *connections.ConnectionChange) { n.Name, n.ClientID = "Else", "else" }, "tenants"},
			"with a slash":                      {func(n *connections.ConnectionChange) { n.Issuer += "/" }, "tenants"},
			"two organisations, the other way ": {func(n *connections.ConnectionChange) { n.Tenants = []string{tenants[1], tenants[0], tenants[1]} }, "tenants"},
			"anybody":                           {anyone, "any_tenant"},
			"the same issuer and client":        {h.generic, "client_id"},
		} {
			err := h.addAgain(c.change)
			var field settings.Errors
			if !errors.As(err, &field) || field[0].Field != c.field {
				t.Errorf("%s: %v, want field %s", name, err, c.field)
			}
		}
		for name, change := range map[string]func(*connections.ConnectionChange){
			"for others":       func(n *connections.ConnectionChange) { n.PopulationID = idp.Contacts },
			"another client":   func(n *connections.ConnectionChange) { h.generic(n); n.ClientID = "else" },
			"one organisation": func(n *connections.ConnectionChange) { n.Tenants = tenants[:1] },
		} {
			if err := h.addAgain(change); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		change := connections.ConnectionChange{Connection: h.connection, Reason: "x"}
		change.Tenants = tenants
		var field settings.Errors
		if _, err := h.Manage.Connections.UpdateConnection(t.Context(), authz.System(), change); !errors.As(err, &field) || field[0].Field != "tenants" {
			t.Errorf("changed into another one: %v", err)
		}
	})
}

func (h *house) addAgain(change func(*connections.ConnectionChange)) error {
	n := connections.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: idp.Agents, Kind: idp.EntraConnection, Name: "Again", Enabled: true, Issuer: h.entra.URL,
			Tenants: []string{idptest.HomeTenant}, ClientID: idptest.HomeApp,
		},
		ClientSecret: idptest.EntraSecret,
	}
	change(&n)
	_, err := h.Manage.Connections.AddConnection(h.t.Context(), authz.System(), n)
	return err
}

// Of several at once one is added.
func TestTheSameConnectionIsAddedOnceInARace(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, nil)
		h.AddUser(idp.Agents, "admin@rtx.example")
		before, added := h.count("connections"), 0
		for _, err := range idptest.Race(8, func(int) error {
			return h.addAgain(func(n *connections.ConnectionChange) { n.ClientID = "x"; n.Tenants = []string{idptest.OtherTenant} })
		}) {
			if err == nil {
				added++
			} else if !errors.Is(err, idp.ErrInvalid) {
				t.Error(err)
			}
		}
		if n := h.count("connections"); added != 1 || n != before+1 {
			t.Errorf("%d were added, and there are %d more", added, n-before)
		}
	})
}

// Connections that stood twice before stand once, and whoever is linked with the other
// one comes in nevertheless. It can be changed and switched off, and not on again.
func TestConnectionsThatAreTheSameStandOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, nil)
		twin, err := h.Store.Connection(t.Context(), h.connection.ID)
		idptest.Must(t, err)
		twin.ID, twin.Name, twin.CreatedAt = idp.NewID(), "Twin", idp.Now()
		idptest.Must(t, h.Store.CreateConnection(t.Context(), twin))
		user := h.AddUser(idp.Agents, "somebody@rtx.example")
		idptest.Must(t, h.Store.CreateIdentity(t.Context(), idp.Identity{
			ConnectionID: twin.ID, Subject: idp.EntraSubject(idptest.HomeTenant, idptest.AliceOID), UserID: user.ID, CreatedAt: idp.Now(), LastSeenAt: idp.Now(),
		}))
		page := idptest.NewBrowser(t).Get(h.party.Begin().URL)
		if found := upstreamLink.FindAllStringSubmatch(page.Body, -1); len(found) != 1 || !strings.Contains(found[0][1], h.connection.ID) {
			t.Errorf("the page offers %v", found)
		}
		claim(t, h.signIn(idptest.NewBrowser(t), idptest.Alice), "sub", user.ID)

		entry, err := h.Manage.Connections.Connection(t.Context(), authz.System(), twin.ID)
		if err != nil || entry.InsteadOf != h.connection.Name {
			t.Errorf("offered instead: %q, %v", entry.InsteadOf, err)
		}
		change := connections.ConnectionChange{Connection: entry.Connection, Reason: "x"}
		change.Name, change.Enabled = "Old twin", false
		entry, err = h.Manage.Connections.UpdateConnection(t.Context(), authz.System(), change)
		idptest.Must(t, err)
		change.Version, change.Enabled = entry.Version, true
		if _, err := h.Manage.Connections.UpdateConnection(t.Context(), authz.System(), change); !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("switched on again: %v", err)
		}
	})
}
