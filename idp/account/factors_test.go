package account_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

func TestAuthenticatorsAreAddedNamedAndRemoved(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r := h.moveIn(maya)
		second := r.adds("Tablet")
		h.letter(maya, "An authenticator app was set up for your account")
		page := r.at("/second-step")
		want(t, page, http.StatusOK, "Second step", "RTX", "Tablet", "10 recovery codes left")
		ids := r.factors()
		if len(ids) != 2 {
			t.Fatalf("%d authenticators", len(ids))
		}
		// Both let the person in.
		for _, phone := range []idptest.Authenticator{r.phone, second} {
			again := *r
			again.phone = phone
			again.returns()
		}
		want(t, r.Submit(r.at("/second-step/"+ids[0]+"/rename"), "/rename", "name", "  Old  phone "), http.StatusOK, "Second step", "Old phone", "The name is changed.")
		for name, why := range map[string]string{"": "Enter a name.", strings.Repeat("x", 41): "at most 40", "a\x00b": "no control characters"} {
			want(t, r.posts("/second-step/"+ids[0]+"/rename", "name", name), http.StatusUnprocessableEntity, "Rename an authenticator app", why)
		}
		ask := r.at("/second-step/" + ids[0] + "/remove")
		want(t, ask, http.StatusOK, "Remove Old phone?", "Its codes no longer work")
		if strings.Contains(ask.Body, "your last one") {
			t.Error("it is not the last one")
		}
		want(t, r.Submit(ask, "/remove"), http.StatusOK, "Second step", "The authenticator app is removed.", "Tablet")
		if l := h.letter(maya, "An authenticator app was removed from your account"); !strings.Contains(l.Text, "If this was not you") {
			t.Errorf("the mail says\n%s", l.Text)
		}
		if got := r.factors(); len(got) != 1 || got[0] != ids[1] {
			t.Errorf("left are %v of %v", got, ids)
		}
		if p := r.Submit(ask, "/remove"); p.Status != http.StatusNotFound {
			t.Errorf("removed twice: %d", p.Status)
		}
		// The first phone is out.
		_, page = h.another(maya)
		if page.Heading() != "Enter the code from your app" {
			t.Fatalf("a sign-in asks for %q", page.Heading())
		}
		h.exec("UPDATE factors SET last_step = 0")
		b, page := h.another(maya)
		if p := b.Submit(page, "/totp", "code", r.phone.Code(0)); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("the removed one: %d %q", p.Status, p.Heading())
		}
		if e, err := h.Store.Enrolment(t.Context(), r.user.ID); err != nil || e.RecoveryLeft != 10 {
			t.Errorf("%d recovery codes are left (%v)", e.RecoveryLeft, err)
		}
	})
}

func TestTheLastAuthenticatorStaysWhereThePolicyAsksForIt(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r := h.moveIn(maya)
		id := r.factors()[0]
		page := r.at("/second-step/" + id + "/remove")
		want(t, page, http.StatusOK, "RTX cannot be removed", "Add another one first")
		if _, _, ok := page.Form("/remove"); ok {
			t.Error("there is a button all the same")
		}
		want(t, r.posts("/second-step/"+id+"/remove"), http.StatusConflict, "RTX cannot be removed")
		if len(r.factors()) != 1 {
			t.Fatal("it is gone")
		}
		// With email codes beside it the policy is content without.
		h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
		page = r.at("/second-step/" + id + "/remove")
		want(t, page, http.StatusOK, "Remove RTX?", "your last one", "10 recovery codes stop working")
		want(t, r.Submit(page, "/remove"), http.StatusOK, "Second step", "None is set up.")
		e, err := h.Store.Enrolment(t.Context(), r.user.ID)
		if err != nil || len(e.Of(idp.MethodTOTP)) != 0 || e.Recovery != nil {
			t.Errorf("left is %+v (%v)", e, err)
		}
	})
}

