package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// A script tells what to repeat from what to mend by the exit code, and reads why.
func TestAFailureIsJSONWhereAnswersAre(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	for name, c := range map[string]struct {
		args    []string
		exit    int
		code    string
		message string
	}{
		"refused":     {[]string{"user create", "--email", "nobody"}, exitRefused, "bad_request", "(--email)"},
		"a choice":    {[]string{"client create", "--name", "App", "--population", "agents", "--signing-alg", "HS256"}, exitRefused, "bad_request", "RS256, ES256, EdDSA, PS256 (--signing-alg)"},
		"not found":   {[]string{"role show nothing"}, exitRefused, "not_found", "There is no such role."},
		"no flag":     {[]string{"role show nothing", "--nope"}, exitUsage, "usage", "--nope"},
		"no choice":   {[]string{"client create", "--name", "App", "--kind", "gadget"}, exitUsage, "usage", "--kind must be one of"},
		"unreachable": {[]string{"role list", "--issuer", "http://" + nobodyListens(t)}, exitUnreachable, "unreachable", "refused"},
		"no secret":   {[]string{"role list", "--client-secret-file", ""}, exitUsage, "usage", "--client-secret-file"},
		"no client":   {[]string{"role list", "--client-id", "nobody"}, exitRefused, "invalid_client", "Check --client-id"},
	} {
		out, complaints, exit := d.run("", c.args...)
		complaints = complaints[strings.Index(complaints, "{"):]
		var f failure
		if err := json.Unmarshal([]byte(complaints), &f); err != nil || out != "" || exit != c.exit || f.Code != c.code || !strings.Contains(f.Message, c.message) {
			t.Errorf("%s: exit code %d, %v: %s", name, exit, err, complaints)
		}
	}
	out, complaints, exit := d.run("", "role show nothing", "--output", "table")
	if exit != exitRefused || out != "" || !strings.Contains(complaints, "\ngatehouse: There is no such role.") {
		t.Errorf("as text: %d %s", exit, complaints)
	}
}

func TestTheShellCompletes(t *testing.T) {
	for words, want := range map[string]string{
		"": "client", "cli": "client", "client cr": "create", "client create --ki": "--kind", "client create --kind ": "spa",
		"user list --dis": "--disabled", "policy access set agents --sign-in ": "both",
	} {
		var out, complaints bytes.Buffer
		args := append([]string{"completion", "words"}, strings.Split(words, " ")...)
		code := run(t.Context(), terminal{strings.NewReader(""), &out, &complaints}, args)
		if found := strings.Fields(out.String()); code != 0 || !slices.Contains(found, want) {
			t.Errorf("%q: exit code %d, %q %s, want %s", words, code, found, &complaints, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out, complaints bytes.Buffer
		if code := run(t.Context(), terminal{strings.NewReader(""), &out, &complaints}, []string{"completion", shell}); code != 0 || !strings.Contains(out.String(), "completion words") {
			t.Errorf("%s: %d %s", shell, code, &complaints)
		}
	}
}

// A role is found by its name as by its id.
func TestRolesAreFoundByTheirNames(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	role := d.does("role create", "--name", "Front desk", "--permission", "audit.read", why)
	expect(t, "shown", d.does("role show", "front DESK"), "id", fmt.Sprint(role["id"]))
	expect(t, "created", d.does("user create", "--email", "maya@rtx.example", "--role", "Front desk,agent"), "roles", fmt.Sprintf("[%s agent]", role["id"]))
	d.does("user roles set maya@rtx.example", "--role", "Manager", why)
	expect(t, "given", d.does("user show maya@rtx.example"), "roles", "[manager]")
	d.does("role edit", "Front desk", "--name", "Back desk", why)
	d.does("role delete", "back desk", why)
	d.refused("There is no such role", "role show", "Back")
}
