package account_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
	"gatehouse/ui"
)

var linkInText = regexp.MustCompile(`(?m)^https?://\S+`)

// notices are the mails that tell of something and have no link of their own.
func notices() []ui.MailKind {
	var list []ui.MailKind
	for _, kind := range ui.MailKinds() {
		switch kind {
		case ui.MailCode, ui.MailReset, ui.MailInvitation, ui.MailRegistration, ui.MailEmailConfirm, ui.MailTest:
		default:
			list = append(list, kind)
		}
	}
	return list
}

// Each notice, to people of each user group, about an act of their own and of an admin:
// it comes from the group's name, says where its own reader was and never where an admin
// was, speaks to customers of no admin, and leads to a page where they can act.
func TestEachNoticeSaysWhoAndLeadsToAPageWhereOneCanAct(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	h.SetPolicy(idp.Contacts, none, populations.OnNextLogin)
	for _, population := range []string{idp.Agents, idp.Contacts} {
		p, err := h.Store.Population(t.Context(), population)
		idptest.Must(t, err)
		p.Name = "Bluebird " + population
		user := h.AddUser(population, "reader@"+population+".example")
		b := idptest.NewBrowser(t)
		page := b.Get(h.Issuer + "/account/" + population)
		page = b.Submit(b.Get(page.URL.String()+"?as="+population), "/password", "email", user.Email, "password", idptest.Password)
		want(t, page, http.StatusOK, "Your account")
		for _, kind := range notices() {
			for _, byAdmin := range []bool{true, false} {
				ctx := idp.WithVisit(t.Context(), &idp.Visit{Address: "198.51.100.77", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"})
				idptest.Must(t, h.Manage.Outbox.Notify(ctx, user, p, ui.Mail{Kind: kind, ByAdmin: byAdmin, Former: byAdmin, Method: "totp", Roles: "Desk", Connection: "Microsoft"}))
				l := h.box.Next(user.Email)
				said := strings.Contains(l.Text+l.HTML, "198.51.100.77") || strings.Contains(l.Text+l.HTML, "Firefox")
				if said == byAdmin || l.From != p.Name {
					t.Errorf("%s to %s, by an admin %t: from %q, says where %t\n%s", kind, population, byAdmin, l.From, said, l.Text)
				}
				checkLink(t, h, b, l, kind)
			}
		}
	}
}

// checkLink follows the link of a mail as its reader, who is signed in.
func checkLink(t *testing.T, h *house, b *idptest.Browser, l idptest.Letter, kind ui.MailKind) {
	t.Helper()
	link := linkInText.FindString(l.Text)
	if !strings.HasPrefix(link, h.Issuer+"/") || !strings.Contains(l.HTML, `href="`+link+`"`) {
		t.Errorf("%s to %s has no link: %q\n%s", kind, l.To, link, l.Text)
		return
	}
	if kind == ui.MailBreakGlass { // for admins, whom the console asks for a second step
		return
	}
	if page := b.Get(link); page.Status >= 400 || page.Left != nil {
		t.Errorf("%s to %s: %s leads to %q (%d)", kind, l.To, link, page.Heading(), page.Status)
	}
}
