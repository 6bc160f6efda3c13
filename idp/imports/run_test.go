package imports_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/imports"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
)

// job is an import of a text into a provider, with what it told.
type job struct {
	imports.Import
	text string
	told []imports.Outcome
}

func newJob(app *idptest.App, text string) *job {
	j := &job{text: text}
	j.Import = imports.Import{
		Manage: app.Manage, Actor: authz.System(), Format: imports.CSV, Population: idp.Contacts, Reason: "move",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(j.text)), nil },
		Tell: func(o imports.Outcome) { j.told = append(j.told, o) },
	}
	return j
}

func (j *job) expect(t *testing.T, want imports.Summary, failing error) {
	t.Helper()
	j.told = nil
	got, err := j.Run(t.Context())
	if got != want || !errors.Is(err, failing) {
		t.Errorf("%+v (%v), want %+v (%v)\n%v", got, err, want, failing, j.told)
	}
}

func count(t *testing.T, db *idptest.Database, query string) int {
	t.Helper()
	return db.Count(t, query)
}

const people = "email,name,roles,password_hash\n" +
	"a@x.example,A,,\n" +
	"b@x.example,B,nobody,\n" +
	"no address,C,,\n" +
	"d@x.example,D,agent,$2b$04$short\n" +
	"A@X.example,again,,\n" +
	"f@x.example,F,agent,\n"

func TestImportGoesOnOrImportsNothing(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		j := newJob(app, people)
		imported := func() int { return count(t, db, "users") }

		j.DryRun = true
		j.expect(t, imports.Summary{Added: 2, Failed: 4, Last: 7}, nil)
		said := fmt.Sprint(j.told)
		for _, text := range []string{
			"line 3: roles: settings.no_role nobody", "line 4: email:", "line 5: password_hash:", "line 6: email: settings.import.twice 2",
		} {
			if !strings.Contains(said, text) {
				t.Errorf("of %q nothing is said: %s", text, said)
			}
		}
		if n := imported(); n != 0 {
			t.Errorf("a dry run made %d people", n)
		}
		j.DryRun, j.AllOrNothing = false, true
		j.expect(t, imports.Summary{Failed: 4, Last: 7}, imports.ErrNothing)
		if n := imported(); n != 0 || len(j.told) != 6 {
			t.Errorf("nothing made %d people, and told of %d lines", n, len(j.told))
		}
		j.AllOrNothing = false
		j.expect(t, imports.Summary{Added: 2, Failed: 4, Last: 7}, nil)
		if n := imported(); n != 2 || count(t, db, "user_roles") != 1 || count(t, db, "audit_events WHERE kind = 'user.created'") != 2 {
			t.Errorf("%d people", n)
		}

		// Mended and run again, it goes on where it was.
		mended := strings.NewReplacer("nobody", "manager", "no address", "c@x.example", "$2b$04$short", bcrypt, "A@X.example", "e@x.example")
		j.text = mended.Replace(people)
		j.expect(t, imports.Summary{Added: 4, Existed: 2, Last: 7}, nil)
		j.DryRun, j.AllOrNothing = true, true
		j.expect(t, imports.Summary{Existed: 6, Last: 7}, nil)
		j.From = 6
		j.expect(t, imports.Summary{Existed: 2, Last: 7}, nil)
	})
}

func TestAllOrNothingImportsAll(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		var text strings.Builder
		text.WriteString("email\n")
		for n := range 450 {
			fmt.Fprintf(&text, "p%d@x.example\n", n)
		}
		j := newJob(app, text.String())
		j.AllOrNothing, j.DryRun = true, true
		j.expect(t, imports.Summary{Added: 450, Last: 451}, nil)
		if n := count(t, db, "users"); n != 0 {
			t.Errorf("a dry run made %d people", n)
		}
		j.DryRun = false
		j.text += "broken,line\n"
		j.expect(t, imports.Summary{Failed: 1, Last: 452}, imports.ErrNothing)
		j.text = text.String()
		j.expect(t, imports.Summary{Added: 450, Last: 451}, nil)
		if n := count(t, db, "users"); n != 450 {
			t.Errorf("%d people", n)
		}
	})
}

// An import that is stopped says how far it came, and goes on when it is run again.
func TestStoppedImportGoesOn(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		var text strings.Builder
		text.WriteString("email\n")
		for n := range 500 {
			fmt.Fprintf(&text, "p%d@x.example\n", n)
		}
		j := newJob(app, text.String())
		ctx, stop := context.WithCancel(t.Context())
		j.Tell = func(o imports.Outcome) {
			if o.Line == 201 {
				stop()
			}
		}
		sum, err := j.Run(ctx)
		if err == nil || sum.Last != 201 || count(t, db, "users") != 200 {
			t.Errorf("%+v (%v), %d people", sum, err, count(t, db, "users"))
		}
		j.expect(t, imports.Summary{Added: 300, Existed: 200, Last: 501}, nil)
	})
}

