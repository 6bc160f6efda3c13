package server_test

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/server"
)

// Processes that start at once on an empty database all start; each migration is
// recorded once, and the link that each prints works.
func TestProcessesStartTogetherOnAnEmptyDatabase(t *testing.T) {
	for round := range 2 {
		idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
			type started struct {
				token string
				err   error
			}
			cfg := server.Config{Issuer: "http://localhost:8080", DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
			all := idptest.Race(8, func(int) (s started) {
				srv, err := server.Open(t.Context(), cfg)
				if err != nil {
					return started{err: err}
				}
				defer func() { idptest.Must(t, srv.Close()) }()
				s.token, s.err = srv.Manage.Links.FirstSetupLink(t.Context())
				return s
			})
			for i, s := range all {
				if s.err != nil {
					t.Fatalf("round %d, process %d: %v", round, i, s.err)
				}
			}
			var twice sql.NullInt64
			idptest.Must(t, db.SQL().QueryRowContext(t.Context(),
				"SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM goose_db_version GROUP BY version_id) AS recorded").Scan(&twice))
			if twice.Int64 != 1 {
				t.Errorf("a migration is recorded %d times", twice.Int64)
			}
			m := manage.New(manage.Parts{Store: db.Store})
			for _, s := range all {
				if err := m.Links.CheckSetup(t.Context(), s.token); err != nil {
					t.Errorf("a printed link: %v", err)
				}
			}
		})
	}
}

// One of the links that were printed is used, and then none works.
func TestUsedSetupLinkEndsTheOthers(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		var tokens []string
		for range 3 {
			token, err := app.Manage.Links.FirstSetupLink(t.Context())
			idptest.Must(t, err)
			tokens = append(tokens, token)
		}
		won := 0
		for _, err := range idptest.Race(len(tokens), func(i int) error {
			_, err := app.Manage.Links.CreateAdmin(t.Context(), tokens[i], people.NewUser{
				Email: string(rune('a'+i)) + "@rtx.example", Name: "Admin", Password: idptest.Password,
			})
			return err
		}) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, links.ErrLink):
				t.Errorf("another link: %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d admins were made", won)
		}
	})
}

// A person who is deleted in the last step of their sign-in gets a page, whoever comes
// first: no fault, and no deadlock that is not resolved.
func TestPersonIsDeletedInTheLastStep(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		party := app.AddParty(idp.Client{})
		app.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
		const people = 24
		var ids [people]string
		var browsers [people]*idptest.Browser
		var forms [people]*idptest.Page
		for i := range people {
			email := string(rune('a'+i)) + "@rtx.example"
			ids[i] = app.AddUser(idp.Agents, email).ID
			browsers[i] = idptest.NewBrowser(t)
			forms[i] = browsers[i].Get(party.Begin().URL)
		}
		for _, status := range idptest.Race(2*people, func(n int) int {
			i := n / 2
			if n%2 == 0 {
				if err := app.Manage.People.DeleteUser(t.Context(), authz.System(), ids[i], 0, "they left"); err != nil {
					t.Errorf("delete: %v", err)
				}
				return 200
			}
			return browsers[i].Submit(forms[i], "/password", "email", string(rune('a'+i))+"@rtx.example", "password", idptest.Password).Status
		}) {
			if status >= 500 {
				t.Errorf("status %d", status)
			}
		}
	})
}

// What tests save is saved by tests alone.
func TestPasswordsCostWhatTheyShouldUnlessATestSaves(t *testing.T) {
	ctx, db := t.Context(), idptest.Alone(t)
	cfg := server.Config{Issuer: "http://localhost:8080", DataDir: idptest.Folder(t)}
	ring, err := cfg.Keyring(ctx, db.Store)
	idptest.Must(t, err)
	m, err := server.NewManager(ctx, cfg, db.Store, ring)
	idptest.Must(t, err)
	hash, err := m.Hasher.Hash(ctx, "a lighthouse at noon")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the hash is %.30s (%v)", hash, err)
	}
}
