package federation_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
)

// silentAbout has the other side leave out a claim.
func silentAbout(name string) func(map[string]any) {
	return func(claims map[string]any) { delete(claims, name) }
}

// ago has the other side say that people signed in there a while ago.
func ago(d time.Duration) func(map[string]any) {
	return func(claims map[string]any) { claims["auth_time"] = idp.Now().Add(-d).Unix() }
}

// undatedSince is since when the connection has not said when people sign in.
func (h *house) undatedSince(id string) time.Time {
	h.t.Helper()
	c, err := h.Store.Connection(h.t.Context(), id)
	idptest.Must(h.t, err)
	return c.UndatedSince
}

// setsUp goes through the set-up of an authenticator to its end.
func setsUp(t *testing.T, b *idptest.Browser, page *idptest.Page) (idptest.Authenticator, *idptest.Page) {
	t.Helper()
	if _, _, begin := page.Form("/begin"); begin {
		page = b.Submit(page, "/begin")
	}
	phone := idptest.Scan(t, page)
	return phone, b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
}

// Whoever sits at the browser can take the wish for a new sign-in out of the address.
// Where Entra does not say when somebody signed in, nothing shows that they did just now:
// a second step of ours does.
func TestAnUpstreamThatDoesNotSayWhen(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		h.entra.Mutate(silentAbout("auth_time"))
		if tokens := h.signIn(b, idptest.Alice); tokens.Claims["auth_time"] != nil || tokens.Claims["acr"] != string(idp.ACRFederated) {
			t.Errorf("nobody said when, and a token does: %v", tokens.Claims)
		}
		if h.undatedSince(h.connection.ID).IsZero() {
			t.Error("the connection does not know that the claim is missing")
		}
		a := h.party.Begin("prompt", "login", "max_age", "0")
		begun := idp.Now().Add(-time.Second).Unix()
		phone, page := setsUp(t, b, h.come(b, a, idptest.Alice))
		if page.Left == nil {
			t.Fatalf("after the set-up at %q (%d)", page.Heading(), page.Status)
		}
		tokens := h.party.Exchange(a, page.Left)
		claim(t, tokens, "acr", string(idp.ACRMFA))
		claim(t, tokens, "amr", "otp mfa fed")
		if at, _ := tokens.Claims["auth_time"].(float64); int64(at) < begun {
			t.Errorf("auth_time %v is not of the second step", tokens.Claims["auth_time"])
		}
		a = h.party.Begin("prompt", "login")
		page = h.come(b, a, idptest.Alice)
		if _, _, asked := page.Form("/totp"); !asked {
			t.Fatalf("the second time at %q (%d), left for %v", page.Heading(), page.Status, page.Left)
		}
		h.party.Exchange(a, b.Submit(page, "/totp", "code", phone.Code(1)).Left)

		h.entra.Mutate(nil)
		h.signIn(b, idptest.Alice, "prompt", "login")
		if !h.undatedSince(h.connection.ID).IsZero() {
			t.Error("the connection still says that the claim is missing")
		}
	})
}

// Fresh is a sign-in there that was not before our request: not by half a minute either.
func TestASignInThereBeforeOurRequestIsNotFresh(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before time.Duration
		fresh  bool
	}{
		"this moment":         {0, true},
		"three seconds":       {3 * time.Second, false},
		"half a minute":       {30 * time.Second, false},
		"almost two minutes":  {110 * time.Second, false},
		"a moment in advance": {-20 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
			h.signIn(b, idptest.Alice)
			h.entra.Mutate(ago(c.before))
			page := h.come(b, h.party.Begin("prompt", "login"), idptest.Alice)
			if fresh := page.Left != nil && page.Left.Query().Get("code") != ""; fresh != c.fresh {
				t.Errorf("fresh %t, at %q (%d)", fresh, page.Heading(), page.Status)
			}
			if !h.undatedSince(h.connection.ID).IsZero() {
				t.Error("the claim is there, and the connection says that it is missing")
			}
		})
	}
}

// A provider has to say when somebody signed in if max_age is asked for; one that does
// not is no reason to turn people away.
func TestAProviderThatIsAskedWhenAndDoesNotSay(t *testing.T) {
	t.Parallel()
	for name, trust := range map[string]idp.Trust{"trusted": idp.Trusted, "counted as a password": idp.LocalStep} {
		t.Run(name, func(t *testing.T) {
			h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
			h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
			generic := h.connect(func(n *connections.ConnectionChange) {
				h.generic(n)
				n.Trust, n.Domains = trust, []string{"generic.example"}
			})
			h.entra.Mutate(silentAbout("auth_time"))
			begin := func(a idptest.Attempt) *idptest.Page {
				page := b.Get(a.URL)
				if page.Left == nil {
					page = b.Get(page.URL.String() + "/federate?c=" + generic.ID)
				}
				return h.back(b, h.entra.SignIn(b, page.Left, idptest.Gina))
			}
			if page := begin(h.party.Begin()); page.Left == nil {
				t.Fatalf("at %q (%d)", page.Heading(), page.Status)
			}
			if !h.undatedSince(generic.ID).IsZero() {
				t.Error("it was not asked when, and the connection complains")
			}
			a := h.party.Begin("prompt", "login")
			_, page := setsUp(t, b, begin(a))
			h.party.Exchange(a, page.Left)
			if h.undatedSince(generic.ID).IsZero() {
				t.Error("the connection does not know that the claim is missing")
			}
		})
	}
}

