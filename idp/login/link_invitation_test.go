package login_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/settings"
)

const (
	invited      = "jo+desk@bücher.example"
	deadInvite   = "This invitation does not work any more"
	welcome      = "Welcome"
	accountReady = "Your account is ready"
	signedUp     = "Your address is confirmed"
	invitedName  = "Jo <b>& Co</b>"
)

var desk = links.Invitation{Population: idp.Agents, Email: invited, Name: invitedName, Roles: []string{idp.RoleManager}}

func (h *house) invite(n links.Invitation) links.InvitationEntry {
	h.t.Helper()
	e, err := h.Manage.Links.Invite(h.t.Context(), authz.System(), n)
	idptest.Must(h.t, err)
	return e
}

// invitedLink waits for the link of an invitation. Mail servers are told domains in
// ASCII.
func (h *house) invitedLink() string {
	h.t.Helper()
	return h.link("jo+desk@xn--bcher-kva.example")
}

// Who is invited chooses a password, and is led through set-up at the first sign-in.
// Before that there is no account.
func TestInvitation(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.invite(desk)
		link := h.invitedLink()
		letter := h.box.All("jo+desk@xn--bcher-kva.example")[0]
		if !strings.Contains(letter.Text, "until") || strings.Contains(letter.Text, "Network address") {
			t.Errorf("the mail says\n%s", letter.Text)
		}
		h.quiet()
		rows := h.linkRows()
		for range 3 {
			want(t, idptest.NewBrowser(t).Get(link), http.StatusOK, welcome)
		}
		if !slices.Equal(rows, h.linkRows()) {
			t.Error("looking at an invitation changed something")
		}
		b := idptest.NewBrowser(t)
		page := b.Submit(h.at(b), "/password", "email", invited, "password", fresh)
		wantText(t, page, http.StatusUnprocessableEntity, "do not match")
		if n := h.count("users"); n != 1 {
			t.Fatalf("%d people before the link was used", n)
		}
		page = submit(b, link, "name", invitedName, "password", "short")
		wantText(t, page, http.StatusUnprocessableEntity, `data-rule="too_short" class="broken"`)
		wantText(t, page, http.StatusUnprocessableEntity, invitedName)
		page = submit(b, link, "name", " Jo Doe ", "password", fresh)
		want(t, page, http.StatusOK, accountReady)
		if got := follow(t, page, "Sign in to Test app"); got != home {
			t.Errorf("the app is at %s", got)
		}
		want(t, b.Get(link), http.StatusGone, deadInvite)
		want(t, post(b, link, "password", fresh), http.StatusGone, deadInvite)

		u, err := h.Store.UserByEmail(t.Context(), idp.Agents, "jo+desk@xn--bcher-kva.example")
		idptest.Must(t, err)
		roles, err := h.Store.RolesOf(t.Context(), u.ID)
		idptest.Must(t, err)
		if u.Name != "Jo Doe" || !u.EmailVerified || len(roles) != 1 || roles[0].ID != idp.RoleManager {
			t.Errorf("the account is %+v with %v", u, roles)
		}
		attempt := h.party.Begin()
		page = b.Submit(b.Get(attempt.URL), "/password", "email", invited, "password", fresh)
		phone := idptest.Scan(t, page)
		page = b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
		claims := h.party.Exchange(attempt, page.Left).Claims
		if claims["email_verified"] != true || claims["email"] != invited {
			t.Errorf("the claims are %v", claims)
		}
		if h.Audited(idp.AuditInvited) != 1 || h.Audited(idp.AuditInvitationAccepted) != 1 {
			t.Error("the audit log misses it")
		}
	})
}

// Whoever was added by an admin has not shown that the address is theirs.
func TestAnAddressNobodyConfirmedIsNotVerified(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{})
		claim := func(password string) any {
			b, attempt := idptest.NewBrowser(t), h.party.Begin()
			page := b.Submit(b.Get(attempt.URL), "/password", "email", email, "password", password)
			return h.party.Exchange(attempt, page.Left).Claims["email_verified"]
		}
		if got := claim(idptest.Password); got != false {
			t.Errorf("email_verified is %v", got)
		}
		b := idptest.NewBrowser(t)
		h.forgot(b, email)
		want(t, submit(b, h.link(email), "password", "a password of some length"), http.StatusOK, changed)
		if got := claim("a password of some length"); got != true {
			t.Errorf("email_verified is %v after a link by mail", got)
		}
		moved := "maya@other.example"
		d, version, err := h.Store.VersionedUser(t.Context(), h.user.ID)
		idptest.Must(t, err)
		_, err = h.Manage.People.UpdateUser(t.Context(), authz.System(), d.ID, people.UserChange{Version: version, Email: &moved})
		idptest.Must(t, err)
		u, err := h.Store.User(t.Context(), h.user.ID)
		if err != nil || u.EmailVerified {
			t.Errorf("another address is verified: %+v, %v", u, err)
		}
	})
}

