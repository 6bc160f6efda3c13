package store_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

func TestPopulationIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		full := idptest.Population(idp.Contacts)
		expectFull(t, full)
		bare := idp.Population{ID: idp.Agents}
		for _, p := range []idp.Population{full, bare} {
			created, err := db.CreatePopulation(t.Context(), p, idp.Now())
			if err != nil || !created {
				t.Fatalf("created: %t, %v", created, err)
			}
			got, err := db.Population(t.Context(), p.ID)
			idptest.Must(t, err)
			expectSame(t, p, got)
		}
		all, err := db.Populations(t.Context())
		idptest.Must(t, err)
		expectSame(t, []idp.Population{bare, full}, all)

		other := full
		other.Name, other.Policy.IssuerLabel = "Other", "Other"
		created, err := db.CreatePopulation(t.Context(), other, idp.Now())
		if err != nil || created {
			t.Errorf("a second of the same id: %t, %v", created, err)
		}
		got, err := db.Population(t.Context(), full.ID)
		idptest.Must(t, err)
		expectSame(t, full, got)
		_, err = db.Population(t.Context(), "nobody")
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestUserIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		disabled := idptest.User(idp.Agents, "Straße@RTX.example")
		disabled.Disabled = true
		expectFull(t, disabled)
		bare := idp.User{ID: "bare", PopulationID: idp.Agents, CreatedAt: idp.Now(), UpdatedAt: idp.Now()}
		for _, u := range []idp.User{disabled, bare} {
			idptest.Must(t, db.CreateUser(t.Context(), u))
			got, err := db.User(t.Context(), u.ID)
			idptest.Must(t, err)
			expectSame(t, u, got)
		}
		for _, email := range []string{"maya@rtx.example", " MAYA@rtx.EXAMPLE\n", "ｍaya@rtx.example"} {
			got, err := db.UserByEmail(t.Context(), idp.Agents, email)
			if err != nil || got.ID != w.User.ID {
				t.Errorf("%q finds %v, %v", email, got.ID, err)
			}
		}
		for _, email := range []string{"", "maya@rtx.exampl", "strasse@rtx.example.org"} {
			if got, err := db.UserByEmail(t.Context(), idp.Agents, email); err == nil && got.ID != "bare" {
				t.Errorf("%q finds %s", email, got.Email)
			}
		}
		_, err := db.UserByEmail(t.Context(), idp.Contacts, "maya@rtx.example")
		expectError(t, err, idp.ErrNotFound)
		_, err = db.User(t.Context(), "nobody")
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestEmailIsUniqueWithinAPopulation(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		db.World(t)
		_, err := db.CreatePopulation(t.Context(), idptest.Population(idp.Contacts), idp.Now())
		idptest.Must(t, err)
		expectError(t, db.CreateUser(t.Context(), idptest.User(idp.Agents, "maya@rtx.EXAMPLE")), idp.ErrConflict)
		if err := db.CreateUser(t.Context(), idptest.User(idp.Contacts, "maya@rtx.example")); err != nil {
			t.Errorf("the other population: %v", err)
		}
	})
}

func TestPasswordHashIsUpgradedOnlyIfItIsStillTheSame(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		hash := func() string {
			u, err := db.User(t.Context(), w.User.ID)
			idptest.Must(t, err)
			return u.PasswordHash
		}
		idptest.Must(t, db.UpgradePasswordHash(t.Context(), w.User.ID, "of a password since changed", "upgraded"))
		if hash() != w.User.PasswordHash {
			t.Error("a changed password was replaced")
		}
		idptest.Must(t, db.UpgradePasswordHash(t.Context(), w.User.ID, w.User.PasswordHash, "upgraded"))
		if hash() != "upgraded" {
			t.Error("the hash was not upgraded")
		}
	})
}

func TestRolesOfAPerson(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		admin := idp.Role{ID: "admin", Name: "Admin", System: true, Permissions: idp.Permissions()}
		none := idp.Role{ID: "none", Name: "Niemand"}
		for _, r := range []idp.Role{none, admin, {ID: "admin", Name: "Usurper"}} {
			idptest.Must(t, db.CreateRole(t.Context(), r))
		}
		for _, id := range []string{"none", "admin", "admin"} {
			idptest.Must(t, db.GiveRole(t.Context(), w.User.ID, id))
		}
		roles, err := db.RolesOf(t.Context(), w.User.ID)
		idptest.Must(t, err)
		expectSame(t, []idp.Role{admin, none}, roles)
		if roles, err := db.RolesOf(t.Context(), "nobody"); err != nil || len(roles) != 0 {
			t.Errorf("nobody has %v, %v", roles, err)
		}
		expectError(t, db.GiveRole(t.Context(), w.User.ID, "invented"), idp.ErrNotFound)
		expectError(t, db.GiveRole(t.Context(), "nobody", "admin"), idp.ErrNotFound)
	})
}

func TestClientIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		full := idptest.Client(idp.Agents, idp.Contacts)
		expectFull(t, full, "Roles") // a service's
		bare := idp.Client{ID: "bare", Kind: idp.NativeClient, RequirePKCE: true, RedirectURIs: []string{"com.rtx:/cb"}, CreatedAt: idp.Now()}
		for _, c := range []idp.Client{full, bare} {
			idptest.Must(t, db.CreateClient(t.Context(), c))
			got, err := db.Client(t.Context(), c.ID)
			idptest.Must(t, err)
			expectSame(t, c, got)
		}
		expectError(t, db.CreateClient(t.Context(), bare), idp.ErrConflict)
		_, err := db.Client(t.Context(), "nobody")
		expectError(t, err, idp.ErrNotFound)

		uris, err := db.RedirectURIs(t.Context(), idp.WebClient)
		idptest.Must(t, err)
		expectSame(t, full.RedirectURIs, uris)
		uris, err = db.RedirectURIs(t.Context(), idp.SPAClient)
		idptest.Must(t, err)
		expectSame(t, []string(nil), uris)
	})
}

func TestRequestIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		full := idptest.Request(w.Client)
		full.UserCode, full.JKT = "BCDF-GHJK", "jkt"
		expectFull(t, full, "None") // prompt=none is answered at once
		bare := idp.Request{
			ID: "bare", ClientID: w.Client.ID, BrowserHash: []byte{}, Demand: idp.Demand{MaxAge: idp.NoMaxAge},
			CreatedAt: idp.Now(), ExpiresAt: idp.Now(),
		}
		now := bare
		now.ID, now.Demand.MaxAge = "max_age=0", 0
		for _, r := range []idp.Request{full, bare, now} {
			idptest.Must(t, db.CreateRequest(t.Context(), r))
			got, err := db.Request(t.Context(), r.ID)
			idptest.Must(t, err)
			expectSame(t, r, got)
		}
		_, err := db.Request(t.Context(), "nothing")
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestFlowIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		r := idptest.Request(w.Client)
		idptest.Must(t, db.CreateRequest(t.Context(), r))
		full := idptest.Flow(r, w.Session)
		expectFull(t, full)
		bare := idp.Flow{ID: "bare", RequestID: r.ID, BrowserHash: []byte("b"), CreatedAt: idp.Now(), ExpiresAt: idp.Now()}
		for _, f := range []idp.Flow{full, bare} {
			idptest.Must(t, db.CreateFlow(t.Context(), f))
			got, err := db.Flow(t.Context(), f.ID)
			idptest.Must(t, err)
			expectSame(t, f, got)
		}

		// Advancing writes what may change, and nothing that binds the flow.
		moved := full
		moved.PopulationID, moved.UserID, moved.Kind, moved.Data = "p", "u", "done", nil
		moved.Proofs, moved.PolicyVersion, moved.SessionID = nil, 9, "s"
		moved.ExpiresAt = idp.Now().Add(time.Hour) // somebody went on with it
		sent := moved
		sent.RequestID, sent.ClientID, sent.BrowserHash = "x", "x", []byte("x")
		idptest.Must(t, db.AdvanceFlow(t.Context(), sent))
		moved.Version++
		got, err := db.Flow(t.Context(), full.ID)
		idptest.Must(t, err)
		expectSame(t, moved, got)
		_, err = db.Flow(t.Context(), "nothing")
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestSessionIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		ended, _ := idptest.Session(w.User, w.Population)
		ended.EndedAt = idp.Now()
		expectFull(t, ended)
		// Proofs of years ago and of no known time.
		bare := idp.Session{
			ID: "bare", TokenHash: []byte{0}, BrowserHash: []byte{}, UserID: w.User.ID,
			Proofs:    []idp.Proof{{}, {At: time.Date(1969, 7, 20, 20, 17, 0, 1000, time.UTC)}},
			CreatedAt: idp.Now(), LastSeenAt: idp.Now(), ExpiresAt: idp.Now(),
		}
		for _, s := range []idp.Session{ended, bare} {
			idptest.Must(t, db.CreateSession(t.Context(), s))
			got, err := db.Session(t.Context(), s.ID)
			idptest.Must(t, err)
			expectSame(t, s, got)
		}
		twin := bare
		twin.ID = "twin"
		expectError(t, db.CreateSession(t.Context(), twin), idp.ErrConflict) // a token is one session's
		_, err := db.Session(t.Context(), "nothing")
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestTokensAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		first := idp.Token{
			ID: "first", GrantID: w.Grant.ID, Kind: idp.RefreshToken, Hash: idp.HashSecret("first"), Scopes: []string{"openid", "email"}, JKT: "jkt",
			Exchange:  idp.Exchange{ClientID: "api", ParentID: "parent", Resource: "urn:example:api", GivenVersion: 3},
			CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}
		second := first
		second.ID, second.Hash, second.PreviousID, second.RevokedAt = "second", idp.HashSecret("second"), "first", now
		second.Kind = idp.AccessToken
		expectFull(t, second)
		idptest.Must(t, db.CreateTokens(t.Context(), first, second))
		for _, want := range []idp.Token{first, second} {
			got, err := db.TokenState(t.Context(), want.Hash)
			idptest.Must(t, err)
			expectSame(t, want, got.Token)
		}
	})
}

func TestFactorsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w, now := db.World(t), idp.Now()
		none, err := db.Enrolment(t.Context(), w.User.ID)
		idptest.Must(t, err)
		expectSame(t, idp.Enrolment{}, none)

		full := idp.Factor{
			ID: "a", UserID: w.User.ID, Method: idp.MethodTOTP, Name: "手机", Secret: []byte{0, 255}, LastStep: 58_000_000,
			CreatedAt: now, LastUsedAt: now.Add(time.Microsecond), DisabledAt: now.Add(2 * time.Microsecond),
			SentAt: now.Add(3 * time.Microsecond),
		}
		full.Passkey = &idp.Passkey{}
		expectFull(t, full)
		full.Passkey = nil
		fresh := idp.Factor{ID: "b", UserID: w.User.ID, Method: idp.MethodTOTP, Secret: []byte{1}, CreatedAt: now}
		passkey := idp.Factor{ID: "c", UserID: w.User.ID, Method: idp.MethodPasskey, Secret: []byte{}, CreatedAt: now, Passkey: idptest.Passkey("a passkey")}
		expectFull(t, *passkey.Passkey)
		for _, f := range []idp.Factor{passkey, fresh, full} {
			idptest.Must(t, db.CreateFactor(t.Context(), f))
		}
		set := idp.RecoverySet{ID: "set", UserID: w.User.ID, CreatedAt: now, SavedAt: now, DisabledAt: now}
		expectFull(t, set)
		codes := []idp.RecoveryCode{
			{ID: "z", SetID: "set", UserID: w.User.ID, Position: 1, MAC: []byte("1"), Sealed: []byte{0}, UsedAt: now},
			{ID: "y", SetID: "set", UserID: w.User.ID, Position: 2, MAC: []byte("2"), Sealed: []byte{0}},
			{ID: "x", SetID: "set", UserID: w.User.ID, Position: 3, MAC: []byte("3"), Sealed: []byte{0}},
		}
		expectFull(t, codes[0])
		idptest.Must(t, db.ReplaceRecoveryCodes(t.Context(), set, codes))
		got, err := db.Enrolment(t.Context(), w.User.ID)
		idptest.Must(t, err)
		expectSame(t, idp.Enrolment{Factors: []idp.Factor{full, fresh, passkey}, Recovery: &set, RecoveryLeft: 2}, got)
		kept, err := db.RecoveryCodes(t.Context(), "set")
		idptest.Must(t, err)
		expectSame(t, codes, kept)
		found, err := db.RecoveryCodeByMAC(t.Context(), w.User.ID, []byte("1"))
		if err != nil || found.ID != "z" || found.SetID != "set" || !found.UsedAt.Equal(now) {
			t.Errorf("by MAC: %+v, %v", found, err)
		}
		_, err = db.RecoveryCodeByMAC(t.Context(), "somebody else", []byte("1"))
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestSigningKeyIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		now := idp.Now()
		retired := store.SigningKey{
			ID: "b", Algorithm: idp.ES256, Public: `{"kty":"EC"}`, Private: []byte{0, 1}, CreatedAt: now,
			SignsFrom: now.Add(1000), SignsUntil: now.Add(2000), ExpiresAt: now.Add(3000),
		}
		expectFull(t, retired)
		signs := store.SigningKey{ID: "a", Private: []byte{1}, CreatedAt: now.Add(time.Second), SignsFrom: now}
		idptest.Must(t, db.CreateSigningKey(t.Context(), signs))
		idptest.Must(t, db.CreateSigningKey(t.Context(), retired))
		expectError(t, db.CreateSigningKey(t.Context(), signs), idp.ErrConflict)
		got, err := db.SigningKeys(t.Context())
		idptest.Must(t, err)
		expectSame(t, []store.SigningKey{retired, signs}, got)

		for _, id := range []string{"a", "b"} {
			idptest.Must(t, db.RetireSigningKey(t.Context(), id, now.Add(time.Hour), now.Add(2*time.Hour)))
		}
		signs.SignsUntil, signs.ExpiresAt = now.Add(time.Hour), now.Add(2*time.Hour)
		got, err = db.SigningKeys(t.Context())
		idptest.Must(t, err)
		expectSame(t, []store.SigningKey{retired, signs}, got) // who was retired stays as it is
	})
}
