package provider_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/self"
)

const whyEnded = "lost the phone"

// kept are two apps that keep access of the kit's person, and what they got.
func kept(k *kit) (first, second *idptest.Party, a, b idptest.Tokens) {
	first, second = k.AddParty(idp.Client{Name: "One"}), k.AddParty(idp.Client{Name: "Two"})
	return first, second, k.tokens(first, "scope", "openid email offline_access"), k.tokens(second, "scope", "openid offline_access")
}

func TestAccessThatAppsKeepIsListedAndEndsOneByOne(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		ctx, admin := t.Context(), authz.System()
		first, second, a, b := kept(k)
		k.tokens(first) // ends with the session, and is none of them
		k.exec("UPDATE sessions SET ended_at = " + ago(time.Minute))
		list, err := k.Manage.People.ListGrants(ctx, admin, k.user.ID)
		if err != nil || len(list) != 2 || list[0].ClientID != second.Client.ID || list[1].ClientID != first.Client.ID {
			t.Fatalf("listed %+v, %v", list, err)
		}
		if one := list[1]; one.SessionID != k.session.ID || one.LastUsedAt.IsZero() || len(one.Scopes) != 3 {
			t.Errorf("listed %+v", one)
		}
		other := k.person("kim@rtx.example")
		if err := k.Manage.People.EndGrant(ctx, admin, other.ID, list[0].ID, whyEnded); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("somebody else's: %v", err)
		}
		idptest.Must(t, k.Manage.People.EndGrant(ctx, admin, k.user.ID, list[0].ID, whyEnded))
		idptest.Must(t, k.Manage.People.EndGrant(ctx, admin, k.user.ID, list[0].ID, whyEnded))
		k.refresh(second, b.RefreshToken).want(t, 400, "invalid_grant")
		k.userinfo(b.AccessToken).want(t, 401, "invalid_token")
		k.refresh(first, a.RefreshToken).want(t, 200, "")
		if n := k.Audited(idp.AuditGrantEnded); n != 1 {
			t.Errorf("%d audit events", n)
		}
		if list, err := k.Manage.People.ListGrants(ctx, admin, k.user.ID); err != nil || len(list) != 1 {
			t.Errorf("left %+v, %v", list, err)
		}
	})
}

func TestSignOutEverywhereEndsTheAccessThatAppsKeepUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		first, _, a, _ := kept(k)
		_, err := k.Manage.People.SignOut(t.Context(), authz.System(), k.user.ID, whyEnded, people.KeepAppAccess)
		idptest.Must(t, err)
		r := k.refresh(first, a.RefreshToken)
		r.want(t, 200, "")
		_, err = k.Manage.People.SignOut(t.Context(), authz.System(), k.user.ID, whyEnded, people.EndAppAccess)
		idptest.Must(t, err)
		k.refresh(first, r.text("refresh_token")).want(t, 400, "invalid_grant")
	})
}

// ASVS 7.5.2: whoever finds a browser that somebody left signed in ends nothing.
func TestSessionsAndAccessEndAfterAFreshProofAlone(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	first, _, a, _ := kept(k)
	list, err := k.Manage.Self.OwnGrants(t.Context(), self.Self{UserID: k.user.ID})
	idptest.Must(t, err)
	_, other := k.signIn(k.user, idp.MethodPassword, idp.MethodTOTP)
	self := self.Self{UserID: k.user.ID, SessionID: k.session.ID}
	acts := map[string]func() error{
		"a session":      func() error { return k.Manage.Self.EndOwnSession(t.Context(), self, other.ID) },
		"other sessions": func() error { return k.Manage.Self.EndOtherSessions(t.Context(), self, true) },
		"access":         func() error { return k.Manage.Self.EndOwnGrant(t.Context(), self, list[1].ID) },
	}
	for _, p := range k.session.Proofs {
		p.At = p.At.Add(-time.Hour)
		self.Proofs = append(self.Proofs, p)
	}
	for name, act := range acts {
		if err := act(); !errors.Is(err, authz.ErrStepUp) {
			t.Errorf("%s: %v", name, err)
		}
	}
	self.Proofs = k.session.Proofs
	k.exec("UPDATE sessions SET last_seen_at = last_seen_at")
	idptest.Must(t, acts["access"]())
	k.refresh(first, a.RefreshToken).want(t, 400, "invalid_grant")
	idptest.Must(t, acts["other sessions"]())
}