// An invitation that is sent again has a new link, one that is revoked none, and one
// that expired can be sent again.
func TestInvitationsAreSentAgainAndRevoked(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		ctx, b := t.Context(), idptest.NewBrowser(t)
		e := h.invite(desk)
		first := h.invitedLink()
		if _, err := h.Manage.Links.Invite(ctx, authz.System(), desk); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("invited twice: %v", err)
		}
		same := desk
		same.Email = "JO+desk@xn--bcher-kva.example"
		if _, err := h.Manage.Links.Invite(ctx, authz.System(), same); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("invited twice in another spelling: %v", err)
		}
		db.Age(t, "links", idp.InvitationLifetime, "expires_at", "created_at")
		want(t, b.Get(first), http.StatusGone, deadInvite)
		again, err := h.Manage.Links.ResendInvitation(ctx, authz.System(), e.ID)
		idptest.Must(t, err)
		if again.Expired(idp.Now()) {
			t.Errorf("it was sent again and expires %s", again.ExpiresAt)
		}
		second := h.invitedLink()
		want(t, b.Get(first), http.StatusGone, deadInvite)
		want(t, b.Get(second), http.StatusOK, welcome)
		list, next, err := h.Manage.Links.Invitations(ctx, authz.System(), links.InvitationQuery{Population: idp.Agents})
		if err != nil || next != "" || len(list) != 1 || list[0].Name != invitedName || list[0].Roles[0] != idp.RoleManager {
			t.Errorf("the list is %+v, %q, %v", list, next, err)
		}
		idptest.Must(t, h.Manage.Links.RevokeInvitation(ctx, authz.System(), e.ID))
		want(t, b.Get(second), http.StatusGone, deadInvite)
		want(t, post(b, second, "password", fresh), http.StatusGone, deadInvite)
		for name, err := range map[string]error{
			"revoke": h.Manage.Links.RevokeInvitation(ctx, authz.System(), e.ID),
			"resend": second2(h.Manage.Links.ResendInvitation(ctx, authz.System(), e.ID)),
			"read":   second2(h.Manage.Links.Invitation(ctx, authz.System(), e.ID)),
		} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s after it was revoked: %v", name, err)
			}
		}
		// One that expired makes room.
		h.invite(desk)
		h.invitedLink()
		db.Age(t, "links", idp.InvitationLifetime, "expires_at")
		h.invite(desk)
		want(t, submit(b, h.invitedLink(), "password", fresh), http.StatusOK, accountReady)
		if _, err := h.Manage.Links.Invite(ctx, authz.System(), desk); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("invited with an account: %v", err)
		}
	})
}

func second2[T any](_ T, err error) error { return err }

// Whoever gets an account another way meanwhile needs no link any more.
func TestAnAccountEndsItsInvitation(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.invite(desk)
		link := h.invitedLink()
		h.AddUser(idp.Agents, "JO+desk@xn--bcher-kva.example")
		want(t, idptest.NewBrowser(t).Get(link), http.StatusGone, deadInvite)
		if n := h.count("links WHERE kind = 'invitation' AND used_at IS NULL"); n != 0 {
			t.Errorf("%d invitations", n)
		}
	})
}

// Nobody invites with, sends again or revokes what they could not give.
func TestNobodyInvitesUpward(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		ctx := t.Context()
		manager, err := h.Manage.Authz.ActorOfRoles(ctx, []string{idp.RoleManager})
		idptest.Must(t, err)
		admin := desk
		admin.Roles = []string{idp.RoleAdmin}
		if _, err := h.Manage.Links.Invite(ctx, manager, admin); !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("a manager invites an admin: %v", err)
		}
		e := h.invite(admin)
		for name, err := range map[string]error{
			"resends": second2(h.Manage.Links.ResendInvitation(ctx, manager, e.ID)),
			"revokes": h.Manage.Links.RevokeInvitation(ctx, manager, e.ID),
		} {
			if !errors.Is(err, authz.ErrForbidden) {
				t.Errorf("a manager %s the invitation of an admin: %v", name, err)
			}
		}
		plain := links.Invitation{Population: idp.Contacts, Email: "c@rtx.example"}
		if _, err := h.Manage.Links.Invite(ctx, manager, plain); err != nil {
			t.Errorf("a manager invites a contact: %v", err)
		}
	})
}

// What cannot be invited is said beside its field.
func TestWhoCannotBeInvited(t *testing.T) {
	t.Parallel()
	h := withLinks(t, idptest.Alone(t), idp.Policy{})
	h.exec("UPDATE populations SET access_password = FALSE WHERE id = 'contacts'")
	for name, c := range map[string]struct {
		links.Invitation
		field string
	}{
		"no address":        {links.Invitation{Population: idp.Agents}, "email"},
		"a header":          {links.Invitation{Population: idp.Agents, Email: "a@b.example\r\nBcc: c@d.example"}, "email"},
		"a name and all":    {links.Invitation{Population: idp.Agents, Email: "Jo <jo@b.example>"}, "email"},
		"two":               {links.Invitation{Population: idp.Agents, Email: "a@b.example, c@d.example"}, "email"},
		"a bad name":        {links.Invitation{Population: idp.Agents, Email: "a@b.example", Name: "a\x00b"}, "name"},
		"no population":     {links.Invitation{Population: "none", Email: "a@b.example"}, "population"},
		"no such role":      {links.Invitation{Population: idp.Agents, Email: "a@b.example", Roles: []string{"none"}}, "roles"},
		"no password there": {links.Invitation{Population: idp.Contacts, Email: "a@b.example"}, "population"},
	} {
		_, err := h.Manage.Links.Invite(t.Context(), authz.System(), c.Invitation)
		var field settings.Errors
		if !errors.As(err, &field) || field[0].Field != c.field {
			t.Errorf("%s: %v, want %s", name, err, c.field)
		}
	}
	if n := h.count("links"); n != 0 {
		t.Errorf("%d links", n)
	}
}
