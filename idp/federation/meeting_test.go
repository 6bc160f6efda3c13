package federation_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
)

// unconfirmed has Alice's own directory say nothing about her address.
func (h *house) unconfirmed() {
	h.t.Helper()
	idptest.Must(h.t, h.entra.ChangePerson(idptest.HomeTenant, idptest.Alice, func(p *entra.Person) { p.EmailVerified = false }))
}

// Who typed a password first, theirs or another's, and then comes by Microsoft with an
// address that nobody confirmed, confirms it as if they had come by Microsoft at once.
func TestAPasswordThatWasTypedFirstKeepsNobodyFromConfirming(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"carol@rtx.example", idptest.Alice} {
		h, b := open(t, idptest.Alone(t), openWide), idptest.NewBrowser(t)
		h.unconfirmed()
		h.AddUser(idp.Agents, typed)
		h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true}, populations.OnNextLogin)
		a := h.party.Begin("max_age", "60")
		p := b.Submit(b.Get(a.URL), "/password", "email", typed, "password", idptest.Password)
		h.db.Exec(t, `UPDATE flows SET proofs = replace(proofs, '"t":1', '"t":')`) // too old by now
		p = b.Get(p.URL.String())
		p = h.back(b, h.entra.SignIn(b, h.press(b, p), idptest.Alice))
		if p.Heading() != "Confirm your email address" {
			t.Errorf("after a password of %s: %q (%d) %s", typed, p.Heading(), p.Status, alert(p))
			continue
		}
		p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Alice))
		if typed != idptest.Alice { // a new account, whose second step is Microsoft's
			claim(t, h.party.Exchange(a, p.Left), "email", idptest.Alice)
			continue
		}
		p = b.Submit(p, "/password", "password", idptest.Password) // the account proves that it is theirs
		if p.Heading() != "Protect your account with an authenticator app" || !strings.Contains(p.Body, idptest.Alice) {
			t.Errorf("after the code of %s: %q (%d) %s", typed, p.Heading(), p.Status, alert(p))
		}
	}
}

// rules asks for passwords of so many characters.
func (h *house) rules(least int) {
	h.t.Helper()
	p, err := h.Manage.Populations.Population(h.t.Context(), authz.System(), idp.Agents)
	idptest.Must(h.t, err)
	_, err = h.Manage.Populations.SavePasswordRules(h.t.Context(), authz.System(), populations.Change[idp.PasswordRules]{
		ID: idp.Agents, Version: p.Version, To: idp.PasswordRules{MinLength: least}, Apply: populations.OnNextLogin,
	})
	idptest.Must(h.t, err)
}

// flowPage is the sign-in that sent a browser away.
func (h *house) flowPage(left *url.URL) string {
	flow, _, _ := strings.Cut(left.Query().Get("state"), ".")
	return h.Issuer + "/login/" + flow
}

// Somebody is signed in, and somebody else wants to come, whose address nobody confirms.
func TestASecondPersonConfirmsTheirAddress(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), openWide), idptest.NewBrowser(t)
	h.signIn(b, idptest.Alice)
	idptest.Must(t, h.entra.ChangePerson(idptest.OtherTenant, idptest.Bob, func(p *entra.Person) { p.Email = idptest.Bob }))
	a := h.party.Begin("prompt", "select_account")
	p := b.Get(a.URL)
	if p.Heading() != "Choose an account" {
		t.Fatalf("at %q, left for %v", p.Heading(), p.Left)
	}
	left := h.press(b, b.Get(p.URL.String()+"?other=1"))
	if got := left.Query().Get("prompt"); got != "select_account" {
		t.Errorf("Entra is asked with prompt %q: it would send Alice back", got)
	}
	p = h.back(b, h.entra.SignIn(b, left, idptest.Bob))
	if p.Heading() != "Confirm your email address" {
		t.Fatalf("at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Bob))
	claim(t, h.party.Exchange(a, p.Left), "email", idptest.Bob)
}

// "Not you?": Entra would send the same person back for ever, if it was not told.
func TestNotYouAsksForAnotherAccount(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.Trust = idp.LocalStep }), idptest.NewBrowser(t)
	a := h.party.Begin("login_hint", idptest.Alice)
	p := b.Submit(h.come(b, a, idptest.Alice), "/restart")
	left := h.press(b, p)
	if q := left.Query(); q.Get("prompt") != "select_account" || q.Get("login_hint") != "" {
		t.Errorf("Entra is asked with prompt %q and login_hint %q", q.Get("prompt"), q.Get("login_hint"))
	}
	idptest.Must(t, h.entra.ChangePerson(idptest.HomeTenant, idptest.Arthur, func(p *entra.Person) { p.Groups = nil }))
	p = h.back(b, h.entra.SignIn(b, left, idptest.Arthur))
	if !strings.Contains(p.Body, idptest.Arthur) {
		t.Errorf("at %q (%d)", p.Heading(), p.Status)
	}
}

