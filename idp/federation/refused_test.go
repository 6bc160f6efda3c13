package federation_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

// Whatever is wrong with an answer: a page that says what to do, the reason in the
// audit log, and nothing made or linked.
func TestAnswersThatCannotBeBelieved(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, nil)
		for fault, reason := range map[entra.Fault]idp.FederationReason{
			entra.WrongNonce: idp.FederationToken, entra.NoNonce: idp.FederationToken, entra.WrongAudience: idp.FederationToken,
			entra.WrongIssuer: idp.FederationToken, entra.WrongTenant: idp.FederationToken, entra.BadSignature: idp.FederationToken,
			entra.AlgNone: idp.FederationToken, entra.AlgHS256: idp.FederationToken, entra.UnknownKey: idp.FederationToken,
			entra.Expired: idp.FederationToken, entra.FromTheFuture: idp.FederationToken, entra.NoObjectID: idp.FederationToken,
			entra.NoIDToken: idp.FederationToken, entra.CodeExpired: idp.FederationLost,
			entra.TokenHTML: idp.FederationDown, entra.TokenHuge: idp.FederationDown, entra.TokenFails: idp.FederationDown,
		} {
			t.Run(string(fault), func(t *testing.T) {
				h.t = t
				h.entra.Break(fault)
				defer h.entra.Mend(fault)
				status := badGateway
				if reason == idp.FederationLost {
					status = http.StatusConflict
				}
				h.refused(h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice), status, reason)
			})
		}
		h.t = t
		h.signIn(idptest.NewBrowser(t), idptest.Alice) // and mended, all is well
	})
}

func TestClaimsThatCannotBeBelieved(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	future := idp.Now().Unix() + 600
	for name, change := range map[string]func(map[string]any){
		"issued in the future":        func(c map[string]any) { c["iat"] = future },
		"another authorized party":    func(c map[string]any) { c["azp"] = "other" },
		"two audiences":               func(c map[string]any) { c["aud"] = []string{idptest.HomeApp, "other"} },
		"a tid that is a path":        func(c map[string]any) { c["tid"] = idptest.HomeTenant + "/x" },
		"no tid":                      func(c map[string]any) { delete(c, "tid") },
		"an issuer of another tenant": func(c map[string]any) { c["iss"] = h.entra.Issuer(idptest.OtherTenant) },
		"claims of another form":      func(c map[string]any) { c["oid"] = []int{1} },
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.entra.Mutate(change)
			h.refused(h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice), badGateway, idp.FederationToken)
		})
	}
}

// A provider that does not answer: a page with the other ways, at once for whoever
// comes next, and without it a moment later.
func TestAProviderThatIsDown(t *testing.T) {
	t.Parallel()
	for _, fault := range []entra.Fault{entra.DiscoveryDown, entra.DiscoveryHTML, entra.DiscoveryHuge, entra.DiscoveryIssuer} {
		t.Run(string(fault), func(t *testing.T) {
			h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
			h.entra.Break(fault)
			page := b.Get(h.party.Begin().URL)
			m := upstreamLink.FindStringSubmatch(page.Body)
			page = b.Get(h.absolute(m[1]))
			reason := idp.FederationDown
			if fault == entra.DiscoveryIssuer {
				reason = idp.FederationSetup
			}
			h.refused(page, badGateway, reason)
			if _, _, ok := page.Form("/password"); !ok || !upstreamLink.MatchString(page.Body) {
				t.Error("the page offers neither another way nor another try")
			}
		})
	}
}

func TestAProviderThatNeverAnswers(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	h.entra.Break(entra.TokenHang)
	h.refused(h.come(b, h.party.Begin(), idptest.Alice), badGateway, idp.FederationDown)
}

func TestKeysThatDoNotCome(t *testing.T) {
	t.Parallel()
	for _, fault := range []entra.Fault{entra.KeysDown, entra.KeysHuge} {
		h := open(t, idptest.Alone(t), nil)
		h.entra.Break(fault)
		h.refused(h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice), badGateway, idp.FederationToken)
		if cause := h.lastRefusal().Detail["cause"]; len(cause) > 300 {
			t.Errorf("the audit log has %d bytes of what they answered", len(cause))
		}
	}
}

