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
	name     string
	version  string // as the lock file of its language pins it
	language string // the folder of testdata
	program  string // its file there
	kind     idp.ClientKind
	command  []string
	callback string // the path of its redirect URI
	acts     []string
}

// The acts beside signing in. Each is a path of the program, where the library offers it.
const (
	userinfo = "userinfo"
	refresh  = "refresh"
	signOut  = "sign-out"
)

func (l library) does(act string) bool { return slices.Contains(l.acts, act) }

var libraries = []library{
	{"coreos/go-oidc", "3", "go", "main.go", idp.WebClient, []string{"./go-oidc"}, "/callback", []string{userinfo, refresh, signOut}},
	node("openid-client", "6", "openid-client6.mjs", userinfo, refresh, signOut),
	node("openid-client", "5", "openid-client5.mjs", userinfo, refresh, signOut),
	node("oauth4webapi", "3", "oauth4webapi.mjs", userinfo, refresh),
	node("passport-openidconnect", "0.1", "passport-openidconnect.mjs", userinfo),
	node("express-openid-connect", "3", "express-openid-connect.mjs", userinfo, refresh, signOut),
	python("Authlib", "1.9", "authlib_flask.py", "/callback", userinfo, refresh),
	python("mozilla-django-oidc", "5", "django_app.py", "/oidc/callback/", userinfo),
	{
		"Spring Security", "6.5", "java", "src/main/java/interop/App.java", idp.WebClient,
		[]string{"java", "-jar", "target/spring.jar"},
		"/login/oauth2/code/gatehouse",
		[]string{userinfo, refresh, signOut},
	},
	{"openidconnect (Rust)", "4", "rust", "src/main.rs", idp.WebClient, []string{"target/debug/interop"}, "/callback", []string{userinfo, refresh}},
}

func node(name, version, program string, acts ...string) library {
	return library{name, version, "node", program, idp.WebClient, []string{"node", program}, "/callback", acts}
}

func python(name, version, program, callback string, acts ...string) library {
	return library{name, version, "python", program, idp.WebClient, []string{"venv/bin/python", program}, callback, acts}
}

var update = flag.Bool("update", false, "write the table of docs/connect/libraries.md")

// The table in the docs is what make interop runs.
func TestTableOfLibraries(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "docs", "connect", "libraries.md")
	text, err := os.ReadFile(file)
	idptest.Must(t, err)
	head, _, found := strings.Cut(string(text), "| Library |")
	want := head + table()
	switch {
	case !found:
		t.Fatalf("%s has no table", file)
	case *update:
		idptest.Must(t, os.WriteFile(file, []byte(want), 0o600))
	case want != string(text):
		t.Errorf("%s is not what the tests run: go test ./idp/interop -update", file)
	}
	for _, l := range libraries {
		if _, err := os.Stat(filepath.Join("testdata", l.language, l.program)); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
	}
}

// table is the libraries and what each was seen to do.
func table() string {
	var b strings.Builder
	b.WriteString("| Library | Signs in | Userinfo | Refresh | Sign-out | Its code |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, l := range libraries {
		fmt.Fprintf(&b, "| %s %s | yes ", l.name, l.version)
		for _, act := range []string{userinfo, refresh, signOut} {
			said := "–"
			if l.does(act) {
				said = "yes"
			}
			fmt.Fprintf(&b, "| %s ", said)
		}
		program := l.language + "/" + l.program
		fmt.Fprintf(&b, "| [%s](../../idp/interop/testdata/%s) |\n", filepath.Base(program), program)
	}
	return b.String()
}
