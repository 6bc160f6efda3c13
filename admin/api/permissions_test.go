package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
)

// objects are what the paths of requests name.
func (o *office) objects(population string) map[string]string {
	o.t.Helper()
	client, _, err := o.Manage.Apps.CreateClient(o.t.Context(), idp.Client{Name: "App", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://rtx.example/cb"}})
	idptest.Must(o.t, err)
	user := o.someone(population)
	role := idp.Role{ID: idp.NewID(), Name: "Custom " + population}
	idptest.Must(o.t, o.Store.CreateRole(o.t.Context(), role))
	connection, err := o.Manage.Connections.AddConnection(o.t.Context(), authz.System(), connections.ConnectionChange{
		Connection:     idp.Connection{PopulationID: population, Kind: idp.OIDCConnection, Name: "Partner", Issuer: "https://login.partner.example", ClientID: idp.NewID()},
		NewCertificate: true,
	})
	idptest.Must(o.t, err)
	return map[string]string{
		"user_id": user.ID, "connection_id": connection.ID, "client_id": client.ID, "population_id": population, "role_id": role.ID,
		"session_id": o.session(user), "invitation_id": "none", "factor_id": "none", "grant_id": "none", "consent_id": "none", "browser_id": "none", "key_id": "none", "lane": "nowhere", "index": "1",
		"initial_access_token_id": "none",
	}
}

// session signs somebody in.
func (o *office) session(u idp.User) string {
	o.t.Helper()
	p, err := o.Store.Population(o.t.Context(), u.PopulationID)
	idptest.Must(o.t, err)
	s, token := idptest.Session(u, p)
	s.BrowserHash = idp.HashSecret(token)
	idptest.Must(o.t, o.Store.CreateSession(o.t.Context(), s))
	return s.ID
}

func fill(path string, objects map[string]string) string {
	for name, value := range objects {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}

// allowed are the permissions that count for somebody of a population.
func allowed(op *api.Operation, population string) []string {
	seers := []string{idp.PermissionUsers, idp.PermissionSessions}
	resets := []string{idp.PermissionContactReset}
	if population == idp.Agents {
		resets = []string{idp.PermissionAgentRecovery}
	}
	switch op.Manage {
	case "UserDetail", "Identities":
		return append(seers, resets...)
	case "EnableFactor", "ResetMFA", "RegenerateRecoveryCodes":
		return resets
	case "ViewRecoveryCodes":
		if population != idp.Agents {
			return nil
		}
	}
	return authz.Operations()[op.Manage]
}

// Every operation, with no permission, each single one, and all; services try it on
// agents, people on contacts. What is allowed fails for another reason wherever it would change much.
func TestOperationsNeedTheirPermissions(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		sets := map[string][]string{"all": idp.Permissions(), "none": {}}
		for _, p := range idp.Permissions() {
			sets[p] = []string{p}
		}
		for name, set := range sets {
			if name != "all" {
				o.service(name, set...)
			}
			role := idp.Role{ID: idp.NewID(), Name: "Person " + name, Permissions: set}
			idptest.Must(t, o.Store.CreateRole(t.Context(), role))
			o.person("person-"+name, o.someone(idp.Agents, role.ID), 0)
		}
		for population, prefix := range map[string]string{idp.Agents: "", idp.Contacts: "person-"} {
			objects := o.objects(population)
			for id, op := range o.find {
				var headers []string
				if op.Versioned() {
					headers = []string{"If-Match", `"999999"`}
				}
				var body any
				if op.TakesBody() {
					body = op.Sample()
				}
				for name, set := range sets {
					a := o.ask(prefix+name, id, fill(op.Path(), objects), body, headers...)
					may := slices.ContainsFunc(set, func(p string) bool { return slices.Contains(allowed(op, population), p) })
					if may == (a.status == http.StatusForbidden) || a.status == http.StatusUnauthorized || a.status >= 500 {
						t.Errorf("%s of %s with %s%s: %d %s", id, population, prefix, name, a.status, a.body)
					}
				}
			}
		}
	})
}

// Nobody reaches whoever holds more than they do, and what the service did is told.
func TestNobodyReachesUpThroughTheAPI(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	admin := o.someone(idp.Agents, idp.RoleAdmin)
	o.service("users", idp.PermissionUsers, idp.PermissionSessions, idp.PermissionRoles, idp.PermissionAgentRecovery)
	because := object{"reason": "ticket 7"}
	path := "/users/" + admin.ID
	for id, a := range map[string]answer{
		"updateUser":        o.ask("users", "updateUser", path, object{"name": "Mine"}, "If-Match", `"1"`),
		"deleteUser":        o.ask("users", "deleteUser", path, because),
		"anonymiseUser":     o.ask("users", "anonymiseUser", path+"/anonymise", because),
		"setPassword":       o.ask("users", "setPassword", path+"/password", object{"reason": "x", "password": "gentle maple corner"}),
		"resetMFA":          o.ask("users", "resetMFA", path+"/reset-mfa", because),
		"viewRecoveryCodes": o.ask("users", "viewRecoveryCodes", path+"/recovery-codes/view", because),
		"signOut":           o.ask("users", "signOut", path+"/sign-out", because),
		"setRoles":          o.ask("users", "setRoles", path+"/roles", object{"roles": []string{}, "reason": "x"}, "If-Match", `"1"`),
		"createUser":        o.ask("users", "createUser", "/users", object{"population": "agents", "email": "x@rtx.example", "roles": []string{"admin"}}),
		"createRole":        o.ask("users", "createRole", "/roles", object{"name": "More", "permissions": []string{"audit.read"}, "reason": "x"}),
	} {
		want(t, id, a, http.StatusForbidden, "forbidden")
	}
	events := into[api.AuditEventList](t, o.ask("all", "listAuditEvents", "/audit-events?kind=operation.refused", nil)).Events
	if len(events) != 10 || events[0].Detail["service"] != "service-users" || events[0].ActorID != "" {
		t.Errorf("%d refusals, %+v", len(events), events)
	}
}

// A caller with an authenticator is asked for that, and told so: an app that came back
// with another email code would ask for ever.
func TestAnEmailCodeIsNoFreshStepOfACallerWithAnAuthenticator(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	admin := o.someone(idp.Agents, idp.RoleAdmin)
	idptest.Must(t, o.Store.CreateFactor(t.Context(), idp.Factor{
		ID: idp.NewID(), UserID: admin.ID, Method: idp.MethodTOTP, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
	}))
	now := idp.Now()
	o.tokens["mail"] = idp.AdminAccess{
		UserID: admin.ID, ClientID: "app", Scopes: []string{idp.AdminScope},
		Proofs: []idp.Proof{{Method: idp.MethodPassword, At: now}, {Method: idp.MethodEmail, At: now}},
	}
	o.person("phone", admin, 0)
	body := object{"name": "Mine", "permissions": []string{}, "reason": "ticket 7"}
	a := o.ask("mail", "createRole", "/roles", body)
	want(t, "an email code", a, http.StatusUnauthorized, "insufficient_user_authentication")
	if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `acr_values="`+string(idp.ACRMFA)+`"`) {
		t.Errorf("asked for %s", got)
	}
	if a := o.ask("phone", "createRole", "/roles", body); a.status != http.StatusCreated {
		t.Errorf("the app: %d %s", a.status, a.body)
	}
}

