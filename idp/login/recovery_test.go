package login_test

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// useRecovery signs in with a recovery code and returns the notice.
func useRecovery(h *house, code string) *idptest.Page {
	h.t.Helper()
	b := idptest.NewBrowser(h.t)
	notice := b.Submit(h.atRecovery(b), "/recovery", "code", code)
	wantLeft(h.t, b.Submit(notice, "/told"))
	return notice
}

func TestARecoveryCodeWorksOnceInAnyForm(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		_, codes := h.enrol(idptest.NewBrowser(t))
		want(t, useRecovery(h, codes[4]), http.StatusOK, "You have 9 recovery codes left")
		typed := " " + strings.ToLower(strings.ReplaceAll(codes[0], "-", " ")) + " "
		want(t, useRecovery(h, typed), http.StatusOK, "You have 8 recovery codes left")
		for name, test := range map[string]struct{ code, want string }{
			"used":            {codes[4], "That recovery code has been used already."},
			"used, lower":     {strings.ToLower(codes[4]), "That recovery code has been used already."},
			"wrong":           {"0000-0000-0000-0000", "That recovery code did not work."},
			"empty":           {"", "Enter one of your recovery codes."},
			"too short":       {codes[1][:10], "That does not look like a recovery code."},
			"other alphabet":  {strings.Repeat("U", 16), "That does not look like a recovery code."},
			"an app's digits": {"123456", "That does not look like a recovery code."},
		} {
			h.calm()
			b := idptest.NewBrowser(t)
			page := b.Submit(h.atRecovery(b), "/recovery", "code", test.code)
			if page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Body, test.want) {
				t.Errorf("%s: status %d, want 422 and %q in\n%s", name, page.Status, test.want, page.Body)
			}
		}
		if n := h.count("recovery_codes WHERE used_at IS NOT NULL"); n != 2 {
			t.Errorf("%d codes are used, want 2", n)
		}
	})
}

func TestTheNoticeCountsDownToTheLastCode(t *testing.T) {
	t.Parallel()
	h := alone(t)
	_, codes := h.enrol(idptest.NewBrowser(t))
	for i, code := range codes {
		left := len(codes) - 1 - i
		heading := fmt.Sprintf("You have %d recovery codes left", left)
		switch left {
		case 1:
			heading = "You have 1 recovery code left"
		case 0:
			heading = "That was your last recovery code"
		}
		notice := useRecovery(h, code)
		want(t, notice, http.StatusOK, heading)
		if warned := strings.Contains(notice.Body, `class="warning"`); warned != (left <= 3) {
			t.Errorf("with %d codes left: warned %t", left, warned)
		}
	}
	b := idptest.NewBrowser(t)
	page := h.atCode(b)
	if _, _, offered := page.Form("/method"); offered {
		t.Error("recovery codes are offered when all are used")
	}
	page = b.Post(flowOf(page)+"/recovery", map[string][]string{"code": {codes[0]}})
	want(t, page, http.StatusOK, "Enter the code from your app")
}

func TestARecoveryCodeIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	h := alone(t)
	_, codes := h.enrol(idptest.NewBrowser(t))
	h.AddUser(idp.Agents, "omar@rtx.example")
	b := idptest.NewBrowser(t)
	if page, _, _ := idptest.Enrol(b, h.party, h.party.Begin(), "omar@rtx.example"); page.Left == nil {
		t.Fatal("Omar did not get in")
	}
	b = idptest.NewBrowser(t)
	page := b.Submit(h.atPassword(b), "/password", "email", "omar@rtx.example", "password", idptest.Password)
	page = b.Submit(page, "/method")
	page = b.Submit(page, "/recovery", "code", codes[0])
	wantText(t, page, http.StatusUnprocessableEntity, "That recovery code did not work.")
	if n := h.count("recovery_codes WHERE used_at IS NOT NULL"); n != 0 {
		t.Errorf("%d codes are used, want none", n)
	}
}

// TestTheNoticeComesBeforeTheSession: the session comes after the notice, not before.
func TestTheNoticeComesBeforeTheSession(t *testing.T) {
	t.Parallel()
	h := alone(t)
	_, codes := h.enrol(idptest.NewBrowser(t))
	sessions := h.count("sessions")
	b := idptest.NewBrowser(t)
	notice := b.Submit(h.atRecovery(b), "/recovery", "code", codes[0])
	if n := h.count("sessions"); n != sessions || b.Get(h.party.Begin().URL).Left != nil {
		t.Errorf("%d sessions before the notice was left, want %d", n, sessions)
	}
	again := b.Get(flowOf(notice))
	want(t, again, http.StatusOK, notice.Heading())
	wantLeft(t, b.Submit(again, "/told"))
}

// A code of sixteen letters is mended, not typed again; a code of six digits is not worth
// the keeping.
func TestARefusedRecoveryCodeStaysInItsField(t *testing.T) {
	t.Parallel()
	h := alone(t)
	_, codes := h.enrol(idptest.NewBrowser(t))
	b := idptest.NewBrowser(t)
	for _, typed := range []string{codes[0][:18], "0000-0000-0000-0000", `"<&>` + codes[0][:9]} {
		h.calm()
		page := b.Submit(h.atRecovery(b), "/recovery", "code", typed)
		if page.Status != http.StatusUnprocessableEntity || !strings.Contains(html.UnescapeString(page.Body), `value="`+typed+`"`) {
			t.Errorf("%q is not in the field: %d %s", typed, page.Status, page.Body)
		}
	}
	h.calm()
	page := b.Submit(h.atRecovery(b), "/recovery", "code", codes[0]+"\n"+codes[1])
	if !strings.Contains(page.Body, "There is more than one code.") {
		t.Errorf("two codes: %s", page.Body)
	}
	h.calm()
	if page = b.Submit(h.atCode(b), "/totp", "code", "123456 654321"); !strings.Contains(page.Body, "There is more than one code.") || strings.Contains(page.Body, "654321") {
		t.Errorf("two codes of an app: %s", page.Body)
	}
	want(t, useRecovery(h, "  1.  "+codes[0]), http.StatusOK, "You have 9 recovery codes left")
}
