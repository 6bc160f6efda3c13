package admin_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
)

// counts does what the jobs do.
func (h *house) counts() {
	h.t.Helper()
	for {
		n, err := h.Store.CountActivity(h.t.Context(), idp.Now(), 200)
		idptest.Must(h.t, err)
		if n < 200 {
			break
		}
	}
	h.db.Exec(h.t, "DELETE FROM tallies")
	idptest.Must(h.t, h.Store.CountTallies(h.t.Context(), idp.Now(), throttle.Stops()))
}

// What people do at the sign-in is what the overview shows: sign-ins, second steps, failures,
// and who is signed in, once each.
func TestTheOverviewShowsWhatHappens(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.db = db
		b := h.admin()
		want(t, h.page(b, ""), http.StatusOK, "Overview", "People are being counted.", "Nothing was counted yet.", "Nothing needs a look.")
		other := idptest.NewBrowser(t)
		page := other.Get(h.Issuer + "/admin")
		for range 2 {
			want(t, other.Submit(page, "/password", "email", "admin@rtx.example", "password", "wrong"), http.StatusUnprocessableEntity, page.Heading())
		}
		h.counts()
		day := idp.Now().Format("2 Jan 2006")
		want(t, h.page(b, ""), http.StatusOK, "Overview", `<dd>1</dd><dt>person signed in now</dt>`,
			"In 30 days: sign-ins 1, second steps 1, failures 2.", `<th scope="row">`+day+"</th><td>1</td><td>1</td><td>2</td>",
			"1 with an authenticator app</span> <b>100%</b>")
	})
}

// troubled brings about all that needs a look, and returns what the overview says of it by the
// permission that shows it.
func (h *house) troubled() map[string][]string {
	t, ctx := h.t, h.t.Context()
	audit := func(kind idp.AuditKind, times int) {
		for range times {
			idptest.Must(t, h.Store.Audit(ctx, idp.AuditEvent{Kind: kind, PopulationID: idp.Agents}))
		}
	}
	audit(idp.AuditCodeRefused, 14) // of another kind: those of one hour are one row
	h.db.Age(t, "audit_events", 3*24*time.Hour, "at")
	audit(idp.AuditPasswordRefused, 40)
	audit(idp.AuditPasswordThrottled, 100)
	_, err := h.Store.CountAttempt(ctx, idp.Now(), []store.Budget{{Key: []byte("k"), Kind: "password", Free: 1, Waits: []time.Duration{1}}})
	idptest.Must(t, err)
	h.db.Exec(t, "UPDATE throttles SET failures = 100")

	app := idptest.Client(idp.Agents)
	app.Name, app.Roles = "Wallboard", nil
	idptest.Must(t, h.Store.CreateClient(ctx, app))
	now := idp.Now()
	delivery := func(lane, complaint string) store.Delivery {
		return store.Delivery{
			ID: idp.NewID(), Lane: lane, Kind: "k", LastError: complaint, CreatedAt: now.Add(-time.Hour), NextAt: now.Add(time.Hour), ExpiresAt: now.Add(2 * time.Hour),
		}
	}
	idptest.Must(t, h.Store.Enqueue(ctx, delivery("mail", ""), delivery("requests", ""), delivery(app.ID, "500"), delivery(app.ID, "500")))

	h.db.Age(t, "signing_keys", 100*24*time.Hour, "signs_from")
	h.ObserveCertificate(func() time.Time { return now.Add(9 * 24 * time.Hour) })
	soon := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: idptest.NewMaker(t, [16]byte{1}).Root.Raw}))
	h.connect(idp.Agents, nil)
	h.db.Exec(t, "UPDATE connections SET certificate = '"+soon+"'")
	h.db.Exec(t, "UPDATE policies SET security_key_roots = '"+soon+"'")
	h.counts()
	return map[string][]string{
		idp.PermissionAudit: {
			"1 password or second step stopped after 100 wrong tries", "140 failures in the last 24 hours, 2 a day in the week before. Most: ", "100 tries in the last 24 hours had to wait",
		},
		idp.PermissionDeliveries: {
			"1 mail has waited for more than 15 minutes", "1 request for a link or an account has waited", "Wallboard does not take 2 notices",
		},
		idp.PermissionKeys:           {"The RS256 signing key should have been replaced by", "The certificate of this server ends on"},
		idp.PermissionAuthentication: {"The certificate of the connection Microsoft ends on", "A certificate of security key makers that Agents trusts ends on"},
		idp.PermissionClients:        {"The last secret of Wallboard ends on"},
	}
}