func TestWhatMicrosoftRefuses(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.ClientID = idptest.AssignedApp })
	b := idptest.NewBrowser(t)
	t.Run("not assigned", func(t *testing.T) {
		h.t = t
		p := h.entra.SignIn(b, h.leave(b, h.party.Begin()), idptest.Arthur)
		if p.Left == nil { // Entra shows its own page first
			p = h.entra.Press(b, p, "return")
		}
		h.refused(h.back(b, p), forbidden, idp.FederationAssignment)
	})
	t.Run("consent declined", func(t *testing.T) {
		h.t = t
		b := idptest.NewBrowser(t)
		p := h.entra.SignInUntil(b, h.leave(b, h.party.Begin()), idptest.Alice, "Permissions requested")
		h.refused(h.back(b, h.entra.Press(b, p, "decline")), forbidden, idp.FederationDenied)
	})
}

func TestAnswersOfOtherQuestions(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		a := h.party.Begin()
		answer := h.entra.SignIn(b, h.leave(b, a), idptest.Alice).Left

		stranger := idptest.NewBrowser(t)
		stranger.Get(h.party.Begin().URL) // has a cookie of its own
		if p := stranger.Get(answer.String()); p.Status != forbidden || p.Left != nil || h.Audited(idp.AuditFlowForeign) != 1 {
			t.Errorf("in another browser: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
		}
		with := func(name, value string) string {
			u, q := *answer, answer.Query()
			q.Set(name, value)
			u.RawQuery = q.Encode()
			return u.String()
		}
		parts := strings.Split(answer.Query().Get("state"), ".")
		for name, address := range map[string]string{
			"a state that was made up":         with("state", "x"),
			"no state":                         with("state", "....x"),
			"a state of another version":       with("state", parts[0]+".7."+parts[2]+"."+parts[3]),
			"a state of another connection":    with("state", parts[0]+"."+parts[1]+".other."+parts[3]),
			"a state of another flow":          with("state", "other."+parts[1]+"."+parts[2]+"."+parts[3]),
			"a code that was made up":          with("code", "x"),
			"an error of another's making":     with("error", "access_denied"),
			"zero bytes":                       with("state", "\x00.1.\x00.x"),
			"an error nobody knows, with HTML": with("error", "<script>alert(1)</script>"),
		} {
			p := b.Get(address)
			if p.Status < 400 || p.Status == http.StatusInternalServerError || p.Left != nil || strings.Contains(p.Body, "<script>alert") {
				t.Errorf("%s: %q (%d), left for %v", name, p.Heading(), p.Status, p.Left)
			}
		}
		if n := h.count("identities"); n != 0 {
			t.Fatalf("%d identities were linked", n)
		}
		// None of that spoiled the right answer: Entra's code was redeemed by none of them.
		p := b.Get(answer.String())
		h.party.Exchange(a, p.Left)
		// The same answer again makes no second session.
		if p = b.Get(answer.String()); h.count("sessions") != 1 || h.count("grants") > 2 {
			t.Errorf("a replayed answer: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
		}
	})
}

// Of fifty answers at once, one makes a session.
func TestOneAnswerLetsOneIn(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		answer := h.entra.SignIn(b, h.leave(b, h.party.Begin()), idptest.Alice).Left
		idptest.Race(20, func(int) int {
			req, _ := http.NewRequest(http.MethodGet, answer.String(), http.NoBody)
			for _, c := range b.Jar.Cookies(&url.URL{Scheme: "http", Host: answer.Host, Path: "/"}) {
				req.AddCookie(c)
			}
			return h.Do(req).StatusCode
		})
		if users, sessions := h.count("identities"), h.count("sessions"); users != 1 || sessions != 1 {
			t.Errorf("%d identities and %d sessions, want one of each", users, sessions)
		}
	})
}

func TestATenantThatMayNotCome(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) {
		n.Tenants, n.ClientID = []string{idptest.HomeTenant, "44444444-aaaa-4bbb-8ccc-000000000001"}, idptest.OpenApp
	})
	h.refused(h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Bob), forbidden, idp.FederationTenant)
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
}

