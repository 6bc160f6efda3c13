package idp_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
)

var registered = []string{
	"https://rtx.example/cb", "https://rtx.example/cb?a=b", "http://localhost:8081/cb", "com.rtx.app:/cb",
	"http://127.0.0.1/cb", "http://127.0.0.1:5000/fixed?x=y", "http://[::1]/six",
}

func native() idp.Client { return idp.Client{Kind: idp.NativeClient, RedirectURIs: registered} }

func TestRegisteredRedirectsMatchCharacterByCharacter(t *testing.T) {
	for _, kind := range []idp.ClientKind{idp.WebClient, idp.SPAClient, idp.NativeClient} {
		c := idp.Client{Kind: kind, RedirectURIs: registered}
		for _, uri := range registered {
			if !c.AllowsRedirect(uri) {
				t.Errorf("%s: %s is registered", kind, uri)
			}
		}
		for _, uri := range []string{
			"", "https://rtx.example/cb/", "https://rtx.example/CB", "https://RTX.example/cb", "HTTPS://rtx.example/cb",
			"https://rtx.example:443/cb", "https://rtx.example/cb?", "https://rtx.example/cb#", "https://rtx.example/cb#x",
			"https://rtx.example/cb?a=b&c=d", "https://rtx.example/cb?a=%62", "https://rtx.example/./cb", "https://rtx.example//cb",
			"http://rtx.example/cb", "https://rtx.example.evil.example/cb", "https://evil.example/cb", "https://rtx.example@evil.example/cb",
			"https://localhost:8081/cb", "http://localhost.:8081/cb", "com.rtx.app:/cb/", "com.rtx.app://cb", " https://rtx.example/cb",
			"https://rtx.example/cb\n", "https://rtx.example/cb\x00",
		} {
			if c.AllowsRedirect(uri) {
				t.Errorf("%s: %q is not registered", kind, uri)
			}
		}
	}
}

// RFC 8252 section 7.3: the app asks its system for a port at each sign-in. RFC 9700
// section 4.1.3 counts localhost among such addresses.
func TestLoopbackPortOfANativeAppMayDiffer(t *testing.T) {
	for _, uri := range []string{
		"http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", "http://127.0.0.1/fixed?x=y", "http://127.0.0.1:5001/fixed?x=y",
		"http://[::1]:8080/six", "http://localhost:8082/cb", "http://localhost/cb",
	} {
		if !native().AllowsRedirect(uri) {
			t.Errorf("%s differs in its port only", uri)
		}
		for _, kind := range []idp.ClientKind{idp.WebClient, idp.SPAClient} {
			if (idp.Client{Kind: kind, RedirectURIs: registered}).AllowsRedirect(uri) {
				t.Errorf("%s: %s is not registered", kind, uri)
			}
		}
	}
}

