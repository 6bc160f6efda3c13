package provider_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// documented is a row of the table of claims in docs/connect.md: one for each claim.
type documented struct{ claim, scope, idToken, userinfo, access string }

func documentedClaims(t testing.TB) (list []documented) {
	t.Helper()
	page, err := os.ReadFile("../../docs/connect.md")
	idptest.Must(t, err)
	_, section, _ := strings.Cut(string(page), "\n## Claims\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if !strings.HasPrefix(line, "| `") || len(cells) < 7 {
			continue
		}
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		for _, claim := range strings.Split(cells[1], "` `") {
			list = append(list, documented{claim, cells[2], cells[3], cells[4], cells[5]})
		}
	}
	if len(list) < 20 {
		t.Fatalf("%d claims in the table of docs/connect.md", len(list))
	}
	return list
}

// at tells whether the claim is to be in a place, by what its cell says, for an app that got
// some scopes.
func (d documented) at(cell string, c idp.AppClaims, scopes []string) bool {
	switch {
	case d.claim == "population" && !c.PlainPopulation,
		d.claim == "roles" && c.Roles != idp.RolesAsRoles, d.claim == "groups" && c.Roles != idp.RolesAsGroups,
		d.claim == "idp": // of those who came through another provider
		return false
	}
	return slices.Contains(scopes, d.scope) && (cell == "yes" || cell == "id_token_claims" && c.InIDToken)
}

// wantClaims compares the claims of a place with the documentation's. own are the names that
// the place has beside claims.
func wantClaims(t *testing.T, place string, got map[string]any, want func(documented) bool, own ...string) {
	t.Helper()
	got = maps.Clone(got)
	maps.DeleteFunc(got, func(name string, _ any) bool { return slices.Contains(own, name) })
	for _, d := range documentedClaims(t) {
		if _, has := got[d.claim]; has != want(d) {
			t.Errorf("%s: %s there: %t, documented: %t", place, d.claim, has, !has)
		}
		delete(got, d.claim)
	}
	if len(got) > 0 {
		t.Errorf("%s: %v is not documented", place, got)
	}
}

func subsets(list ...string) [][]string {
	all := [][]string{{}}
	for _, one := range list {
		for _, some := range all {
			all = append(all, append(slices.Clone(some), one))
		}
	}
	return all
}

func TestClaimsAreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	idptest.Must(t, k.Store.GiveRole(t.Context(), k.user.ID, idp.RoleManager))
	var announced []string
	for _, d := range documentedClaims(t) {
		announced = append(announced, d.claim)
	}
	known := words(k.send("GET", documentPath, "").json["claims_supported"])
	slices.Sort(announced)
	if slices.Sort(known); !slices.Equal(known, announced) {
		t.Errorf("discovery has the claims\n%v\nthe documentation\n%v", known, announced)
	}
	for _, c := range []idp.AppClaims{
		{}, {Roles: idp.RolesAsRoles}, {Roles: idp.RolesAsGroups, InIDToken: true}, {InIDToken: true, PlainPopulation: true},
	} {
		for i, more := range subsets("profile", "email", "roles") {
			scopes := append([]string{"openid"}, more...)
			p := k.AddParty(idp.Client{Claims: c, Scopes: scopes, TokenFormat: formats[i%2]})
			name := strings.Join(scopes, " ")
			tokens := k.tokens(p, "scope", "openid profile email roles") // those that the app lacks do not count
			at := func(cell func(documented) string) func(documented) bool {
				return func(d documented) bool { return d.at(cell(d), c, scopes) }
			}
			info := k.userinfo(tokens.AccessToken).json
			wantClaims(t, "ID token, "+name, tokens.Claims, at(func(d documented) string { return d.idToken }))
			wantClaims(t, "userinfo, "+name, info, at(func(d documented) string { return d.userinfo }))
			access := at(func(d documented) string { return d.access })
			wantClaims(t, "/introspect, "+name, k.introspect(p, tokens.AccessToken).json, access, "active", "scope", "client_id", "token_type", "jti")
			if p.Client.TokenFormat == idp.JWTToken {
				wantClaims(t, "access token, "+name, part(t, tokens.AccessToken, 1), access, "scope", "client_id", "jti")
			}
			if info["sub"] != tokens.Claims["sub"] {
				t.Errorf("userinfo is about %v, the ID token about %v", info["sub"], tokens.Claims["sub"])
			}
		}
	}
}

func TestClaimsSayWhoThePersonIs(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{Claims: idp.AppClaims{PlainPopulation: true}})
	info := k.userinfo(k.tokens(p).AccessToken).json
	for name, want := range map[string]any{
		"sub": k.user.ID, "name": k.user.Name, "preferred_username": k.user.Email, "given_name": k.user.GivenName, "family_name": k.user.FamilyName,
		"picture": k.user.Picture, "zoneinfo": k.user.Zoneinfo, "locale": k.user.Locale,
		"updated_at": float64(k.user.UpdatedAt.Unix()), "email": k.user.Email, "email_verified": true,
		idp.PopulationClaim: idp.Agents, "population": idp.Agents,
	} {
		if info[name] != want {
			t.Errorf("%s: %v, want %v", name, info[name], want)
		}
	}
	bare := k.user
	bare.ID, bare.Email, bare.Name, bare.Locale, bare.EmailVerified = "bare", "bare@rtx.example", "", "", false
	bare.Profile = idp.Profile{}
	idptest.Must(t, k.Store.CreateUser(t.Context(), bare))
	k.browser, _ = k.signIn(bare, idp.MethodPassword, idp.MethodTOTP)
	info = k.userinfo(k.tokens(p).AccessToken).json
	for _, name := range []string{"name", "given_name", "family_name", "picture", "zoneinfo", "locale", "roles"} {
		if value, has := info[name]; has {
			t.Errorf("%s is %q for who has none", name, value)
		}
	}
	if info["email_verified"] != false {
		t.Errorf("email_verified: %v", info["email_verified"])
	}
}

// What an app is told of roles is so at that moment, and ends with the scope and the switch.
func TestRolesAreThoseOfTheMoment(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		idptest.Must(t, k.Store.GiveRole(t.Context(), k.user.ID, idp.RoleManager))
		idptest.Must(t, k.Store.GiveRole(t.Context(), k.user.ID, idp.RoleAdmin))
		p := k.AddParty(idp.Client{
			Claims: idp.AppClaims{Roles: idp.RolesAsRoles}, TokenFormat: idp.JWTToken,
			Scopes: []string{"openid", "roles", "offline_access"},
		})
		tokens := k.tokens(p, "scope", "openid roles offline_access")
		refresh, access := tokens.RefreshToken, tokens.AccessToken
		want := func(why, claim, roles string) {
			t.Helper()
			r := k.refresh(p, refresh)
			r.want(t, 200, "")
			refresh = r.text("refresh_token")
			for place, claims := range map[string]map[string]any{
				"ID token": part(t, r.text("id_token"), 1), "access token": part(t, r.text("access_token"), 1),
				"userinfo": k.userinfo(access).json, "/introspect": k.introspect(p, access).json,
			} {
				if got := strings.Join(words(claims[claim]), " "); got != roles {
					t.Errorf("%s, %s: %s %q, want %q", why, place, claim, got, roles)
				}
			}
		}
		want("at first", "roles", "admin manager")
		_, version, err := k.Store.VersionedUser(t.Context(), k.user.ID)
		idptest.Must(t, err)
		idptest.Must(t, k.Store.SaveRoles(t.Context(), k.user.ID, version, []string{idp.RoleAgent}))
		want("others now", "roles", "agent")
		save := func(change func(*idp.Client)) {
			t.Helper()
			now, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
			idptest.Must(t, err)
			change(&now.Client)
			idptest.Must(t, k.Store.SaveClient(t.Context(), now.Version, now.Client))
		}
		save(func(c *idp.Client) { c.Claims.Roles = idp.RolesAsGroups })
		want("under the other name", "groups", "agent")
		want("under the other name", "roles", "")
		save(func(c *idp.Client) { c.Claims.Roles = idp.NoRoles })
		want("switched off", "groups", "")
		save(func(c *idp.Client) { c.Claims.Roles, c.Scopes = idp.RolesAsRoles, []string{"openid", "offline_access"} })
		want("without the scope", "roles", "")
		save(func(c *idp.Client) { c.Scopes = append(c.Scopes, "roles") })
		want("with the scope again, for new sign-ins only", "roles", "")
	})
}