// Where a policy asks people with permissions for a passkey, a caller without one is told
// so at every request; a recovery code stands in for it on one's own account alone.
func TestPeopleWithPermissionsNeedThePasskeyThatThePolicyAsksFor(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	admin := o.someone(idp.Agents, idp.RoleAdmin)
	now := idp.Now()
	key := &idp.Passkey{CredentialID: []byte("credential"), PublicKey: []byte("key")}
	idptest.Must(t, o.Store.CreateFactor(t.Context(), idp.Factor{
		ID: idp.NewID(), UserID: admin.ID, Method: idp.MethodPasskey, Passkey: key, CreatedAt: now, LastUsedAt: now,
	}))
	token := func(name string, proofs ...idp.Proof) {
		o.tokens[name] = idp.AdminAccess{UserID: admin.ID, ClientID: "app", Scopes: []string{idp.AdminScope}, Proofs: proofs}
	}
	password := idp.Proof{Method: idp.MethodPassword, At: now}
	token("totp", password, idp.Proof{Method: idp.MethodTOTP, At: now})
	token("paper", password, idp.Proof{Method: idp.MethodRecovery, At: now})
	token("passkey", idp.Proof{Method: idp.MethodPasskey, Verified: true, At: now})
	body := object{"name": "Mine", "permissions": []string{}, "reason": "ticket 7"}
	if a := o.ask("totp", "listRoles", "/roles", nil); a.status != http.StatusOK {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	for _, name := range []string{"totp", "paper"} {
		a := o.ask(name, "createRole", "/roles", body)
		want(t, "an act on others after "+name, a, http.StatusUnauthorized, "insufficient_user_authentication")
	}

	p, err := o.Store.Population(t.Context(), idp.Agents)
	idptest.Must(t, err)
	p.Policy.PasskeyForRoles = true
	_, err = o.Manage.Populations.SavePolicy(t.Context(), authz.System(), populations.Change[idp.Policy]{
		ID: idp.Agents, To: p.Policy, Apply: populations.OnNextLogin, PasswordAlone: true, Reason: "x",
	})
	idptest.Must(t, err)
	for _, name := range []string{"totp", "paper"} {
		a := o.ask(name, "listRoles", "/roles", nil)
		want(t, "a look after "+name, a, http.StatusUnauthorized, "insufficient_user_authentication")
		if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `acr_values="phr"`) {
			t.Errorf("%s: asked for %s", name, got)
		}
	}
	if a := o.ask("passkey", "createRole", "/roles", body); a.status != http.StatusCreated {
		t.Errorf("the passkey: %d %s", a.status, a.body)
	}
}