// An admin of Entra proves a second step here before anything sensitive, and the
// connection's page says why.
func TestAnAdminOfASilentEntraProvesASecondStepHere(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), ours), idptest.NewBrowser(t)
	alice := h.AddUser(idp.Agents, idptest.Alice)
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
	idptest.Must(t, h.Store.GiveRole(t.Context(), alice.ID, idp.RoleAdmin))
	h.allow(idp.Access{Federated: true})
	h.entra.Mutate(silentAbout("auth_time"))
	if p := h.back(b, h.entra.SignIn(b, h.press(b, b.Get(h.Issuer+"/admin")), idptest.Alice)); p.Status != ok || !strings.HasPrefix(p.URL.Path, "/admin") {
		t.Fatalf("at %s: %q (%d)", p.URL, p.Heading(), p.Status)
	}
	page := "/admin/authentication/agents/connections/" + h.connection.ID
	h.AgeProofs(time.Hour)
	p := b.Get(h.Issuer + page)
	if p.Left == nil || p.Left.Query().Get("prompt") != "login" {
		t.Fatalf("asked for nothing: %q (%d)", p.Heading(), p.Status)
	}
	_, p = setsUp(t, b, h.back(b, h.entra.SignIn(b, p.Left, idptest.Alice)))
	if p.Status != http.StatusOK || p.URL.Path != page || !strings.Contains(p.Body, "auth_time") {
		t.Errorf("afterwards at %s: %q (%d), and the page says\n%s", p.URL, p.Heading(), p.Status, p.Body)
	}
	h.entra.Mutate(nil)
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
	if p = b.Get(h.Issuer + page); strings.Contains(p.Body, "auth_time") {
		t.Error("the page complains still")
	}
}

// Password and federated satisfy only themselves: a request for one leads there, and no
// token says the one of the other.
func TestARequestForFederatedLeadsThere(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), ours), idptest.NewBrowser(t)
	h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
	alice := h.AddUser(idp.Agents, idptest.Alice)
	h.signIn(idptest.NewBrowser(t), idptest.Alice) // linked
	byPassword := func(a idptest.Attempt) *idptest.Page {
		return b.Submit(b.Get(a.URL), "/password", "email", alice.Email, "password", idptest.Password)
	}
	a := h.party.Begin()
	claim(t, h.party.Exchange(a, byPassword(a).Left), "acr", string(idp.ACRPassword))

	if p := b.Get(h.party.Begin("prompt", "none", "acr_values", string(idp.ACRFederated)).URL); p.Left.Query().Get("error") != "login_required" {
		t.Errorf("without a page: %v", p.Left)
	}
	a = h.party.Begin("acr_values", string(idp.ACRFederated))
	page := b.Get(a.URL)
	if _, _, asks := page.Form("/password"); asks {
		t.Error("the password is asked for, which is not what was asked")
	}
	if p := b.Post(page.URL.String()+"/password", map[string][]string{"password": {idptest.Password}}); p.Left != nil || p.Status != forbidden {
		t.Errorf("the password is taken: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	page = h.back(b, h.entra.SignIn(b, h.press(b, page), idptest.Alice))
	claim(t, h.party.Exchange(a, page.Left), "acr", string(idp.ACRFederated))

	// The other way round, in a browser that came through Entra.
	b = idptest.NewBrowser(t)
	h.signIn(b, idptest.Alice)
	a = h.party.Begin("acr_values", string(idp.ACRPassword))
	page = b.Get(a.URL)
	if page.Left != nil || upstreamLink.MatchString(page.Body) {
		t.Fatalf("a request for a password leads to %v", page.Left)
	}
	claim(t, h.party.Exchange(a, b.Submit(page, "/password", "password", idptest.Password).Left), "acr", string(idp.ACRPassword))
}

// Where there is no other provider, a request for federated is answered as the standard
// says, or by a second step, which is more.
func TestARequestForFederatedWithoutAnotherProvider(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	h.allow(idp.Access{Password: true})
	alice := h.AddUser(idp.Agents, idptest.Alice)
	for name, essential := range map[string][]string{
		"acr_values": {"acr_values", string(idp.ACRFederated)},
		"essential":  {"claims", `{"id_token":{"acr":{"essential":true,"value":"` + string(idp.ACRFederated) + `"}}}`},
	} {
		h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
		b := idptest.NewBrowser(t)
		p := b.Submit(b.Get(h.party.Begin(essential...).URL), "/password", "email", alice.Email, "password", idptest.Password)
		if p.Left == nil || p.Left.Query().Get("error") != "unmet_authentication_requirements" {
			t.Errorf("%s, by password: %q (%d), left for %v", name, p.Heading(), p.Status, p.Left)
		}
	}
	h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, IssuerLabel: "RTX"}, populations.OnNextLogin)
	b, a := idptest.NewBrowser(t), h.party.Begin("acr_values", string(idp.ACRFederated))
	page := b.Submit(b.Get(a.URL), "/password", "email", alice.Email, "password", idptest.Password)
	_, page = setsUp(t, b, page)
	claim(t, h.party.Exchange(a, page.Left), "acr", string(idp.ACRMFA))
}
