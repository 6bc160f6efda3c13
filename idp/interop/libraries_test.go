package interop_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// library is a relying party of other people's, and what of our tests it offers. Each
// signs in.
type library struct {
	name     string   // with the version that the lock file of its language pins
	language string   // the folder of testdata
	program  string   // its file there
	more     []string // files that belong to it
	kind     idp.ClientKind
	command  string
	callback string // the path of its redirect URI
	acts     []act
	// grants are the grant types that are not the kind's.
	grants []string
	// note is what who uses it has to know.
	note string
	// needs is a program of the distribution's packages.
	needs string
	// fapi apps have FAPI on, and are on https.
	fapi bool
	// unprivileged programs do not serve as root.
	unprivileged bool
}

// act is what a library does beside signing in, and where.
type act struct {
	name string
	path string
	// says is what the page says, or the program writes, once it is done.
	says string
}

func (a act) at(path, says string) act { return act{a.name, path, says} }

// The acts. A library without a server has a button of that name.
var (
	userinfo = act{"userinfo", "/userinfo", ""} // says the email address, which comes from nowhere else
	refresh  = act{"refresh", "/refresh", `"refreshed":true`}
	popup    = act{"popup", "", ""}
	frame    = act{"frame", "", ""}
	signOut  = act{"logout", "/logout", ""}
)

// columns are the acts in the table of the docs.
var columns = []struct {
	act  act
	head string
}{{userinfo, "Userinfo"}, {refresh, "Refresh"}, {popup, "Popup"}, {frame, "Hidden frame"}, {signOut, "Sign-out"}}

// find is an act as this library does it.
func (l library) find(a act) (act, bool) {
	i := slices.IndexFunc(l.acts, func(b act) bool { return a.name == b.name })
	if i < 0 {
		return act{}, false
	}
	return l.acts[i], true
}

var libraries = []library{
	web("coreos/go-oidc 3", "go/main.go", "./go-oidc", "/callback", userinfo, refresh, signOut),
	node("openid-client 6", "openid-client6.mjs", "/callback", userinfo, refresh, signOut),
	node("openid-client 6 with FAPI 2.0", "openid-client6-fapi.mjs", "/callback", userinfo, refresh, signOut).withFAPI().
		about("[FAPI 2.0](../connect.md#fapi-20): pushed requests, a private key in place of a secret, and tokens that are bound to another key (DPoP)."),
	node("openid-client 5", "openid-client5.mjs", "/callback", userinfo, refresh, signOut),
	node("oauth4webapi 3", "oauth4webapi.mjs", "/callback", userinfo, refresh),
	node("passport-openidconnect 0.1", "passport-openidconnect.mjs", "/callback", userinfo).
		about("By itself it reads the ID token alone, which has no name and no email: `skipUserProfile: false`."),
	node("express-openid-connect 3", "express-openid-connect.mjs", "/callback", userinfo, refresh, signOut),
	node("Auth.js 0.12", "authjs.mjs", "/auth/callback/gatehouse", userinfo).
		about("By itself it reads the ID token alone, which has no name and no email: `idToken: false`. Signing out ends its own session alone."),
	spa("oidc-client-ts 3", "oidc-client-ts.html", userinfo, refresh, popup, frame, signOut).
		about("By itself it reads the ID token alone, which has no name and no email: `loadUserInfo: true`."),
	spa("MSAL Browser 5", "msal-browser.html", userinfo, refresh, popup, frame, signOut).
		about("`knownAuthorities` keeps it from asking Microsoft about the issuer. It does not ask userinfo itself."),
	python("Authlib 1.9", "authlib_flask.py", "/callback", userinfo, refresh, signOut),
	python("mozilla-django-oidc 5", "django_app.py", "/oidc/callback/", userinfo, signOut.at("/oidc/logout/", "")),
	python("google-auth-oauthlib 1.5", "google_auth.py", "/", userinfo, refresh.at("", "refreshed")).native().
		about("It listens on a port of its own choice: register `http://localhost/`."),
	web("Spring Security 6.5", "java/src/main/java/interop/App.java", "java -jar target/spring.jar", "/login/oauth2/code/gatehouse", userinfo, refresh, signOut).
		with("src/main/resources/application.yaml"),
	web("openidconnect (Rust) 4", "rust/src/main.rs", "target/debug/interop", "/callback", userinfo, refresh, signOut),
	web("mod_auth_openidc 2.4", "apache/mod_auth_openidc.conf", "apache2 -DFOREGROUND -f $SCRATCH/mod_auth_openidc.conf", "/callback", userinfo, refresh.at("/refresh", "The app"), signOut).
		of("apache2"),
	web("oauth2-proxy 7.15", "oauth2-proxy/oauth2-proxy.sh", "./oauth2-proxy.sh", "/oauth2/callback",
		userinfo.at("/oauth2/userinfo", ""), refresh.at("/", "Refreshing session"), signOut.at("/oauth2/sign_out?rd=$END", "")).
		about("It does not say whose session ends, so the person is asked. It lets in only people whose address was proved (`email_verified`)."),
	web("oidc-agent 4.2", "oidc-agent/oidc-agent.sh", "./oidc-agent.sh code", "", refresh.at("", "refreshed")).native().of("oidc-agent"),
	web("oidc-agent by device grant 4.2", "oidc-agent/oidc-agent.sh", "./oidc-agent.sh device", "", refresh.at("", "refreshed")).native().of("oidc-agent").
		granted(idp.DeviceGrant, "refresh_token").about("For a machine without a browser: the person approves it on another."),
}