// A weak password that was typed before is nothing that Entra's people have to replace.
func TestNobodyWhoComesThroughEntraReplacesAPassword(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), ours), idptest.NewBrowser(t)
	h.AddUser(idp.Agents, idptest.Alice)
	h.rules(30)
	a := h.party.Begin()
	page := b.Submit(b.Get(a.URL), "/password", "email", idptest.Alice, "password", idptest.Password)
	h.rules(31) // the password is to be typed again
	p := h.back(b, h.entra.SignIn(b, h.press(b, b.Get(page.URL.String())), idptest.Alice))
	if p.Left == nil {
		t.Fatalf("at %q (%d)", p.Heading(), p.Status)
	}
	claim(t, h.party.Exchange(a, p.Left), "amr", "fed")
}

// Where nobody has passwords, one that links an account is typed for the last time; where
// people do, it is as good as any other or is replaced, and the link comes about.
func TestAWeakPasswordLinks(t *testing.T) {
	t.Parallel()
	for name, access := range map[string]idp.Access{"Entra alone": {Federated: true}, "both": {Password: true, Federated: true}} {
		t.Run(name, func(t *testing.T) {
			h, _, _ := locked(t, idptest.Alone(t))
			h.unconfirmed()
			alice := h.AddUser(idp.Agents, idptest.Alice)
			h.allow(access)
			h.rules(40)
			h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
			b, a := idptest.NewBrowser(t), h.party.Begin()
			p := b.Submit(h.come(b, a, idptest.Alice), "/confirm", "code", h.mail.Code(idptest.Alice))
			p = b.Submit(p, "/password", "password", idptest.Password)
			if _, _, asked := p.Form("/change"); asked != access.Password {
				t.Fatalf("asked for another password: %t, at %q (%d)", asked, p.Heading(), p.Status)
			}
			if access.Password {
				p = b.Submit(p, "/change", "password", strings.Repeat("gentle maple corner ", 3))
			}
			if got := h.party.Exchange(a, p.Left).ID.Subject; got != alice.ID {
				t.Errorf("signed in as %s", got)
			}
			if n := h.count("identities WHERE user_id = '" + alice.ID + "'"); n != 1 {
				t.Errorf("%d identities", n)
			}
		})
	}
}

// An admin switches a connection off, or deletes it, while somebody looks for the code.
func TestACodeDoesNotOpenAConnectionThatIsGone(t *testing.T) {
	t.Parallel()
	for name, shut := range map[string]func(*house) error{
		"switched off": func(h *house) error {
			n := connections.ConnectionChange{Connection: h.connection}
			n.Enabled = false
			_, err := h.Manage.Connections.UpdateConnection(t.Context(), authz.System(), n)
			return err
		},
		"deleted": func(h *house) error {
			return h.Manage.Connections.DeleteConnection(t.Context(), authz.System(), h.connection.ID, h.connection.Version, "moved")
		},
		"access": func(h *house) error { h.allow(idp.Access{Password: true}); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			h, b := open(t, idptest.Alone(t), openWide), idptest.NewBrowser(t)
			h.unconfirmed()
			p := h.come(b, h.party.Begin(), idptest.Alice)
			idptest.Must(t, shut(h))
			p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Alice))
			h.refused(p, http.StatusConflict, idp.FederationLost)
			if _, _, ok := p.Form("/password"); !ok || h.count("users") != 0 {
				t.Errorf("at %q, %d people", p.Heading(), h.count("users"))
			}
		})
	}
}

