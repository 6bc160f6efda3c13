package manage_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/password"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

var hasher = password.New(password.Params{Memory: 64, Time: 1, Threads: 1})

func manager(s *store.Store) *manage.Manager {
	return manage.New(manage.Parts{Store: s, Hasher: hasher})
}

// withDefaults is a database with the populations and roles of every
// installation.
func withDefaults(t *testing.T, test func(t *testing.T, db *idptest.Database, m *manage.Manager)) {
	t.Helper()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		m := manager(db.Store)
		idptest.Must(t, m.EnsureDefaults(t.Context()))
		test(t, db, m)
	})
}

// expectField fails unless err names the field that cannot be saved, and is an
// idp.ErrInvalid.
func expectField(t *testing.T, name string, err error, field string) {
	t.Helper()
	var refused settings.Errors
	switch {
	case field == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case field == "":
	case !errors.As(err, &refused) || !errors.Is(err, idp.ErrInvalid):
		t.Errorf("%s: %v, want a refusal of %s", name, err, field)
	case len(refused) != 1 || refused[0].Field != field || refused[0].Key == "" || !strings.HasPrefix(err.Error(), field+": "):
		t.Errorf("%s: refused %v, want %s", name, err, field)
	}
}

func TestDefaultsAreSafe(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, _ *manage.Manager) {
		populations, err := db.Populations(t.Context())
		idptest.Must(t, err)
		want := []idp.Population{
			{ID: idp.Agents, SessionIdle: time.Hour, SessionLifetime: 24 * time.Hour},
			{ID: idp.Contacts, SessionIdle: 7 * 24 * time.Hour, SessionLifetime: 30 * 24 * time.Hour},
		}
		for i := range want {
			want[i].Passwords.MinLength = 8
			want[i].KeptIdle, want[i].KeptLifetime = 30*24*time.Hour, 90*24*time.Hour
			want[i].Access.Password, want[i].EndOthers = true, true
			want[i].Policy = idp.Policy{Version: 1, Authenticator: true}
		}
		texts := cmpopts.IgnoreFields(idp.Population{}, "Name", "Policy.IssuerLabel")
		if diff := cmp.Diff(want, populations, texts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSystemRolesHoldWhatTheyShould(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		u, err := m.People.CreateUser(t.Context(), people.NewUser{
			Population: idp.Agents, Email: "maya@rtx.example", Roles: []string{idp.RoleAdmin, idp.RoleManager, idp.RoleAgent},
		})
		idptest.Must(t, err)
		roles, err := db.RolesOf(t.Context(), u.ID)
		idptest.Must(t, err)
		want := []idp.Role{
			{ID: idp.RoleAdmin, Name: "Admin", System: true, Permissions: idp.Permissions()},
			{ID: idp.RoleAgent, Name: "Agent", System: true},
			{ID: idp.RoleManager, Name: "Manager", System: true, Permissions: []string{
				idp.PermissionUsers, idp.PermissionSessions, idp.PermissionContactReset,
			}},
		}
		if diff := cmp.Diff(want, roles, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDefaultsAreMadeOnceAndThenLeftAlone(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		stores := []*store.Store{db.Store, db.Replica(t)}
		for _, err := range idptest.Race(8, func(i int) error { return manager(stores[i%2]).EnsureDefaults(t.Context()) }) {
			if err != nil {
				t.Error(err)
			}
		}
		for _, change := range []string{"UPDATE populations SET name = 'RTX', session_idle = 60", "UPDATE roles SET name = 'Renamed'"} {
			_, err := db.SQL().ExecContext(t.Context(), change)
			idptest.Must(t, err)
		}
		before, err := db.Populations(t.Context())
		idptest.Must(t, err)
		idptest.Must(t, manager(db.Store).EnsureDefaults(t.Context()))
		after, err := db.Populations(t.Context())
		idptest.Must(t, err)
		if diff := cmp.Diff(before, after); diff != "" || len(after) != 2 {
			t.Errorf("%d populations: %s", len(after), diff)
		}
		var renamed int
		err = db.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM roles WHERE name = 'Renamed'").Scan(&renamed)
		if err != nil || renamed != 3 {
			t.Errorf("%d of three roles kept their name (%v)", renamed, err)
		}
	})
}

func TestCreatedUserCanSignIn(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		before := idp.Now()
		u, err := m.People.CreateUser(t.Context(), people.NewUser{
			Population: idp.Contacts, Email: " Maya@rtx.example ", Name: " Maya ", Locale: "de", Password: "gentle maple corner",
		})
		idptest.Must(t, err)
		if u.ID == "" || u.CreatedAt.Before(before) || !u.UpdatedAt.Equal(u.CreatedAt) {
			t.Errorf("made %+v", u)
		}
		want := idp.User{
			ID: u.ID, PopulationID: idp.Contacts, Email: "Maya@rtx.example", Name: "Maya", Locale: "de",
			PasswordHash: u.PasswordHash, PasswordChangedAt: u.CreatedAt, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
		}
		stored, err := db.UserByEmail(t.Context(), idp.Contacts, "maya@rtx.example")
		idptest.Must(t, err)
		for _, got := range []idp.User{u, stored} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		if ok, _, err := hasher.Verify(t.Context(), stored.PasswordHash, "gentle maple corner"); err != nil || !ok {
			t.Errorf("the password matches: %t, %v", ok, err)
		}
		events, err := db.AuditEvents(t.Context(), idp.AuditUserCreated, u.ID, 10)
		if err != nil || len(events) != 1 || events[0].PopulationID != idp.Contacts {
			t.Errorf("the audit log says %+v (%v)", events, err)
		}
	})
}