func TestPersonalAccountsOnlyIfAllowed(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { anyone(n); n.PersonalAccounts, n.Trust = false, idp.Trusted })
	left := h.leave(idptest.NewBrowser(t), h.party.Begin())
	if !strings.Contains(left.Path, "/organizations/") {
		t.Errorf("asked at %s", left)
	}
	h = open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { anyone(n); n.Trust = idp.Trusted })
	claim(t, h.signIn(idptest.NewBrowser(t), idptest.Dora), "email", idptest.Dora)
}

func TestADisabledAccountStaysOut(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
	user, err := h.Store.UserByEmail(t.Context(), idp.Agents, idptest.Alice)
	idptest.Must(t, err)
	disabled := true
	_, err = h.Manage.People.UpdateUser(t.Context(), authz.System(), user.ID, people.UserChange{Version: version(t, h, user.ID), Disabled: &disabled, Reason: "left"})
	idptest.Must(t, err)
	p := h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice)
	if p.Status != forbidden || p.Left != nil || h.lastRefusal().Detail["reason"] != string(idp.FederationDisabled) {
		t.Errorf("a disabled account: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
}

func version(t *testing.T, h *house, id string) int64 {
	t.Helper()
	d, err := h.Manage.People.UserDetail(t.Context(), authz.System(), id)
	idptest.Must(t, err)
	return d.Version
}

// Each made-up answer would have us ask the other side.
func TestMadeUpAnswersAreLimited(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	left := h.leave(b, h.party.Begin())
	madeUp := h.Issuer + h.connection.CallbackPath() + "?" + url.Values{"state": left.Query()["state"], "code": {"x"}}.Encode()
	for range 20 {
		b.Get(madeUp)
	}
	h.db.Age(t, "throttles", -time.Hour, "next_at") // the wait, on a machine of any speed
	asked := len(h.entra.Requests("token"))
	if p := b.Get(madeUp); p.Status != http.StatusTooManyRequests || len(h.entra.Requests("token")) != asked {
		t.Errorf("the 21st: %q (%d), and the other side was asked %d times more", p.Heading(), p.Status, len(h.entra.Requests("token"))-asked)
	}
}

// Userinfo that is somebody else's confirms nothing (OpenID Connect Core 1.0 section 5.3.2).
func TestUserinfoOfSomebodyElse(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	generic := h.connect(func(n *connections.ConnectionChange) {
		h.generic(n)
		n.Trust, n.Domains = idp.Trusted, []string{"generic.example"}
	})
	h.entra.Mutate(func(claims map[string]any) { delete(claims, "email"); claims["sub"] = "somebody-else" })
	page := b.Get(h.party.Begin().URL)
	p := h.back(b, h.entra.SignIn(b, b.Get(page.URL.String()+"/federate?c="+generic.ID).Left, idptest.Gina))
	h.refused(p, badGateway, idp.FederationToken)
}

// An answer that names another issuer is not this one's (RFC 9207 section 2.4).
func TestAnAnswerOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	generic := h.connect(func(n *connections.ConnectionChange) {
		h.generic(n)
		n.Trust, n.Domains = idp.Trusted, []string{"generic.example"}
	})
	page := b.Get(h.party.Begin().URL)
	p := h.entra.SignIn(b, b.Get(page.URL.String()+"/federate?c="+generic.ID).Left, idptest.Gina)
	q := p.Left.Query()
	q.Set("iss", "https://evil.example")
	p.Left.RawQuery = q.Encode()
	h.refused(h.back(b, p), http.StatusBadRequest, idp.FederationToken)
}