// Somebody whom another system knew signs in with what they have: password and
// authenticator; the hash is ours from then on, and they get recovery codes.
func TestImportedPeopleSignIn(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		party := app.AddParty(idp.Client{Populations: []string{idp.Contacts}})
		const plain = "gentle maple corner"
		hashes := map[string]string{
			"bcrypt@x.example": bcrypt,
			"django@x.example": "pbkdf2_sha256$1000$abcdefghijkl$RScRruYH87woOxq407Qmg86HcvCJNBpxeLMiepg9jds=",
			"scrypt@x.example": "scrypt$1024$abcdefghijkl$8$1$01Nqi2MhaoNm6zgrIbGccdMWkH92XPHkMtV1lT1TEqTb9IOZ3AhJ/no/0JI1y6OhWcYgenQ94xXXUYQV1ZirQA==",
		}
		text := "email,password_hash,totp,password_changed_at\n"
		for email, hash := range hashes {
			text += email + "," + hash + "," + key + ",2020-01-01\n"
		}
		newJob(app, text).expect(t, imports.Summary{Added: 3, Last: 4}, nil)
		for email := range hashes {
			b := idptest.NewBrowser(t)
			page := b.Submit(b.Get(party.Begin().URL), "/password", "email", email, "password", "wrong")
			if page.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s with a wrong password: %d %s", email, page.Status, page.Heading())
			}
			page = b.Submit(b.Get(party.Begin().URL), "/password", "email", email, "password", plain)
			code, err := totp.GenerateCode(key, idp.Now())
			idptest.Must(t, err)
			page = b.Submit(page, "/totp", "code", code)
			if len(idptest.RecoveryCodes(page)) != 10 {
				t.Fatalf("%s: %d %s", email, page.Status, page.Heading())
			}
			if page = b.Submit(page, "/saved", "saved", "yes"); page.Left == nil {
				t.Errorf("%s: %d %s", email, page.Status, page.Heading())
			}
			u, err := app.Store.UserByEmail(t.Context(), idp.Contacts, email)
			if err != nil || !strings.HasPrefix(u.PasswordHash, "$argon2id$v=19$m=64,t=1,p=1$") || u.PasswordChangedAt.Year() != 2020 {
				t.Errorf("%s: the hash is %.30s of %v (%v)", email, u.PasswordHash, u.PasswordChangedAt, err)
			}
		}
		// The log says nothing of what came with them.
		events, err := app.Store.AuditEvents(t.Context(), idp.AuditUserCreated, "", 10)
		if err != nil || len(events) != 3 || events[0].Detail["imported"] != "yes" || strings.Contains(fmt.Sprint(events), "$") {
			t.Errorf("%+v (%v)", events, err)
		}
	})
}

func TestEntraIDsAreLinkedOrRefused(t *testing.T) {
	t.Parallel()
	app := idptest.Start(t, idptest.Alone(t).URL, "")
	const tenant, person = "11111111-2222-3333-4444-555555555555", "22222222-2222-3333-4444-555555555555"
	j := newJob(app, "email,entra_tid,entra_oid\na@x.example,"+tenant+","+person+"\nb@x.example,,\n")
	j.expect(t, imports.Summary{Added: 1, Failed: 1, Last: 3}, nil)
	if !strings.Contains(fmt.Sprint(j.told), "line 2: entra_tid: settings.user.entra_tenant") {
		t.Error(j.told)
	}
	connection, err := app.Manage.Connections.AddConnection(t.Context(), authz.System(), connections.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: idp.Contacts, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Tenants: []string{tenant}, ClientID: "app",
		},
		ClientSecret: "secret",
	})
	idptest.Must(t, err)
	j.expect(t, imports.Summary{Added: 1, Existed: 1, Last: 3}, nil)
	u, err := app.Store.UserByEmail(t.Context(), idp.Contacts, "a@x.example")
	idptest.Must(t, err)
	linked, err := app.Store.Identity(t.Context(), connection.ID, idp.EntraSubject(tenant, person))
	if err != nil || linked.UserID != u.ID {
		t.Errorf("linked with %+v (%v)", linked, err)
	}
}

// Whoever lacks a permission does not import it, nor anybody.
func TestImportGivesNobodyMoreThanTheImporterHas(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	app := idptest.Start(t, db.URL, "")
	actor := authz.Actor{UserID: "ada", Permissions: []string{idp.PermissionUsers, idp.PermissionRoles}, SecondStepAt: idp.Now()}
	for text, may := range map[string]bool{
		"email,roles\na@x.example,agent\n": true,
		"email,roles\nb@x.example,admin\n": false,
	} {
		j := newJob(app, text)
		j.Actor = actor
		if _, err := j.Run(t.Context()); (err == nil) != may || !may && !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("%q: %v", text, err)
		}
	}
	j := newJob(app, "email\nc@x.example\n")
	j.Actor = authz.Actor{UserID: "ada", Permissions: []string{idp.PermissionRoles}, SecondStepAt: idp.Now()}
	if _, err := j.Run(t.Context()); !errors.Is(err, authz.ErrForbidden) {
		t.Errorf("without the permission: %v", err)
	}
	j.Actor = actor
	j.Actor.SecondStepAt = idp.Now().Add(-time.Hour)
	if _, err := j.Run(t.Context()); !errors.Is(err, authz.ErrStepUp) {
		t.Errorf("with an old second step: %v", err)
	}
	if n := count(t, db, "users"); n != 1 {
		t.Errorf("%d people", n)
	}
}