func TestUserWithoutPasswordHasNoHash(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, _ *idptest.Database, m *manage.Manager) {
		u, err := m.People.CreateUser(t.Context(), people.NewUser{Population: idp.Agents, Email: "maya@rtx.example"})
		if err != nil || u.PasswordHash != "" {
			t.Errorf("%q, %v", u.PasswordHash, err)
		}
	})
}

func TestUsersThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		for name, c := range map[string]struct {
			change func(n *people.NewUser)
			field  string
		}{
			"as it is":                 {func(*people.NewUser) {}, ""},
			"no population":            {func(n *people.NewUser) { n.Population = "" }, "population"},
			"another population":       {func(n *people.NewUser) { n.Population = "partners" }, "population"},
			"no address":               {func(n *people.NewUser) { n.Email = " " }, "email"},
			"no domain":                {func(n *people.NewUser) { n.Email = "robin" }, "email"},
			"a name with the address":  {func(n *people.NewUser) { n.Email = "Robin <robin@rtx.example>" }, "email"},
			"in angle brackets":        {func(n *people.NewUser) { n.Email = "<robin@rtx.example>" }, "email"},
			"two addresses":            {func(n *people.NewUser) { n.Email = "robin@rtx.example, kim@rtx.example" }, "email"},
			"a second line":            {func(n *people.NewUser) { n.Email = "robin@rtx.example\r\nBcc: all@rtx.example" }, "email"},
			"a comment":                {func(n *people.NewUser) { n.Email = "robin(x)@rtx.example" }, "email"},
			"quotes":                   {func(n *people.NewUser) { n.Email = `"robin"@rtx.example` }, "email"},
			"the longest address":      {func(n *people.NewUser) { n.Email = strings.Repeat("r", 254-12) + "@rtx.example" }, ""},
			"too long an address":      {func(n *people.NewUser) { n.Email = strings.Repeat("r", 255-12) + "@rtx.example" }, "email"},
			"umlauts":                  {func(n *people.NewUser) { n.Email = "jörg@rtx.example" }, ""},
			"the longest name":         {func(n *people.NewUser) { n.Name = strings.Repeat("玛", 200) }, ""},
			"too long a name":          {func(n *people.NewUser) { n.Name = strings.Repeat("玛", 201) }, "name"},
			"a short password":         {func(n *people.NewUser) { n.Password = "x7!kQ2m" }, "password"},
			"eight characters":         {func(n *people.NewUser) { n.Password = "x7!kQ2mw" }, ""},
			"a common password":        {func(n *people.NewUser) { n.Password = "password1" }, "password"},
			"the address as password":  {func(n *people.NewUser) { n.Password = "robin@rtx.example" }, "password"},
			"the product as password":  {func(n *people.NewUser) { n.Password = "gatehouse" }, "password"},
			"an endless password":      {func(n *people.NewUser) { n.Password = strings.Repeat("x7!kQ2mw", 1000) }, "password"},
			"a role that is not there": {func(n *people.NewUser) { n.Roles = []string{idp.RoleAgent, "root"} }, "roles"},
		} {
			n := people.NewUser{Population: idp.Agents, Email: "robin@rtx.example", Name: "Robin", Password: "gentle maple corner"}
			c.change(&n)
			before, err := db.AuditEvents(t.Context(), idp.AuditUserCreated, "", 100)
			idptest.Must(t, err)
			_, err = m.People.CreateUser(t.Context(), n)
			expectField(t, name, err, c.field)
			after, err := db.AuditEvents(t.Context(), idp.AuditUserCreated, "", 100)
			idptest.Must(t, err)
			if _, err := db.UserByEmail(t.Context(), n.Population, n.Email); (err == nil) != (c.field == "") || (len(after) > len(before)) != (c.field == "") {
				t.Errorf("%s: saved %t", name, err == nil)
			}
			_, err = db.SQL().ExecContext(t.Context(), "DELETE FROM users")
			idptest.Must(t, err)
		}
	})
}