// Whatever a stranger brings in an answer to their own question is their fault, and no
// alarm for the operator: no status of ours, no line of level ERROR.
func TestAMadeUpAnswerIsNoFaultOfOurs(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	for name, bent := range map[string]string{
		"no code": "", "an empty code": "code=", "a code of nobody": "code=x", "a code with a zero": "code=%00", "bytes that are no text": "code=%ff%fe",
		"a long code": "code=" + strings.Repeat("x", 4000), "two codes": "code=a&code=b", "another issuer": "code=x&iss=https://evil.example",
		"an error": "error=server_error", "any error": "error=%3Cb%3E", "a Microsoft error": "error=invalid_request&error_description=AADSTS90014",
		"two errors": "error=access_denied&error=access_denied", "two states": "code=x&state=y",
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.db.Exec(t, "DELETE FROM throttles")
			b := idptest.NewBrowser(t)
			left := h.leave(b, h.party.Begin())
			p := b.Get(h.Issuer + h.connection.CallbackPath() + "?state=" + url.QueryEscape(left.Query().Get("state")) + "&" + bent)
			if p.Status < 400 || p.Status >= 500 || alert(p) == "" {
				t.Errorf("%q (%d)", p.Heading(), p.Status)
			}
			if _, _, ok := p.Form("/password"); !ok {
				t.Errorf("there is no way on: %s", p.Body)
			}
		})
	}
}

// A code that is brought twice is an alarm at the other side (RFC 6749 section 4.1.2): a
// process brings it once, however often the answer comes.
func TestAProcessBringsACodeOnce(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	answer := h.entra.SignIn(b, h.leave(b, h.party.Begin()), idptest.Alice).Left.String()
	idptest.Race(8, func(int) *idptest.Page { return b.Get(answer) })
	if n := h.entra.Exchanges.Load(); n != 1 {
		t.Errorf("the code was brought %d times", n)
	}
}

// One answer that comes eight times at once (a reload, a browser that asks ahead), to two
// replicas, signs the person in, and each of the eight leads on.
func TestAnAnswerThatComesSeveralTimesAtOnceLeadsOn(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		answer := h.entra.SignIn(b, h.leave(b, h.party.Begin()), idptest.Alice).Left.String()
		targets := []string{answer, strings.Replace(answer, h.Issuer, h.Replica(), 1)}
		for i, p := range idptest.Race(8, func(i int) *idptest.Page { return b.Get(targets[i%2]) }) {
			if p.Left == nil || p.Left.Query().Get("code") == "" {
				t.Errorf("answer %d: %q (%d), left for %v", i, p.Heading(), p.Status, p.Left)
			}
		}
		if n := h.count("sessions"); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// The flow moved on since: its old question takes no answer.
func TestAnAnswerToAnOldQuestion(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	left := h.leave(b, h.party.Begin())
	answer := h.entra.SignIn(b, left, idptest.Alice)
	b.Post(h.flowPage(left)+"/restart", nil)
	h.refused(h.back(b, answer), http.StatusConflict, idp.FederationLost)
}

// An account that was disabled is not linked either, however well the address is confirmed.
func TestADisabledAccountIsNotLinked(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	alice, yes := h.AddUser(idp.Agents, idptest.Alice), true
	_, version, err := h.Store.VersionedUser(t.Context(), alice.ID)
	idptest.Must(t, err)
	_, err = h.Manage.People.UpdateUser(t.Context(), authz.System(), alice.ID, people.UserChange{Version: version, Disabled: &yes, Reason: "left"})
	idptest.Must(t, err)
	h.refused(h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice), forbidden, idp.FederationDisabled)
}

// A connection is for the people of its population: whoever signs in to an app of others
// does not come through it.
func TestAConnectionOfOthers(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	others := h.connect(func(n *connections.ConnectionChange) { n.PopulationID = idp.Contacts })
	p, err := h.Manage.Populations.Population(t.Context(), authz.System(), idp.Contacts)
	idptest.Must(t, err)
	_, err = h.Manage.Populations.SaveAccess(t.Context(), authz.System(), populations.Change[idp.Access]{
		ID: idp.Contacts, Version: p.Version, To: idp.Access{Password: true, Federated: true},
	})
	idptest.Must(t, err)
	agents := h.AddParty(idp.Client{HomeURL: "https://agents.example/", Populations: []string{idp.Agents}})
	page := b.Get(agents.Begin().URL)
	h.refused(b.Get(page.URL.String()+"/federate?c="+others.ID), http.StatusConflict, idp.FederationLost)
}