// Where the policy asks for nothing, one app may, and the console does of who holds a
// permission: there the next sign-in would set up a thief's phone by the password alone.
func TestTheLastAuthenticatorStaysWhereAnAppOrTheConsoleAsksForIt(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), byApp)
	r, admin, other := h.moveIn(maya), h.moveIn(noor), h.moveIn("kim@rtx.example")
	h.SetPolicy(idp.Agents, none, populations.OnNextLogin)
	idptest.Must(t, h.Store.GiveRole(t.Context(), admin.user.ID, idp.RoleManager))
	for who, stays := range map[*resident]bool{admin: true, other: false} {
		page := who.posts("/second-step/" + who.factors()[0] + "/remove")
		if (len(who.factors()) == 1) != stays {
			t.Errorf("%s: %q (%d), %d are left", who.user.Email, page.Heading(), page.Status, len(who.factors()))
		}
	}
	app := h.AddParty(idp.Client{Populations: []string{idp.Agents}}).Client
	h.SetOverride(app.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.OnNextLogin)
	want(t, r.at("/second-step/"+r.factors()[0]+"/remove"), http.StatusOK, "RTX cannot be removed")
	want(t, r.posts("/second-step/"+r.factors()[0]+"/remove"), http.StatusConflict, "RTX cannot be removed")
}

// Two tabs that remove one authenticator each, of two: one of them stays.
func TestTwoLastAuthenticatorsAreNotRemovedAtOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r := h.moveIn(maya)
		for round := range 5 {
			r.adds("Another")
			ids := r.factors()
			pages := idptest.Race(2, func(i int) *idptest.Page { return r.posts("/second-step/" + ids[i] + "/remove") })
			if left := r.factors(); len(left) != 1 {
				t.Fatalf("round %d: %d are left (%d, %d)", round, len(left), pages[0].Status, pages[1].Status)
			}
		}
	})
}

// Everything about second steps asks for a fresh one, and comes back to its page.
func TestSecondStepsAreChangedWithAFreshOne(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r := h.moveIn(maya)
		r.adds("Tablet")
		ids := r.factors()
		h.db.Age(t, "recovery_sets", 3*time.Hour, "created_at")
		begun := r.at("/second-step/add")
		phone := idptest.Scan(t, begun)
		remove := r.at("/second-step/" + ids[1] + "/remove")
		for _, step := range []struct {
			page, back string
			post       func() *idptest.Page
		}{
			{"/second-step/add", "Add an authenticator app", func() *idptest.Page {
				return r.Submit(begun, "/second-step/add", "name", "x", "code", phone.Code(0))
			}},
			{"/second-step/" + ids[1] + "/remove", "Remove Tablet?", func() *idptest.Page { return r.Submit(remove, "/remove") }},
			{"/email", "Email", func() *idptest.Page { return r.posts("/email", "email", "new@rtx.example") }},
			{"", "Recovery codes", func() *idptest.Page { return r.posts("/codes") }},
		} {
			h.stale()
			page := step.post()
			if len(r.factors()) != 2 || h.Audited(idp.AuditEmailAsked) != 0 || h.Audited(idp.AuditRecoveryGenerated) != 1 {
				t.Fatalf("%s went on without a proof", step.page)
			}
			if p := r.proves(page); p.Heading() != step.back {
				t.Errorf("%s comes back to %q (%s)", step.page, p.Heading(), p.URL)
			}
			if step.page == "" {
				continue
			}
			h.stale()
			if p := r.proves(r.at(step.page)); p.Heading() != step.back {
				t.Errorf("looking at %s comes back to %q (%s)", step.page, p.Heading(), p.URL)
			}
		}
	})
}

