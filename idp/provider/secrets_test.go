package provider_test

import (
	"net/url"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// aged makes the secrets of a client older.
func (k *kit) aged(p *idptest.Party, by time.Duration) {
	k.t.Helper()
	v, err := k.Store.VersionedClient(k.t.Context(), p.Client.ID)
	idptest.Must(k.t, err)
	for i := range v.Client.SecretFacts {
		v.Client.SecretFacts[i].CreatedAt = v.Client.SecretFacts[i].CreatedAt.Add(-by)
	}
	idptest.Must(k.t, k.Store.SaveClient(k.t.Context(), v.Version, v.Client))
}

// noted has the use of a party's secret noted, which is a statement once an hour.
func (k *kit) noted(p *idptest.Party) {
	k.t.Helper()
	k.postTo("/revoke", p, url.Values{"token": {"x"}}).want(k.t, 200, "")
}

// A secret ends with its lifetime, and its successor works on.
func TestASecretEndsWithItsLifetime(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.service(idp.Client{SecretLifetime: time.Hour})
	k.aged(p, time.Hour-time.Minute)
	k.ask(p).want(t, 200, "")
	k.aged(p, time.Minute)
	k.ask(p).want(t, 401, "invalid_client")
	k.postTo("/introspect", p, url.Values{"token": {"x"}}).want(t, 401, "invalid_client")
	events, err := k.Store.AuditEvents(t.Context(), idp.AuditClientAuthFailed, "", 10)
	idptest.Must(t, err)
	if len(events) == 0 || events[0].Detail["reason"] != "the secret has expired: the app needs a new one" {
		t.Errorf("the audit log says %+v", events)
	}
	v, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
	idptest.Must(t, err)
	secret := idp.NewSecret()
	idptest.Must(t, k.Store.SaveClient(t.Context(), v.Version, v.Client.WithSecret(idp.HashSecret(secret), idp.Now())))
	p.Secret = secret
	k.ask(p).want(t, 200, "")
}

// Secrets from before there was a lifetime do not end: nobody knows how old they are.
func TestASecretOfUnknownAgeDoesNotEnd(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.service(idp.Client{SecretLifetime: time.Second})
	v, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
	idptest.Must(t, err)
	v.Client.SecretFacts = nil
	idptest.Must(t, k.Store.SaveClient(t.Context(), v.Version, v.Client))
	k.ask(p).want(t, 200, "")
}

// The last use of a secret is known to the hour, and noted no more often.
func TestTheLastUseOfASecretIsNotedOnceAnHour(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.service(idp.Client{})
		used := func() time.Time {
			v, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
			idptest.Must(t, err)
			return v.Client.SecretFacts[0].UsedAt
		}
		if !used().IsZero() {
			t.Fatal("used before it was")
		}
		// What an older program left of a secret that is gone is in nobody's way.
		k.exec(`UPDATE clients SET secret_facts = '{"gone":{"c":1}}'`)
		k.ask(p).want(t, 200, "")
		first := used()
		if first.IsZero() {
			t.Error("the use is not noted")
		}
		k.ask(p).want(t, 200, "")
		wrong := *p
		wrong.Secret = "wrong"
		k.ask(&wrong).want(t, 401, "invalid_client")
		if !used().Equal(first) {
			t.Error("noted again within the hour, or for a wrong secret")
		}
	})
}
