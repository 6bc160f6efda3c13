package provider_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

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

// namedClaims are those that scopes give, with their scopes.
func namedClaims(t testing.TB) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, d := range documentedClaims(t) {
		if d.scope != "openid" {
			list[d.claim] = d.scope
		}
	}
	return list
}

// ask is a claims parameter that names claims in one place.
func ask(t testing.TB, place string, claims ...string) string {
	t.Helper()
	members := map[string]any{}
	for i, name := range claims {
		members[name] = []any{nil, map[string]any{"essential": true}, map[string]any{"value": "another"}, map[string]any{}}[i%4]
	}
	b, err := json.Marshal(map[string]any{place: members})
	idptest.Must(t, err)
	return string(b)
}

// personal are the claims of tokens or userinfo that scopes give.
func personal(t testing.TB, claims map[string]any) []string {
	t.Helper()
	known := namedClaims(t)
	return slices.Sorted(func(yield func(string) bool) {
		for name := range claims {
			if known[name] != "" && !yield(name) {
				return
			}
		}
	})
}

func wantPersonal(t testing.TB, where string, claims map[string]any, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := personal(t, claims); !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", where, got, want)
	}
}

func TestAClaimThatIsNamedComesWhereItIsNamed(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	idptest.Must(t, k.Store.GiveRole(t.Context(), k.user.ID, idp.RoleManager))
	told := idp.AppClaims{Roles: idp.RolesAsRoles}
	all := k.AddParty(idp.Client{Claims: told, Scopes: []string{"openid", "profile", "email", "roles"}})
	for claim, scope := range namedClaims(t) {
		less := k.AddParty(idp.Client{Claims: told, Scopes: slices.DeleteFunc(slices.Clone(all.Client.Scopes), func(s string) bool { return s == scope })})
		for _, place := range []string{"id_token", "userinfo"} {
			for p, gets := range map[*idptest.Party]bool{all: claim != "groups", less: false} {
				tokens := k.tokens(p, "scope", "openid", "claims", ask(t, place, claim, "unknown", "nonce"))
				want := map[string][]string{}
				if gets {
					want[place] = []string{claim}
				}
				wantPersonal(t, claim+" in the ID token", tokens.Claims, want["id_token"]...)
				wantPersonal(t, claim+" at userinfo", k.userinfo(tokens.AccessToken).json, want["userinfo"]...)
				wantPersonal(t, claim+" at /introspect", k.introspect(p, tokens.AccessToken).json)
			}
		}
	}
	// Scopes and names together; the ID token without the app's setting.
	tokens := k.tokens(all, "scope", "openid profile", "claims", ask(t, "id_token", "email", "name"))
	wantPersonal(t, "ID token", tokens.Claims, "email", "name")
	if info := k.userinfo(tokens.AccessToken).json; info["email"] != nil || info["name"] != k.user.Name {
		t.Errorf("userinfo %v", info)
	}
}

// What a request asks for by name outlives the sign-in, goes with the scope, and does not
// come back with it.
func TestNamedClaimsEndWithTheirScope(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		k.AddUser(idp.Agents, "ines@rtx.example")
		a := p.Begin("scope", "openid offline_access", "claims", ask(t, "id_token", "email"))
		page, _, _ := idptest.Enrol(idptest.NewBrowser(t), p, a, "ines@rtx.example")
		tokens := p.Exchange(a, page.Left)
		if wantPersonal(t, "after a sign-in", tokens.Claims, "email"); tokens.Claims["email"] != "ines@rtx.example" {
			t.Errorf("email %v", tokens.Claims["email"])
		}
		refresh := tokens.RefreshToken
		want := func(when string, claims ...string) {
			t.Helper()
			r := k.refresh(p, refresh)
			r.want(t, 200, "")
			refresh = r.text("refresh_token")
			wantPersonal(t, when, part(t, r.text("id_token"), 1), claims...)
		}
		want("after a refresh", "email")
		for _, change := range []struct {
			when   string
			scopes []string
		}{
			{"without the scope", []string{"openid", "profile", "offline_access"}},
			{"with the scope again", []string{"openid", "profile", "offline_access", "email"}},
		} {
			now, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
			idptest.Must(t, err)
			now.Client.Scopes = change.scopes
			idptest.Must(t, k.Store.SaveClient(t.Context(), now.Version, now.Client))
			want(change.when)
		}
	})
}

// An app that asked for what it may not have does not get it with a scope of later: for that
// it asks anew.
func TestAClaimThatTheAppCouldNotAskForStaysOut(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{Scopes: []string{"openid", "offline_access"}})
	tokens := k.tokens(p, "scope", "openid offline_access", "claims", ask(t, "id_token", "email"))
	now, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
	idptest.Must(t, err)
	now.Client.Scopes = append(now.Client.Scopes, "email")
	idptest.Must(t, k.Store.SaveClient(t.Context(), now.Version, now.Client))
	r := k.refresh(p, tokens.RefreshToken)
	r.want(t, 200, "")
	wantPersonal(t, "after a refresh", part(t, r.text("id_token"), 1))
}

func TestARequestThatIsMadeAgainNamesTheSameClaims(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	r := idp.Request{
		ClientID: p.Client.ID, RedirectURI: p.OAuth.RedirectURL, Scopes: []string{"openid"}, CodeChallenge: oauth2.S256ChallengeFromVerifier("v"),
		Demand: idp.Demand{MaxAge: idp.NoMaxAge, UserID: k.user.ID}, Claims: idp.AskedClaims{IDToken: []string{"email"}, Userinfo: []string{"name"}},
	}
	for name, again := range map[string]string{"again": protocol(k).Again(r), "anew": protocol(k).Anew(r, "")} {
		target, err := url.Parse(again)
		idptest.Must(t, err)
		var got map[string]map[string]any
		idptest.Must(t, json.Unmarshal([]byte(target.Query().Get("claims")), &got))
		want := map[string]map[string]any{"id_token": {"email": nil}, "userinfo": {"name": nil}}
		if name == "anew" {
			want["id_token"]["sub"] = map[string]any{"value": k.user.ID}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
