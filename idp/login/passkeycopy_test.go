package login_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// wantCopies is how often the log and the mails say that a passkey has a copy. It waits for mails
// that are on their way.
func (h *house) wantCopies(what string, audited, mailed int) {
	h.t.Helper()
	mails := func() (n int) {
		for _, letter := range h.box.All(email) {
			if strings.Contains(letter.Subject, "copy of your passkey") {
				n++
			}
		}
		return n
	}
	for mails() < mailed {
		h.box.Next(email)
	}
	in := h.count("audit_events WHERE kind = '" + string(idp.AuditPasskeyRefused) + `' AND detail LIKE '%"counter"%'`)
	if in != audited || mails() != mailed {
		h.t.Errorf("%s: %d copies in the log and %d mails, want %d and %d", what, in, mails(), audited, mailed)
	}
}

// counted is a house whose person has a passkey that counts its uses.
func counted(t *testing.T, db *idptest.Database) (*house, *idptest.Device) {
	t.Helper()
	h, _ := mailed(t, db, idp.Policy{Passkey: true})
	d := h.device()
	h.enrolPasskey(d, email)
	return h, d
}

// Each use of a copy is in the log. Its owner is told of the first, and not of each of many.
func TestTheOwnerIsToldOfACopy(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, d := counted(t, db)
		clone := *d
		wantLeft(t, h.alone(idptest.NewBrowser(t), d))
		h.wantCopies("its own use", 0, 0)
		wantText(t, h.alone(idptest.NewBrowser(t), &clone), http.StatusUnprocessableEntity, passkeyUnknown)
		h.wantCopies("a copy", 1, 1)
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		clone.Count = 1
		wantText(t, b.Submit(page, "/passkey", "credential", clone.Use(askedFor(t, page))), http.StatusUnprocessableEntity, "That passkey did not work.")
		h.wantCopies("a copy as a second step", 2, 1)

		// One that is stopped or gone while it is used is no copy.
		for _, gone := range []string{"UPDATE factors SET disabled_at = created_at", "DELETE FROM factors"} {
			b := idptest.NewBrowser(t)
			page := h.atPassword(b)
			answer := d.Use(askedFor(t, page))
			h.db.Meanwhile(t, gone, func() *idptest.Page { return b.Submit(page, "/passkey", "credential", answer) })
		}
		h.wantCopies("gone meanwhile", 2, 1)
	})
}

// One answer that comes twice, by a double click or because the first answer of ours was lost, is
// no copy, whenever the second one comes.
func TestOneAnswerSentTwiceIsNoCopy(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, d := counted(t, db)
		const rounds, clicks = 4, 6
		for range rounds {
			h.calm()
			for _, at := range []func(*idptest.Browser) *idptest.Page{h.atPassword, h.accepted} {
				b := idptest.NewBrowser(t)
				page := at(b)
				target, fields, _ := page.Form("/passkey")
				fields.Set("credential", d.Use(askedFor(t, page)))
				together(clicks, func(int) { b.Post(target, fields) })
			}
		}
		if n := h.count("sessions"); n != 1+2*rounds {
			t.Errorf("%d sessions", n)
		}
		h.wantCopies("many clicks", 0, 0)

		// The second one has read the sign-in before the first was done, and the passkey after it.
		b := idptest.NewBrowser(t)
		page := h.accepted(b)
		h.exec("CREATE TABLE flows_before AS SELECT * FROM flows")
		answer := d.Use(askedFor(t, page))
		wantLeft(t, b.Submit(page, "/passkey", "credential", answer))
		var back []string
		for _, column := range []string{"version", "kind", "proofs", "session_id"} {
			back = append(back, column+" = (SELECT b."+column+" FROM flows_before b WHERE b.id = flows.id)")
		}
		h.exec("UPDATE flows SET " + strings.Join(back, ", ") + " WHERE id IN (SELECT id FROM flows_before)")
		h.exec("DELETE FROM sessions")
		b.Submit(page, "/passkey", "credential", answer)
		h.wantCopies("in between", 0, 0)
		h.calm()
		clone := *d
		clone.Count--
		page = b.Get(page.URL.String())
		wantText(t, b.Submit(page, "/passkey", "credential", clone.Use(askedFor(t, page))), http.StatusUnprocessableEntity, "That passkey did not work.")
		h.wantCopies("a copy in that sign-in", 1, 1)
	})
}

// A browser in which the person proved as much before has tries of its own: strangers at its
// address do not use them up, nor does it get more by naming somebody else's passkey.
func TestAKnownBrowserHasItsOwnTriesOfPasskeys(t *testing.T) {
	t.Parallel()
	h := passkeys(t, idptest.Alone(t))
	d := h.device()
	h.enrolPasskey(d, email)
	known := idptest.NewBrowser(t)
	wantLeft(t, h.alone(known, d))
	h.exec("DELETE FROM sessions")
	h.calm()
	wrong := *d
	wrong.Origin = "https://evil.example"
	limited := func(b *idptest.Browser, d *idptest.Device) bool {
		return h.alone(b, d).Status == http.StatusTooManyRequests
	}
	thief := idptest.NewBrowser(t)
	for i := 0; !limited(thief, &wrong); i++ {
		if i > 30 {
			t.Fatal("nobody was told to wait")
		}
	}
	if n := h.count("throttles WHERE kind = 'passkey'"); n != 0 {
		t.Error("a stranger's browser counts as a known one")
	}
	if !limited(idptest.NewBrowser(t), d) {
		t.Error("the address does not wait")
	}
	page := h.accepted(known)
	wantLeft(t, known.Submit(page, "/passkey", "credential", d.Use(askedFor(t, page))))
	h.exec("DELETE FROM sessions")
	wantLeft(t, h.alone(known, d))
	h.exec("DELETE FROM sessions")
	tries := 0
	for ; !limited(known, &wrong) && tries < 30; tries++ {
	}
	if tries != 5 {
		t.Errorf("the known browser has %d tries", tries)
	}
	h.exec("UPDATE throttles SET next_at = last_at")
	wantLeft(t, h.alone(known, d))
}
