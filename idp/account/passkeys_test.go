package account_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

var byAppOrPasskey = idp.Policy{Authenticator: true, Passkey: true}

func (h *house) device(change ...func(*idptest.Device)) *idptest.Device {
	h.t.Helper()
	d := idptest.NewDevice(h.t, h.Issuer, "127.0.0.1")
	for _, c := range change {
		c(d)
	}
	return d
}

// withPasskeys is somebody with an app, under a policy that has passkeys since.
func withPasskeys(t *testing.T, db *idptest.Database) (*house, *resident) {
	t.Helper()
	h := open(t, db, byApp)
	r := h.moveIn(maya)
	h.SetPolicy(idp.Agents, byAppOrPasskey, populations.OnNextLogin)
	return h, r
}

// addsPasskey sets one up, after the step that its page asks for.
func (r *resident) addsPasskey(d *idptest.Device) *idptest.Page {
	r.h.t.Helper()
	page := r.at("/second-step/passkey")
	want(r.h.t, page, http.StatusOK, "Add a passkey")
	return r.Submit(page, "/second-step/passkey", "credential", d.Create(page.AsksFor()))
}

// byApp signs the person in with the app, in another browser.
func (r *resident) byApp() *resident {
	r.h.t.Helper()
	other := *r
	var page *idptest.Page
	other.Browser, page = r.h.another(r.user.Email)
	want(r.h.t, other.second(other.Submit(page, "/method", "method", "totp")), http.StatusOK, "Your account")
	return &other
}

// passkeyID is the id of the person's only passkey.
func (r *resident) passkeyID() string {
	r.h.t.Helper()
	e, err := r.h.Store.Enrolment(r.h.t.Context(), r.user.ID)
	idptest.Must(r.h.t, err)
	return e.First(idp.MethodPasskey).ID
}

func TestPasskeysAreAddedNamedAndRemoved(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, r := withPasskeys(t, db)
		icloud := [16]byte{0xfb, 0xfc, 0x30, 0x07, 0x15, 0x4e, 0x4e, 0xcc, 0x8c, 0x0b, 0x6e, 0x02, 0x05, 0x57, 0xd7, 0xbd}
		page := r.addsPasskey(h.device(func(d *idptest.Device) { d.AAGUID, d.Synced = icloud, true }))
		want(t, page, http.StatusOK, "Second step", "The passkey is set up.", "<strong>iCloud Keychain</strong>", "synced between your devices")
		h.letter(maya, "A passkey was set up for your account")
		id := r.passkeyID()
		page = r.Submit(r.at("/second-step/"+id+"/rename"), "/rename", "name", "My phone")
		want(t, page, http.StatusOK, "Second step", "<strong>My phone</strong>")
		page = r.addsPasskey(h.device())
		want(t, page, http.StatusOK, "Second step", "<strong>Passkey</strong>", "on this device only")

		want(t, r.at("/second-step/"+id+"/remove"), http.StatusOK, "Remove My phone?", "It no longer signs you in.")
		page = r.Submit(r.at("/second-step/"+id+"/remove"), "/remove")
		want(t, page, http.StatusOK, "Second step")
		if strings.Contains(page.Body, "My phone") {
			t.Error("it is still there")
		}
		h.letter(maya, "A passkey was removed from your account")
		if data := r.posts("/data"); !strings.Contains(data.Body, `"method": "passkey"`) {
			t.Errorf("a person's data has no passkey: %s", data.Body)
		}
	})
}

// What is strongest opens the rest: with a passkey, a code of the app adds and takes away
// nothing. A recovery code does, for who has lost the passkey.
func TestAPasskeyIsChangedWithAPasskeyOrFromPaper(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, r := withPasskeys(t, db)
		d := h.device()
		r.addsPasskey(d)
		id := r.passkeyID()
		thief := r.byApp() // who has the password and the phone
		for name, page := range map[string]func() *idptest.Page{
			"add":              func() *idptest.Page { return thief.at("/second-step/passkey") },
			"add, posted":      func() *idptest.Page { return thief.posts("/second-step/passkey", "pending", "x", "credential", "{}") },
			"add an app":       func() *idptest.Page { return thief.at("/second-step/add") },
			"rename":           func() *idptest.Page { return thief.at("/second-step/" + id + "/rename") },
			"remove":           func() *idptest.Page { return thief.at("/second-step/" + id + "/remove") },
			"remove, posted":   func() *idptest.Page { return thief.posts("/second-step/" + id + "/remove") },
			"another password": func() *idptest.Page { return thief.at("/password") },
		} {
			if p := page(); p.Heading() != "Use your passkey" && p.Heading() != "Add a passkey" || p.Heading() == "Add a passkey" && p.Status == http.StatusOK {
				t.Errorf("%s: %d %q", name, p.Status, p.Heading())
			}
		}
		if n := len(r.factors()); n != 1 || r.passkeyID() != id {
			t.Error("something was changed")
		}

		owner := r.byApp()
		page := owner.at("/second-step/" + id + "/remove")
		want(t, page, http.StatusOK, "Use your passkey")
		page = owner.Submit(page, "/method", "method", "recovery")
		page = owner.Submit(page, "/recovery", "code", r.codes[0])
		page = owner.Submit(page, "/told")
		want(t, page, http.StatusOK, "Remove Passkey?")
		want(t, owner.Submit(page, "/remove"), http.StatusOK, "Second step")
		want(t, owner.addsPasskey(h.device()), http.StatusOK, "Second step")
	})
}