// apis check the access tokens of others.
var apis = []library{
	web("An API with jose and oauth4webapi", "node/api.mjs", "node api.mjs", "").with("app.mjs").api(),
	web("An API with Authlib", "python/api.py", "venv/bin/python api.py", "").api(),
}

func web(name, program, command, callback string, acts ...act) library {
	language, program, _ := strings.Cut(program, "/")
	return library{name: name, language: language, program: program, kind: idp.WebClient, command: command, callback: callback, acts: acts}
}

func node(name, program, callback string, acts ...act) library {
	return web(name, "node/"+program, "node "+program, callback, acts...).with("app.mjs")
}

func python(name, program, callback string, acts ...act) library {
	return web(name, "python/"+program, "venv/bin/python "+program, callback, acts...)
}

// spa is a page of the browser.
func spa(name, program string, acts ...act) library {
	l := web(name, "node/"+program, "", "/callback", acts...)
	l.kind = idp.SPAClient
	return l
}

// withFAPI makes it an app with FAPI 2.0.
func (l library) withFAPI() library {
	l.fapi = true
	return l
}

// native makes it a program of a terminal.
func (l library) native() library {
	l.kind = idp.NativeClient
	return l
}

// api makes it one that nobody signs in to.
func (l library) api() library {
	l.kind = idp.APIClient
	return l.about("What an API checks: [connect.md](../connect.md#apis-of-your-own).")
}

// settings are those that the app is made with, at an address.
func (l library) settings(base string) (list [][2]string) {
	switch l.kind {
	case idp.APIClient:
		return [][2]string{{"identifier", "https://api.example"}, {"scopes", "tickets:read"}, {"token_format", "jwt, or opaque where it asks by introspection"}}
	case idp.NativeClient:
		base = "http://localhost" // on any port
	case idp.SPAClient:
		base = strings.Replace(base, "http:", "https:", 1) // http would be another site to the browser
	case idp.WebClient, idp.ServiceClient:
	}
	if l.fapi {
		base = strings.Replace(base, "http:", "https:", 1)
		list = append(list, [2]string{"fapi", "on"}, [2]string{"jwks", "the public half of KEY"})
	}
	if len(l.grants) > 0 {
		return [][2]string{{"grant_types", strings.Join(l.grants, " ")}}
	}
	list = append(list, [2]string{"redirect_uris", base + l.callback})
	if _, does := l.find(signOut); does {
		list = append(list, [2]string{"post_logout_redirect_uris", base + "/bye"})
	}
	return list
}

func (l library) granted(types ...string) library {
	l.grants = types
	return l
}