// Where the policy has no second step, and the person neither, the password is asked
// for again.
func TestWithoutASecondStepThePasswordIsTheProof(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	h.stale()
	page := r.at("/email")
	want(t, page, http.StatusOK, "Enter your password again")
	want(t, r.Submit(page, "/password", "password", idptest.Password), http.StatusOK, "Email")
	if page := r.at("/second-step"); strings.Contains(page.Body, "/second-step/add") {
		t.Error("an authenticator is offered that nothing asks for")
	}
	if page := r.posts("/second-step/add", "pending", "x", "code", "123456"); page.Status < 400 {
		t.Errorf("added all the same: %d", page.Status)
	}
}

// The first authenticator asks for an email code first where there are some, as at a
// sign-in.
func TestTheFirstAuthenticatorComesWithCodes(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byEmail)
		r := h.moveIn(maya)
		h.SetPolicy(idp.Agents, byBoth, populations.OnNextLogin)
		page := r.at("/second-step/add")
		want(t, page, http.StatusOK, "Add an authenticator app")
		r.phone = idptest.Scan(t, page)
		page = r.Submit(page, "/second-step/add", "name", "", "code", r.phone.Code(0))
		want(t, page, http.StatusOK, "Save your recovery codes", "The authenticator app is set up.")
		codes := idptest.RecoveryCodes(page)
		if len(codes) != 10 {
			t.Fatalf("%d codes", len(codes))
		}
		if file := r.at("/codes/recovery-codes.txt"); !strings.Contains(file.Body, codes[9]) || !strings.Contains(file.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("the file is\n%s", file.Body)
		}
		want(t, r.Submit(page, "/saved"), http.StatusUnprocessableEntity, "Save your recovery codes", "tick the box")
		want(t, r.Submit(page, "/saved", "saved", "yes"), http.StatusOK, "Second step", "not shown again")
		// Nor are they.
		if page := r.at("/codes"); len(idptest.RecoveryCodes(page)) != 0 || page.Heading() != "Recovery codes" {
			t.Errorf("shown again on %q", page.Heading())
		}
		if page := r.at("/codes/recovery-codes.txt"); page.Status != http.StatusNotFound {
			t.Errorf("the file is there still: %d", page.Status)
		}
		// A session by password alone does not enrol, were the policy as it is now.
		h.exec("DELETE FROM factors")
		h.exec("DELETE FROM recovery_sets")
		h.stale()
		if page := r.at("/second-step/add"); page.Heading() != "Enter your password again" {
			t.Errorf("set up without a proof: %q", page.Heading())
		}
	})
}

func TestRecoveryCodesAreMadeAgainAfterTwoHours(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r := h.moveIn(maya)
		page := r.at("/codes")
		want(t, page, http.StatusOK, "Recovery codes", "10 recovery codes left", "two hours after the last set")
		if _, _, ok := page.Form("/codes"); ok {
			t.Error("there is a button all the same")
		}
		want(t, r.posts("/codes"), http.StatusConflict, "Recovery codes", "two hours after the last set")
		h.db.Age(t, "recovery_sets", 2*time.Hour+time.Second, "created_at")
		page = r.Submit(r.at("/codes"), "/codes")
		want(t, page, http.StatusOK, "Save your recovery codes", r.user.Email)
		codes := idptest.RecoveryCodes(page)
		if len(codes) != 10 || codes[0] == r.codes[0] {
			t.Errorf("the codes are %v", codes)
		}
		h.letter(maya, "New recovery codes were made for your account")
		want(t, r.posts("/codes"), http.StatusConflict, "Recovery codes")
		h.stale()
		if page := r.at("/codes"); len(idptest.RecoveryCodes(page)) != 0 || page.Heading() != "Enter your password again" {
			t.Errorf("shown in an old session: %q", page.Heading())
		}
	})
}