func TestLoopbackRuleHasNoOtherLeniency(t *testing.T) {
	for _, uri := range []string{
		"https://127.0.0.1:1/cb", "HTTP://127.0.0.1:1/cb", "http://127.0.0.1:1/cb/", "http://127.0.0.1:1/cb?a", "http://127.0.0.1:1/cb?",
		"http://127.0.0.1:1/cb#", "http://127.0.0.1:1/CB", "http://127.0.0.1:1//cb", "http://127.0.0.1:1/%63b", "http://127.0.0.1:1",
		"http://127.0.0.1:1/other", "http://127.0.0.1:1/six", "http://[::1]:1/cb",
		// other hosts
		"http://localhost:1/fixed", "http://LOCALHOST:1/cb", "http://localhost.:1/cb", "http://localhost.evil.example/cb", "http://localhost@evil.example/cb",
		"http://127.0.0.1:1/eight", "http://127.0.0.2:1/cb", "http://127.1:1/cb", "http://2130706433:1/cb", "http://0x7f.1/cb",
		"http://0.0.0.0:1/cb", "http://127.0.0.1./cb", "http://127.0.0.1.evil.example/cb", "http://127.0.0.1evil.example/cb",
		"http://evil.example/127.0.0.1/cb", "http://evil.example:1/cb", "http://[::ffff:127.0.0.1]:1/cb", "http://[0:0:0:0:0:0:0:1]:1/six",
		"http://[::1%25lo]:1/six", "http://[::2]:1/six", "http://::1:1/six", "http://[127.0.0.1]:1/cb",
		// users
		"http://127.0.0.1@evil.example/cb", "http://127.0.0.1:80@evil.example/cb", "http://maya@127.0.0.1:1/cb", "http://@127.0.0.1:1/cb",
		"http://127.0.0.1:1@127.0.0.1/cb", `http://127.0.0.1\@evil.example/cb`, `http://evil.example\@127.0.0.1:1/cb`,
		// ports
		"http://127.0.0.1:/cb", "http://127.0.0.1:80:90/cb", "http://127.0.0.1:8a/cb", "http://127.0.0.1:-1/cb", "http://127.0.0.1:1 /cb",
		"http://127.0.0.1:+1/cb", "http://127.0.0.1:1%30/cb", "http://127.0.0.1:.evil.example/cb",
		"http:127.0.0.1:1/cb", "http:///127.0.0.1:1/cb", "//127.0.0.1:1/cb", "http://127.0.0.1:1\t/cb", "http://127.0.0.1:1/cb\r\n",
	} {
		if native().AllowsRedirect(uri) {
			t.Errorf("%q passes", uri)
		}
	}
}

// A URI that passes is registered, or an http loopback one that has the host,
// path and query of a registered one.
func FuzzAllowsRedirect(f *testing.F) {
	for _, uri := range registered {
		f.Add(uri)
		f.Add(uri + "#")
		f.Add(strings.Replace(uri, "127.0.0.1", "127.0.0.1:8080", 1))
		f.Add(strings.Replace(uri, "127.0.0.1", "127.0.0.1:80@evil.example", 1))
		f.Add(strings.Replace(uri, "localhost:8081", "localhost:80@evil.example", 1))
		f.Add(strings.Replace(uri, "[::1]", "[::1]:8080", 1))
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if !native().AllowsRedirect(uri) || slices.Contains(registered, uri) {
			return
		}
		got, err := url.Parse(uri)
		if err != nil || got.User != nil || got.Fragment != "" {
			t.Fatalf("%q passes (%v)", uri, err)
		}
		for _, r := range registered {
			want, err := url.Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if got.Scheme == "http" && want.Scheme == "http" && got.Hostname() == want.Hostname() &&
				slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, got.Hostname()) &&
				got.EscapedPath() == want.EscapedPath() && got.RawQuery == want.RawQuery && got.ForceQuery == want.ForceQuery {
				return
			}
		}
		t.Fatalf("%q passes", uri)
	})
}

func TestPublicClientsAlwaysNeedPKCE(t *testing.T) {
	for _, c := range []struct {
		client       idp.Client
		public, pkce bool
	}{
		{idp.Client{AuthMethod: idp.NoClientAuth}, true, true},
		{idp.Client{AuthMethod: idp.NoClientAuth}, true, true},
		{idp.Client{AuthMethod: idp.ClientSecretBasic, RequirePKCE: true}, false, true},
		{idp.Client{AuthMethod: idp.ClientSecretPost}, false, false},
	} {
		if c.client.Public() != c.public || c.client.NeedsPKCE() != c.pkce {
			t.Errorf("%+v: public %t, PKCE %t", c.client, c.client.Public(), c.client.NeedsPKCE())
		}
	}
}

func TestClientMayUseItsGrantTypesOnly(t *testing.T) {
	c := idp.Client{GrantTypes: []string{"authorization_code"}}
	if !c.Allows("authorization_code") || c.Allows("refresh_token") || c.Allows("") || (idp.Client{}).Allows("authorization_code") {
		t.Error("another grant type than its own")
	}
}
