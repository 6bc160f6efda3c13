package idp_test

import (
	"slices"
	"testing"

	"gatehouse/idp"
)

const api = "https://api.example/"

func TestTermsOfARequest(t *testing.T) {
	r := idp.Request{Scopes: []string{"openid", "email", "read"}, Claims: idp.AskedClaims{IDToken: []string{"email", "name"}, Userinfo: []string{"name"}}}
	plain := r.Terms()
	if !slices.Equal(plain.Scopes, r.Scopes) || !slices.Equal(plain.Claims, []string{"name"}) || plain.APIs != nil {
		t.Errorf("asks for %+v", plain)
	}
	r.Resource = api
	there := r.Terms()
	if !slices.Equal(there.Scopes, []string{"openid", "email"}) || !slices.Equal(there.APIs[api], []string{"read"}) {
		t.Errorf("asks for %+v", there)
	}
	if there.Cover(plain) || plain.Cover(there) {
		t.Error("a scope of ours is one of the API")
	}
	sum := plain.With(there)
	if !sum.Cover(plain) || !sum.Cover(there) || (idp.Terms{}).Cover(plain) || !plain.Cover(idp.Terms{}) {
		t.Errorf("together they are %+v", sum)
	}
	if more := sum.With(idp.Terms{Scopes: []string{"profile"}}); len(more.Claims) > 0 || !more.Cover(sum) {
		t.Errorf("a claim and its scope are both there: %+v", more)
	}
}

func TestOnlyKeepsWhatIsKept(t *testing.T) {
	all := idp.Terms{Scopes: []string{"openid", "email"}, Claims: []string{"name"}, APIs: map[string][]string{api: {"read", "write"}, "urn:b": {"read"}}}
	left := all.Only([]string{idp.APIWord(api, ""), idp.APIWord(api, "read"), idp.APIWord("urn:b", "read"), "else"})
	if !slices.Equal(left.Scopes, []string{"openid"}) || len(left.Claims) > 0 || len(left.APIs) != 1 || !slices.Equal(left.APIs[api], []string{"read"}) {
		t.Errorf("left: %+v", left)
	}
	if same := all.Only([]string{"email", idp.ClaimWord("name"), api + " ", api + " read", api + " write", "urn:b ", "urn:b read"}); !same.Cover(all) {
		t.Errorf("left: %+v", same)
	}
}

func TestAGrantIsNoMoreThanItsConsent(t *testing.T) {
	s := idp.GrantState{
		Grant: idp.Grant{
			ConsentID: "c", Resource: api, Scopes: []string{"openid", "email", "offline_access", "read", "write"}, Offline: true,
			Claims: idp.AskedClaims{IDToken: []string{"email", "name"}, Userinfo: []string{"zoneinfo"}},
		},
		App:     idp.App{GrantTypes: []string{"refresh_token"}, Scopes: []string{"openid", "email", "offline_access", "read", "write"}},
		Consent: idp.Consent{ID: "c", Terms: idp.Terms{Scopes: []string{"openid", "write"}, Claims: []string{"name"}, APIs: map[string][]string{api: {"read"}}}},
	}
	now := s.Judged().Grant
	if !slices.Equal(now.Scopes, []string{"openid", "read"}) || !slices.Equal(now.Claims.IDToken, []string{"name"}) || len(now.Claims.Userinfo) > 0 || now.Offline {
		t.Errorf("it is worth %+v", now)
	}
	s.Grant.ConsentID = "" // of an app of the organisation
	if now := s.Judged().Grant; len(now.Scopes) != 5 || !now.Offline {
		t.Errorf("it is worth %+v", now)
	}
}
