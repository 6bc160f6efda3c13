package pageauth

import "testing"

// The way back from a sign-in leads to these pages and nowhere else.
func TestOwns(t *testing.T) {
	for page, want := range map[string]bool{
		"/sso/account": true, "/sso/account/agents": true, "/sso/account/agents/activity?after=x": true,

		"": false, "/": false, "/sso": false, "/account": false, "/sso/admin": false, "/sso/accounts": false,
		"/sso/account/callback": false, "/sso/account/callback?state=x": false, // would turn in a circle
		"https://evil.example/sso/account": false, "//evil.example/sso/account": false, "/\\evil.example": false,
		"/sso/account/../admin": false, "/sso/account/%2e%2e/admin": false, "javascript:alert(1)": false,
		"/sso/account\r\nLocation: x": false, "/sso/account/%zz": false,
	} {
		if got := owns(page, "/sso/account"); got != want {
			t.Errorf("%q: %t", page, got)
		}
	}
}