// A passkey that is taken away may have opened the account for a thief: it ends where else
// the person is signed in.
func TestTheRemovalOfAPasskeyEndsOtherSessions(t *testing.T) {
	t.Parallel()
	h, r := withPasskeys(t, idptest.Alone(t))
	r.addsPasskey(h.device())
	thief := r.byApp()
	want(t, r.Submit(r.at("/second-step/"+r.passkeyID()+"/remove"), "/remove"), http.StatusOK, "Second step")
	if page := thief.at("/second-step"); page.Heading() == "Second step" {
		t.Errorf("the other browser is still signed in: %s", page.URL)
	}
	want(t, r.at("/second-step"), http.StatusOK, "Second step")
}

// A set-up is for the session that began it, and for one passkey.
func TestSetUpsOfPasskeys(t *testing.T) {
	t.Parallel()
	h, r := withPasskeys(t, idptest.Alone(t))
	d := h.device()
	page := r.at("/second-step/passkey")
	answer := d.Create(page.AsksFor())
	elsewhere := h.device(func(d *idptest.Device) { d.Origin = "https://evil.example" }).Create(page.AsksFor())
	want(t, r.Submit(page, "/second-step/passkey", "credential", elsewhere), http.StatusUnprocessableEntity, "Add a passkey", "Your passkey could not be set up.")
	want(t, r.Submit(page, "/second-step/passkey", "credential", ""), http.StatusUnprocessableEntity, "Add a passkey", "Passkeys need JavaScript")
	want(t, r.posts("/second-step/passkey", "pending", "x", "credential", answer), http.StatusUnprocessableEntity, "Add a passkey", "That took too long")

	other := h.another2(noor)
	theirs := other.at("/second-step/passkey")
	_, fields, _ := theirs.Form("/second-step/passkey")
	want(t, r.posts("/second-step/passkey", "pending", fields.Get("pending"), "credential", h.device().Create(theirs.AsksFor())), http.StatusUnprocessableEntity, "Add a passkey")

	want(t, r.Submit(page, "/second-step/passkey", "credential", answer), http.StatusOK, "Second step", "The passkey is set up.")
	want(t, r.Submit(page, "/second-step/passkey", "credential", answer), http.StatusOK, "Second step")
	if n := h.Audited(idp.AuditFactorEnrolled); n != 3 { // an app each, and the passkey
		t.Errorf("%d set-ups", n)
	}
	want(t, other.Submit(theirs, "/second-step/passkey", "credential", d.Create(theirs.AsksFor())), http.StatusUnprocessableEntity, "Add a passkey", "in use already")
	if n := h.Audited(idp.AuditPasskeyRefused); n == 0 {
		t.Error("the log says nothing of refusals")
	}
}

// another2 is another person who has moved in.
func (h *house) another2(email string) *resident {
	h.t.Helper()
	h.SetPolicy(idp.Agents, byApp, populations.OnNextLogin)
	r := h.moveIn(email)
	h.SetPolicy(idp.Agents, byAppOrPasskey, populations.OnNextLogin)
	return r
}

// Where passkeys are off there is nothing to add, and a reset takes those that there are.
func TestPasskeysGoWithThePolicyAndWithAReset(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), byApp)
	r := h.moveIn(maya)
	if page := r.at("/second-step"); strings.Contains(page.Body, "Add a passkey") {
		t.Error("a passkey is offered where the policy has none")
	}
	want(t, r.at("/second-step/passkey"), http.StatusForbidden, r.at("/second-step/passkey").Heading())
	h.SetPolicy(idp.Agents, byAppOrPasskey, populations.OnNextLogin)
	d := h.device()
	r.addsPasskey(d)
	idptest.Must(t, h.Manage.Factors.ResetMFA(t.Context(), authz.System(), r.user.ID, "lost"))
	if _, _, _, err := h.Store.PasskeyOwner(t.Context(), d.ID(), nil); err == nil {
		t.Error("the passkey has outlived the reset")
	}
	b, page := h.another(maya)
	page = b.Submit(page, "/method", "method", "passkey")
	page = b.Submit(page, "/enrol", "credential", d.Create(page.AsksFor())) // the same one, set up again
	want(t, page, http.StatusOK, "Save your recovery codes")
}