// Somebody signs in at Entra alone. Their mailbox is not enough for another identity.
func TestAMailboxAddsNoIdentityToWhoSignsInElsewhere(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	alice := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject
	wide, b := h.connect(openWide), idptest.NewBrowser(t)
	page := b.Get(h.party.Begin().URL)
	left := b.Get(page.URL.String() + "/federate?c=" + wide.ID).Left
	p := h.back(b, h.entra.SignIn(b, left, idptest.Mallory))
	p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Alice))
	if p.Status != forbidden || h.lastRefusal().Detail["reason"] != string(idp.FederationProof) {
		t.Errorf("at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	if n := h.count("identities WHERE user_id = '" + alice + "'"); n != 1 {
		t.Errorf("%d identities", n)
	}
}

// Entra is down, or cannot prove more: a password and a code of ours do.
func TestAPasswordHelpsWhereEntraDoesNot(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { ours(n); n.Context = "c1" })
	h.AddUser(idp.Agents, idptest.Alice)
	_, phone, _ := idptest.Enrol(idptest.NewBrowser(t), h.party, h.party.Begin(), idptest.Alice)
	b := idptest.NewBrowser(t)
	h.signIn(b, idptest.Alice)
	a := h.party.Begin("acr_values", string(idp.ACRMFA))
	left := b.Get(a.URL).Left
	page := b.Get(h.Issuer + h.connection.CallbackPath() + "?" + url.Values{"state": {left.Query().Get("state")}, "error": {"server_error"}}.Encode())
	page = b.Submit(page, "/password", "password", idptest.Password)
	if _, _, ok := page.Form("/totp"); !ok {
		t.Fatalf("after the password: %q (%d), left for %v", page.Heading(), page.Status, page.Left)
	}
	page = finish(b, b.Submit(page, "/totp", "code", phone.Code(1)))
	claim(t, h.party.Exchange(a, page.Left), "acr", string(idp.ACRMFA))
}

// A provider whose clock is late, within what is allowed, is not asked for ever.
func TestASignInJustTooLongAgo(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	generic := h.connect(func(n *connections.ConnectionChange) {
		h.generic(n)
		n.Trust, n.Domains = idp.Trusted, []string{"generic.example"}
	})
	h.entra.Mutate(func(claims map[string]any) { claims["auth_time"] = idp.Now().Unix() - 360 })
	a := h.party.Begin("max_age", "300")
	page := b.Get(a.URL)
	left := b.Get(page.URL.String() + "/federate?c=" + generic.ID).Left
	p := h.back(b, h.entra.SignIn(b, left, idptest.Gina))
	if p.Left == nil || p.Left.Query().Get("code") == "" {
		t.Fatalf("at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	h.party.Exchange(a, p.Left)
}

// The link for emergencies is used, and said to be, whoever is signed in already.
func TestBreakGlassIsUsedByAStepUp(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, ours)
		alice := h.AddUser(idp.Agents, idptest.Alice)
		_, phone, _ := idptest.Enrol(idptest.NewBrowser(t), h.party, h.party.Begin(), idptest.Alice)
		h.signIn(idptest.NewBrowser(t), idptest.Alice) // linked
		idptest.Must(t, h.Store.GiveRole(t.Context(), alice.ID, idp.RoleAdmin))
		h.allow(idp.Access{Federated: true})
		b := idptest.NewBrowser(t)
		console := h.Issuer + "/authorize?" + url.Values{
			"client_id": {idp.ConsoleClient}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {h.Issuer + "/admin/callback"},
			"code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"}, "prompt": {"login"},
		}.Encode()
		if p := h.back(b, h.entra.SignIn(b, h.press(b, b.Get(h.Issuer+"/admin")), idptest.Alice)); p.Status != ok || !strings.HasPrefix(p.URL.Path, "/admin") {
			t.Fatalf("Alice is at %s: %q (%d)", p.URL, p.Heading(), p.Status)
		}
		token, err := h.Manage.Links.BreakGlass(t.Context())
		idptest.Must(t, err)
		b.Submit(b.Get(h.Issuer+"/login/break-glass/"+token), "/break-glass/"+token)
		left := b.Get(console).Left
		if left == nil || left.Query().Get("prompt") != "login" {
			t.Fatalf("the step-up leads to %v", left)
		}
		page := b.Get(h.flowPage(left) + "/federate?c=none")
		page = b.Submit(page, "/password", "password", idptest.Password)
		if n := h.Audited(idp.AuditBreakGlassUsed); n != 1 {
			t.Errorf("%d events, at %q (%d)", n, page.Heading(), page.Status)
		}
		if p := idptest.NewBrowser(t).Get(h.Issuer + "/login/break-glass/" + token); p.Status != http.StatusGone {
			t.Errorf("the link again: status %d", p.Status)
		}
		finish(b, b.Submit(page, "/totp", "code", phone.Code(1)))
	})
}

