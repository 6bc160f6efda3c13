package federation_test

import (
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
)

// trips goes on with a sign-in until it ends at the app or for good, and counts how often
// it was sent upstream and how often a second step was done here. phone is the person's
// authenticator, nil before set-up.
func (h *house) trips(b *idptest.Browser, page *idptest.Page, phone **idptest.Authenticator) (upstream, local int, end *idptest.Page) {
	h.t.Helper()
	for range 8 {
		_, _, asked := page.Form("/totp")
		_, _, begin := page.Form("/begin")
		_, _, enrol := page.Form("/enrol")
		link := upstreamLink.FindString(page.Body)
		switch {
		case page.Left != nil && strings.HasPrefix(page.Left.String(), h.entra.URL), page.Left == nil && link != "" && !asked:
			upstream++
			page = h.back(b, h.entra.SignIn(b, h.press(b, page), idptest.Alice))
		case page.Left != nil:
			return upstream, local, page
		case asked:
			local++
			page = b.Submit(page, "/totp", "code", (*phone).Code(local))
		case begin || enrol:
			local++
			var set idptest.Authenticator
			set, page = setsUp(h.t, b, page)
			*phone = &set
		default:
			return upstream, local, page
		}
	}
	h.t.Fatalf("it does not end: at %q (%d) after %d trips upstream, %d steps here", page.Heading(), page.Status, upstream, local)
	return upstream, local, page
}

// Where the other side leaves out auth_time, whatever an app asks for ends after one trip
// there at most, and one second step here at most: no wish for a fresh sign-in is sent
// back and forth. Only acr_values alone may stay unmet where nobody proves it:
// the app is told so.
func TestASilentUpstreamIsAskedOnceAtMost(t *testing.T) {
	t.Parallel()
	asks := map[string][]string{
		"prompt=login":   {"prompt", "login"},
		"max_age=0":      {"max_age", "0"},
		"acr_values=mfa": {"acr_values", string(idp.ACRMFA)},
		"all":            {"prompt", "login", "max_age", "0", "acr_values", string(idp.ACRMFA)},
	}
	for trust, change := range map[string]func(*connections.ConnectionChange){
		"trusted":  nil,
		"local":    func(n *connections.ConnectionChange) { n.Trust = idp.LocalStep },
		"evidence": func(n *connections.ConnectionChange) { n.Trust, n.Context = idp.EvidenceRequired, "c1" },
	} {
		for name, pairs := range asks {
			t.Run(trust+"/"+name, func(t *testing.T) {
				h, b := open(t, idptest.Alone(t), change), idptest.NewBrowser(t)
				h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
				h.entra.Mutate(silentAbout("auth_time"))
				var phone *idptest.Authenticator
				for _, turn := range []string{"first", "second"} { // the second in the session of the first
					upstream, local, end := h.trips(b, b.Get(h.party.Begin(pairs...).URL), &phone)
					if upstream > 1 || local > 1 || end.Left == nil || !end.Left.Query().Has("code") && (trust == "evidence" || name != "acr_values=mfa") {
						t.Errorf("%s: %d trips upstream, %d steps here, at %q (%d) for %v", turn, upstream, local, end.Heading(), end.Status, end.Left)
					}
				}
			})
		}
	}
}