// Without a second step the password stands alone and has to be longer.
func TestPasswordThatStandsAloneIsLonger(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		m := manager(db.Store)
		for id, p := range map[string]idp.Population{
			"alone":  {Passwords: idp.PasswordRules{MinLength: 8}, Policy: idp.Policy{Version: 1}},
			"second": {Passwords: idp.PasswordRules{MinLength: 8}, Policy: idp.Policy{Version: 1, EmailCode: true}},
			"strict": {Passwords: idp.PasswordRules{MinLength: 20}, Policy: idp.Policy{Version: 1, Authenticator: true}},
		} {
			p.ID = id
			_, err := db.CreatePopulation(t.Context(), p, idp.Now())
			idptest.Must(t, err)
		}
		for _, c := range []struct{ population, password, field string }{
			{"alone", "x7!kQ2mwZ9pL4v", "password"},
			{"alone", "x7!kQ2mwZ9pL4vR", ""},
			{"second", "x7!kQ2m", "password"},
			{"second", "x7!kQ2mw", ""},
			{"strict", "x7!kQ2mwZ9pL4vR", "password"},
			{"strict", "x7!kQ2mwZ9pL4vR8tB3c", ""},
		} {
			_, err := m.People.CreateUser(t.Context(), people.NewUser{
				Population: c.population, Email: idp.NewID() + "@rtx.example", Password: c.password,
			})
			expectField(t, c.population+" "+c.password, err, c.field)
		}
	})
}

func TestAddressIsTakenHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, db *idptest.Database, m *manage.Manager) {
		create := func(population, email string) error {
			_, err := m.People.CreateUser(t.Context(), people.NewUser{Population: population, Email: email})
			return err
		}
		idptest.Must(t, create(idp.Agents, "Maya@rtx.example"))
		for _, email := range []string{"maya@rtx.example", "MAYA@RTX.EXAMPLE", " maya@rtx.example"} {
			if err := create(idp.Agents, email); !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%q: %v", email, err)
			}
		}
		if err := create(idp.Contacts, "maya@rtx.example"); err != nil {
			t.Errorf("another population: %v", err)
		}
		events, err := db.AuditEvents(t.Context(), idp.AuditUserCreated, "", 10)
		if err != nil || len(events) != 2 {
			t.Errorf("%d events (%v)", len(events), err)
		}
	})
}