// of makes it one that the distribution's packages bring.
func (l library) of(program string) library {
	l.needs, l.unprivileged = program, l.kind == idp.WebClient
	return l
}

func (l library) with(files ...string) library {
	l.more = files
	return l
}

func (l library) about(note string) library {
	l.note = note
	return l
}

// written marks the pages that come from here alone.
const written = "<!-- go test ./idp/interop -update writes this page. -->"

var update = flag.Bool("update", false, "write the pages of docs/connect")

// The pages of the libraries say what make interop runs.
func TestPagesOfLibraries(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "docs", "connect")
	overview, err := os.ReadFile(filepath.Join(folder, "libraries.md"))
	idptest.Must(t, err)
	head, _, found := strings.Cut(string(overview), "| Library |")
	if !found {
		t.Fatal("libraries.md has no table")
	}
	want := map[string]string{"libraries.md": head + table()}
	for _, l := range slices.Concat(libraries, apis) {
		want[l.page()] = l.text(t)
	}
	if *update {
		for name, text := range want {
			idptest.Must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
		}
	}
	files, err := os.ReadDir(folder)
	idptest.Must(t, err)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		idptest.Must(t, err)
		if want[f.Name()] != string(text) && (want[f.Name()] != "" || strings.Contains(string(text), written)) {
			t.Errorf("docs/connect/%s is not what the tests run: go test ./idp/interop -update", f.Name())
		}
		delete(want, f.Name())
	}
	for name := range want {
		t.Errorf("docs/connect/%s is missing: go test ./idp/interop -update", name)
	}
}

// page is the file name of a library's page: its name, with the version where another has the
// name, too.
func (l library) page() string {
	name, twins := l.plainName(), 0
	for _, other := range libraries {
		if other.plainName() == name {
			twins++
		}
	}
	if twins > 1 {
		name = l.name
	}
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune(" /().", r) }), "-") + ".md"
}

// plainName is the name without the version.
func (l library) plainName() string { return strings.TrimRight(l.name, " .0123456789") }

// table is the libraries and what each was seen to do.
func table() string {
	var b strings.Builder
	b.WriteString("| Library | Signs in |")
	for _, c := range columns {
		b.WriteString(" " + c.head + " |")
	}
	b.WriteString("\n" + strings.Repeat("| --- ", len(columns)+2) + "|\n")
	for _, l := range libraries {
		fmt.Fprintf(&b, "| [%s](%s) | yes |", l.name, l.page())
		for _, c := range columns {
			said := "–"
			if _, does := l.find(c.act); does {
				said = "yes"
			}
			b.WriteString(" " + said + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## APIs\n\n")
	for _, l := range apis {
		fmt.Fprintf(&b, "- [%s](%s)\n", l.name, l.page())
	}
	return b.String()
}

// text is a library's page: the app that its test makes, and its whole program.
func (l library) text(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", l.name, written)
	if l.note != "" {
		b.WriteString(l.note + "\n\n")
	}
	b.WriteString("| The app | |\n| --- | --- |\n")
	row := func(name, value string) { fmt.Fprintf(&b, "| %s | %s |\n", name, value) }
	row("kind", "`"+string(l.kind)+"`")
	for _, s := range l.settings("http://localhost:3000") {
		row(s[0], "`"+s[1]+"`")
	}
	row("all other settings", "as they come")
	b.WriteString("\n`BASE` is where the app is reached, `ISSUER` the issuer, `CLIENT_ID` and `CLIENT_SECRET` what the console " +
		"shows. `CA_FILE` issued the certificates of the test; leave it out.\n")
	if l.fapi {
		b.WriteString("`KEY` is the app's private key, a JWK; it stays with the app. `CERTIFICATE` is its certificate for https, with the key.\n")
	}
	for _, program := range append([]string{l.program}, l.more...) {
		code, err := os.ReadFile(filepath.Join("testdata", l.language, program))
		idptest.Must(t, err)
		fmt.Fprintf(&b, "\n[%s](../../idp/interop/testdata/%s/%s):\n\n```%s\n%s```\n",
			filepath.Base(program), l.language, program, strings.TrimPrefix(filepath.Ext(program), "."), code)
	}
	return b.String()
}