// What is somebody else's is not there.
func TestForeignAuthenticators(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), byApp)
	r, other := h.moveIn(maya), h.moveIn(noor)
	other.adds("Tablet")
	theirs := other.factors()[0]
	for _, id := range []string{theirs, "nothing", "%00", "..%2fadd"} {
		at := "/second-step/" + id
		for name, page := range map[string]*idptest.Page{
			"rename": r.at(at + "/rename"), "remove": r.at(at + "/remove"),
			"renamed": r.posts(at+"/rename", "name", "mine"), "removed": r.posts(at + "/remove"),
		} {
			if page.Status != http.StatusNotFound {
				t.Errorf("%s of %s: %d %q", name, id, page.Status, page.Heading())
			}
		}
	}
	if len(other.factors()) != 2 {
		t.Error("it is gone")
	}
}

// A set-up belongs to its session, is short-lived, and works once.
func TestSetUpsOfAuthenticators(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, byApp)
		r, other := h.moveIn(maya), h.moveIn(noor)
		form := r.at("/second-step/add")
		phone := idptest.Scan(t, form)
		_, fields, _ := form.Form("/second-step/add")
		pending := fields.Get("pending")

		// Wrong codes show the same key again.
		for code, why := range map[string]string{"": "Enter the code", "12345": "6 digits", phone.Wrong(): "did not match"} {
			page := r.Submit(form, "/second-step/add", "code", code, "name", "Tablet")
			if page.Status != http.StatusUnprocessableEntity || idptest.Scan(t, page) != phone || !strings.Contains(page.Body, `value="Tablet"`) {
				t.Errorf("%q: %d %q, want it to say %q", code, page.Status, page.Heading(), why)
			}
		}
		want(t, r.Submit(form, "/second-step/add", "code", phone.Code(0), "name", strings.Repeat("x", 41)), http.StatusUnprocessableEntity, "Add an authenticator app", "at most 40")
		// Another person's, and a broken one.
		for _, broken := range []string{pending, pending[:len(pending)-2] + "AA", "", "%%%"} {
			page := other.posts("/second-step/add", "pending", broken, "code", phone.Code(0))
			if page.Status != http.StatusUnprocessableEntity || idptest.Scan(t, page) == phone {
				t.Errorf("a foreign set-up: %d", page.Status)
			}
		}
		// Sent twice at once, it is one authenticator.
		pages := idptest.Race(4, func(int) *idptest.Page {
			return r.posts("/second-step/add", "pending", pending, "name", "Tablet", "code", phone.Code(0))
		})
		for _, p := range pages {
			if p.Status != http.StatusOK {
				t.Errorf("sent at once: %d %q", p.Status, p.Heading())
			}
		}
		if n := len(r.factors()); n != 2 || len(other.factors()) != 1 {
			t.Errorf("%d authenticators", n)
		}
	})
}

func TestThereIsAnEndToAuthenticators(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), byApp)
	r := h.moveIn(maya)
	for range 9 {
		r.adds("Another")
	}
	if page := r.at("/second-step"); strings.Contains(page.Body, "/second-step/add") {
		t.Error("an eleventh is offered")
	}
	if page := r.at("/second-step/add"); page.Status != http.StatusForbidden {
		t.Errorf("an eleventh: %d", page.Status)
	}
}

// A session from before the policy asked for a second step is asked for what the policy
// asks now, however fresh its password is.
func TestASessionFromBeforeThePolicy(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]idp.Policy{"app": byApp, "email": byEmail} {
		t.Run(name, func(t *testing.T) {
			h := open(t, idptest.Alone(t), none)
			r := h.moveIn(maya)
			h.SetPolicy(idp.Agents, p, populations.OnNextLogin)
			want(t, r.at(""), http.StatusOK, "Your account") // it goes on
			page := r.at("/email")
			want(t, page, http.StatusOK, "Enter your password again")
			page = r.Submit(page, "/password", "password", idptest.Password)
			if p.Authenticator {
				phone := idptest.Scan(t, page)
				page = r.Submit(r.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
			} else {
				page = r.Submit(page, "/email", "code", h.box.Code(maya))
			}
			want(t, page, http.StatusOK, "Email", "New email address")
		})
	}
}
