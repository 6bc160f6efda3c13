package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// Each part of a user group's settings is set by its flags, and what is left out stays.
func TestPopulations(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		d := openDesk(t, db, idp.RoleAdmin)
		set := func(part string, args ...string) map[string]any {
			t.Helper()
			return d.does(append([]string{"population set " + part + " agents"}, args...)...)
		}
		expect(t, "brand", set("brand", "--name", "RTX", "--support-url", "https://rtx.example/support"), "name", "RTX", "support_url", "https://rtx.example/support")
		expect(t, "brand", set("brand", "--brand-color", "#0a5c36"), "name", "RTX", "brand_color", "#0a5c36", "support_url", "https://rtx.example/support")
		expect(t, "brand", set("brand", "--support-url", ""), "name", "RTX", "support_url", "")
		set("registration", "--open", "--allowed", "rtx.example,south.example")
		kept := fmt.Sprint(set("registration", "--denied", "bad.example")["settings"])
		if !strings.Contains(kept, "registration:map[allowed:[rtx.example south.example] denied:[bad.example] open:true]") {
			t.Errorf("registration: %s", kept)
		}
		expect(t, "passwords", set("passwords", "--min-length", "12", "--apply", "new_passwords", why), "min_length", "12", "upper", "false")
		expect(t, "sessions", set("sessions", "--session-idle", "600", "--keep-signed-in", why), "session_idle", "600", "session_lifetime", "86400", "keep_signed_in", "true")
		expect(t, "MFA", set("mfa", "--issuer-label", "RTX", "--apply", "next_login", why), "issuer_label", "RTX", "authenticator", "true")
		if _, complaints, code := d.run("", "population set access agents", "--password", why); code != 0 || !strings.Contains(complaints, "unchanged") {
			t.Errorf("access: %d %s", code, complaints)
		}
		expect(t, "shown", d.does("population show agents"), "name", "RTX", "brand_color", "#0a5c36")
		if out, _, code := d.run("", "population list"); code != 0 || !strings.Contains(out, "agents") {
			t.Errorf("the list is %s", out)
		}
		if _, complaints, code := d.run("", "population set brand agents", "--logo-url", "http://rtx.example/"); code != 1 || !strings.Contains(complaints, "logo_url") {
			t.Errorf("a logo without https: %d %s", code, complaints)
		}
	})
}

func TestEachFieldHasAFlagWithAText(t *testing.T) {
	out := &strings.Builder{}
	for _, args := range [][]string{{"client", "edit", "--help"}, {"population", "set", "brand", "--help"}, {"population", "set", "sessions", "--help"}, {"population", "set", "registration", "--help"}, {"population", "set", "passwords", "--help"}, {"population", "set", "mfa", "--help"}, {"population", "set", "access", "--help"}} {
		c := newCommands()
		parser, err := kong.New(c, kong.Name("gatehouse"), kong.Writers(out, out), kong.Exit(func(int) {}))
		idptest.Must(t, err)
		_, _ = parser.Parse(args) // help ends the program, and goes on here
	}
	if strings.Contains(out.String(), "console.") {
		t.Errorf("a key without a text:\n%s", out)
	}
	for _, flag := range []string{"--redirect-uri", "--post-logout-redirect-uri", "--scope=", "--population=", "--access-ttl", "--[no-]require-pkce", "--logo-uri", "--support-url", "--min-length", "--kept-idle"} {
		if !strings.Contains(out.String(), flag) {
			t.Errorf("no %s in\n%s", flag, out)
		}
	}
}