// What is wrong stands on the overview with where to look, and each only for who may see that.
func TestWhatNeedsALookIsForWhoMaySeeIt(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	h := open(t, db)
	browsers := map[string]*idptest.Browser{}
	for _, permission := range append(idp.Permissions(), "all") {
		role := idp.RoleAdmin
		if permission != "all" {
			role = h.role(permission)
		}
		email := strings.ReplaceAll(permission, ".", "-") + "@rtx.example"
		h.person(email, role)
		browsers[permission], _ = h.enters(email)
	}
	said := h.troubled()
	// What a permission shows beside its own.
	also := map[string][]string{
		idp.PermissionKeys: {idp.PermissionDeliveries}, idp.PermissionAuthentication: {idp.PermissionClients},
		"all": {idp.PermissionAudit, idp.PermissionDeliveries, idp.PermissionKeys, idp.PermissionAuthentication, idp.PermissionClients},
	}
	for permission, b := range browsers {
		page := h.page(b, "")
		want(t, page, http.StatusOK, "Overview")
		sees := map[string]bool{permission: true}
		for _, p := range also[permission] {
			sees[p] = true
		}
		for of, texts := range said {
			for _, text := range texts {
				if strings.Contains(page.Body, text) != sees[of] {
					t.Errorf("%s sees %q: %t", permission, text, !sees[of])
				}
			}
		}
		for part, shown := range map[string]bool{
			"Last 30 days": sees[idp.PermissionAudit], "signed in now": sees[idp.PermissionAuthentication],
			"Needs a look": len(said[permission]) > 0 || permission == "all", "Nothing needs a look": false,
		} {
			if strings.Contains(page.Body, part) != shown {
				t.Errorf("%s sees %s: %t", permission, part, !shown)
			}
		}
	}
	page := h.page(browsers["all"], "")
	for label, heading := range map[string]string{
		"Wallboard does not take 2 notices that people signed out": "Wallboard", "1 mail has waited for more than 15 minutes": "System",
	} {
		want(t, browsers["all"].Get(idptest.Follow(t, page, label)), http.StatusOK, heading)
	}
}

// The overview costs as many statements with many people, sessions, events and deliveries as
// with few.
func TestTheOverviewCostsTheSameWhateverHappened(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		b := h.admin()
		cost := func() int64 {
			t.Helper()
			h.counts()
			r := httptest.NewRequest(http.MethodGet, h.Issuer+"/admin", nil)
			at, err := url.Parse(h.Issuer + "/admin")
			idptest.Must(t, err)
			for _, c := range b.Jar.Cookies(at) {
				r.AddCookie(c)
			}
			ctx, n := store.CountStatements(r.Context())
			rec := httptest.NewRecorder()
			h.Handler().ServeHTTP(rec, r.WithContext(ctx))
			if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "Overview") {
				t.Fatalf("%d %s", rec.Code, rec.Body)
			}
			return n.Load()
		}
		cost() // what is read once in a process
		few := cost()
		population, err := db.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		for i := range 40 {
			u := idptest.User(idp.Agents, strings.Repeat("x", i+1)+"@rtx.example")
			idptest.Must(t, db.CreateUser(t.Context(), u))
			s, _ := idptest.Session(u, population)
			idptest.Must(t, db.CreateSession(t.Context(), s))
			idptest.Must(t, db.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditSignedIn, PopulationID: idp.Agents}))
		}
		h.troubled()
		if many := cost(); many != few {
			t.Errorf("%d statements with few, %d with many", few, many)
		}
		t.Logf("%d statements", few)
	})
}