// A name from elsewhere loses what turns the text around it, and keeps its letters.
func TestANameFromElsewhereLosesWhatTurnsText(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	h.entra.Mutate(func(c map[string]any) { c["name"] = "\u2066Alice\u202e Doe\u200f" })
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
	if u, err := h.Store.UserByEmail(t.Context(), idp.Agents, idptest.Alice); err != nil || u.Name != "Alice Doe" {
		t.Errorf("the name is %q (%v)", u.Name, err)
	}
}

// What PostgreSQL cannot even look for is nobody's.
func TestNamesThatNoDatabaseTakes(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		page := b.Get(h.party.Begin().URL)
		for _, bad := range []string{"%00", "%ff", "a%00b", "%ed%a0%80"} {
			for _, address := range []string{
				h.Issuer + "/federation/logout?sid=" + bad, page.URL.String() + "/federate?c=" + bad,
				h.Issuer + idp.FederationCallback + "?state=" + bad, h.Issuer + idp.FederationCallback + "?error=x&state=" + bad + ".0.x.y",
			} {
				if p := b.Get(address); p.Status >= http.StatusInternalServerError {
					t.Errorf("%s: status %d", address, p.Status)
				}
			}
		}
	})
}

// A link that was used helps the session that it made, and nobody after that.
func TestAUsedBreakGlassEndsWithItsSession(t *testing.T) {
	t.Parallel()
	h, admin, phone := locked(t, idptest.Alone(t))
	token, err := h.Manage.Links.BreakGlass(t.Context())
	idptest.Must(t, err)
	b := idptest.NewBrowser(t)
	p := b.Submit(b.Get(h.Issuer+"/login/break-glass/"+token), "/break-glass/"+token)
	p = b.Submit(p, "/password", "email", admin.Email, "password", idptest.Password)
	finish(b, b.Submit(p, "/totp", "code", phone.Code(1)))
	page := b.Get(h.Issuer + "/authorize?" + url.Values{
		"client_id": {idp.ConsoleClient}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {h.Issuer + "/admin/callback"},
		"code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"}, "prompt": {"login"},
	}.Encode())
	if _, _, ok := page.Form("/password"); !ok {
		t.Fatalf("a fresh step within the session: %q (%d), left for %v", page.Heading(), page.Status, page.Left)
	}
	if _, err := h.db.SQL().ExecContext(t.Context(), "UPDATE sessions SET ended_at = created_at"); err != nil {
		t.Fatal(err)
	}
	if p = b.Submit(page, "/password", "password", idptest.Password); p.Status != forbidden {
		t.Errorf("after the session: %q (%d)", p.Heading(), p.Status)
	}
}

// The code to confirm an address ends like any other.
func TestAConfirmationEnds(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), openWide), idptest.NewBrowser(t)
	h.unconfirmed()
	p := h.come(b, h.party.Begin(), idptest.Alice)
	var data []byte
	idptest.Must(t, h.db.SQL().QueryRowContext(t.Context(), "SELECT data FROM flows WHERE kind = 'confirm'").Scan(&data))
	sent := regexp.MustCompile(`"sent":"[^"]*"`)
	data = sent.ReplaceAll(data, []byte(`"sent":"`+idp.Now().Add(-11*time.Minute).Format(time.RFC3339)+`"`))
	_, err := h.db.SQL().ExecContext(t.Context(), "UPDATE flows SET data = $1 WHERE kind = 'confirm'", data)
	idptest.Must(t, err)
	if p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Alice)); p.Left != nil || p.Status == http.StatusOK || h.count("users") != 0 {
		t.Errorf("eleven minutes later: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
}
