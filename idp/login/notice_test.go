package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
	"gatehouse/mfa"
)

// What happens to an account is told by mail: from where, with which browser, and
// what to do if it was somebody else.
func TestNotices(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, idp.Policy{Authenticator: true})
		first := idptest.NewBrowser(t)
		phone, codes := h.enrol(first)
		wantLetter(t, box.Next(email), "set up", "127.0.0.1")

		// A browser that is new to the account; the very first was none.
		second := idptest.NewBrowser(t)
		h.signIn(second, phone)
		wantLetter(t, box.Next(email), "New sign-in", "127.0.0.1")
		h.exec("UPDATE sessions SET ended_at = created_at")
		h.signIn(second, phone) // known by now: no mail
		third := idptest.NewBrowser(t)
		page := third.Submit(h.atRecovery(third), "/recovery", "code", codes[0])
		wantLetter(t, box.Next(email), "recovery code", "9")
		wantLeft(t, third.Submit(page, "/told"))
		wantLetter(t, box.Next(email), "New sign-in", "127.0.0.1")
		if n := len(box.All(email)); n != 4 {
			t.Errorf("%d mails, want 4", n)
		}
	})
}

func wantLetter(t *testing.T, l idptest.Letter, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(l.Subject+l.Text, text) {
			t.Errorf("%q does not say %q:\n%s", l.Subject, text, l.Text)
		}
	}
	for line := range strings.Lines(l.Text) {
		if strings.Contains(line, "://") && !strings.Contains(line, "/account/agents/") {
			t.Errorf("%q links elsewhere than to the account: %s", l.Subject, line)
		}
	}
	if !strings.Contains(l.Text, "UTC") {
		t.Errorf("%q does not say when:\n%s", l.Subject, l.Text)
	}
}

// Whoever is down to three codes is offered ten new ones, two hours after the last
// set and not before.
func TestFewCodesLeftCanBeRenewed(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, box := mailed(t, db, idp.Policy{Authenticator: true})
		_, codes := h.enrol(idptest.NewBrowser(t))
		box.Next(email)
		h.exec("UPDATE recovery_codes SET used_at = (SELECT created_at FROM recovery_sets) WHERE position >= 4")
		b := idptest.NewBrowser(t)
		notice := b.Submit(h.atRecovery(b), "/recovery", "code", codes[0])
		wantText(t, notice, http.StatusOK, "two hours after the last set")
		after := b.Post(flowOf(notice)+"/regenerate", nil) // by hand, too early
		want(t, after, http.StatusOK, "You have 3 recovery codes left")
		db.Age(t, "recovery_sets", mfa.RegenerateAfter+time.Minute, "created_at")
		notice = b.Get(flowOf(notice))
		wantText(t, notice, http.StatusOK, "Make 10 new recovery codes")
		page := b.Submit(notice, "/regenerate")
		fresh := idptest.RecoveryCodes(page)
		if len(fresh) != 10 || strings.Contains(strings.Join(fresh, " "), codes[1]) {
			t.Fatalf("the new codes are %v", fresh)
		}
		wantLeft(t, b.Submit(page, "/saved", "saved", "yes"))
		c := idptest.NewBrowser(t)
		wantText(t, c.Submit(h.atRecovery(c), "/recovery", "code", codes[1]), http.StatusUnprocessableEntity, "That recovery code did not work.")
		if n := h.Audited(idp.AuditRecoveryGenerated); n != 2 {
			t.Errorf("%d times recovery codes were generated", n)
		}
	})
}

// A client that demands the authenticator where the policy has none, and a label
// that the app shows then.
func TestAnAppsOwnRuleSetsUpAnAuthenticator(t *testing.T) {
	t.Parallel()
	h, _ := mailed(t, idptest.Alone(t), idp.Policy{})
	h.SetOverride(h.party.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.OnNextLogin)
	page := h.accepted(idptest.NewBrowser(t))
	wantText(t, page, http.StatusOK, "otpauth://totp/")
	if strings.Contains(page.Body, "otpauth://totp/:") {
		t.Error("the authenticator has no label")
	}
}
