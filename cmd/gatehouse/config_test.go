package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"gatehouse/idp/idptest"
)

var update = flag.Bool("update", false, "write the pages of docs that tests hold anew")

// configured runs a command with a configuration file and says what it printed.
func configured(t *testing.T, file string, args ...string) (out, complaints string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.yaml")
	idptest.Must(t, os.WriteFile(path, []byte(file), 0o600))
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), terminal{strings.NewReader(""), &stdout, &stderr}, append([]string{"--config", path}, args...))
	return stdout.String(), stderr.String(), code
}

func written(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "secret")
	idptest.Must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestConfigShowTellsWhereEachValueComesFromAndNoSecret(t *testing.T) {
	t.Setenv("GATEHOUSE_ISSUER", "https://id.example")
	t.Setenv("GATEHOUSE_SMTP_PASSWORD_FILE", written(t, "hunter2\n"))
	out, complaints, code := configured(t, `
issuer: https://elsewhere.example
database-url: postgres://gatehouse:hunter3@db/gatehouse
serve: {listen: ":81", access-log: true}
master-keys-file: `+written(t, "hunter4")+"\n", "config", "show", "--output", "json", "--drain", "7s")
	if code != 0 {
		t.Fatalf("%d: %s", code, complaints)
	}
	var all []struct{ Name, Value, From string }
	idptest.Must(t, json.Unmarshal([]byte(out), &all))
	said := map[string]string{}
	for _, s := range all {
		said[s.Name] = s.Value + " | " + s.From
	}
	for name, want := range map[string]string{
		"issuer":        "https://id.example | GATEHOUSE_ISSUER",
		"database-url":  "postgres://gatehouse:xxxxx@db/gatehouse | file: database-url",
		"listen":        ":81 | file: serve.listen",
		"access-log":    "true | file: serve.access-log",
		"drain":         "7s | flag",
		"master-keys":   "(hidden) | file: master-keys-file",
		"smtp-password": "(hidden) | GATEHOUSE_SMTP_PASSWORD_FILE",
		"smtp-security": "starttls | default",
		"smtp-username": " | default",
	} {
		if said[name] != want {
			t.Errorf("%s is %q, want %q", name, said[name], want)
		}
	}
	if strings.Contains(out, "hunter") {
		t.Errorf("a secret is shown: %s", out)
	}
	if out, _, _ := configured(t, "", "config", "show"); !strings.Contains(out, "SETTING") || !strings.Contains(out, "https://id.example") {
		t.Errorf("as a table: %s", out)
	}
}

// The first of flag, variable and file counts; a secret that is given twice is refused.
func TestASecretInAFileOfItsOwnIsRead(t *testing.T) {
	t.Setenv("GATEHOUSE_MASTER_KEYS_FILE", written(t, "from a file\r\n"))
	c, err := parsed(t, "master-keys: from the configuration\n", nil, "serve")
	if err != nil || c.Serve.MasterKeys != "from a file" {
		t.Errorf("the keys are %q (%v)", c.Serve.MasterKeys, err)
	}
	c, err = parsed(t, "", nil, "serve", "--master-keys", "from a flag")
	if err != nil || c.Serve.MasterKeys != "from a flag" {
		t.Errorf("with a flag the keys are %q (%v)", c.Serve.MasterKeys, err)
	}
	t.Setenv("GATEHOUSE_MASTER_KEYS", "from a variable")
	if _, err := parsed(t, "", nil, "serve"); err == nil || !strings.Contains(err.Error(), "both set") {
		t.Errorf("given twice: %v", err)
	}
	t.Setenv("GATEHOUSE_MASTER_KEYS_FILE", "")
	c, err = parsed(t, "master-keys: from the configuration\n", nil, "serve")
	if err != nil || c.Serve.MasterKeys != "from a variable" {
		t.Errorf("beside the file the keys are %q (%v)", c.Serve.MasterKeys, err)
	}
	for _, path := range []string{written(t, "\n"), "/nowhere"} {
		if _, err := parsed(t, "smtp-password-file: "+path+"\n", nil, "serve"); err == nil || !strings.Contains(err.Error(), "smtp-password-file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := parsed(t, "issuer-file: /dev/null\n", []string{"GATEHOUSE_ISSUER_FILE=/dev/null"}, "serve"); err == nil {
		t.Error("a file for what is no secret is taken and not read")
	}
}

func TestConfigCheckStartsNothingAndNamesEachFault(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	_, complaints, code := configured(t, "", "config", "check", "--issuer", "http://id.example", "--listen", "here",
		"--drain=20m", "--data", folder, "--transaction-pooling", "--database-url", "postgres://db/x")
	for _, want := range []string{"issuer: ", "listen: ", "drain: ", "database-direct-url: "} {
		if !strings.Contains(complaints, want) {
			t.Errorf("nothing says %q: %s", want, complaints)
		}
	}
	if code == 0 {
		t.Error("a wrong configuration is exit code 0")
	}
	out, complaints, code := configured(t, "", "config", "check", "--issuer", "https://id.example", "--data", folder, "--connect")
	if code != 0 || !strings.Contains(out, "sound") {
		t.Errorf("%d: %s%s", code, out, complaints)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("a data folder was made")
	}
	if _, complaints, code := configured(t, "", "config", "check", "--issuer", "https://id.example", "--connect", "--database-url", "postgres://x:hunter2@127.0.0.1:1/x"); code == 0 || strings.Contains(complaints, "hunter2") {
		t.Errorf("a database that is not there: %d %s", code, complaints)
	}
}

// docs/configuration.md is written from the flags: go test ./cmd/gatehouse -run ReferencePage -update.
func TestTheReferencePageListsEachSetting(t *testing.T) {
	c := newCommands()
	parser, err := kong.New(c, durations, kong.Name("gatehouse"))
	idptest.Must(t, err)
	var rows strings.Builder
	for _, n := range parser.Model.Children {
		if n.Name != "serve" {
			continue
		}
		for _, f := range append(n.Flags, parser.Model.Flags...) {
			if f.Name == "help" || f.Name == "version" {
				continue
			}
			fmt.Fprintf(&rows, "| `--%s` | %s | %s | %s |\n", f.Name, variables(f), code(f.Default), strings.ReplaceAll(f.Help, "|", `\|`))
		}
	}
	const page, begin, end = "../../docs/configuration.md", "<!-- settings: written by a test -->\n", "<!-- end -->"
	text, err := os.ReadFile(page)
	idptest.Must(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the settings", page)
	}
	want := before + begin + "| Flag | Variable | Default | Meaning |\n| --- | --- | --- | --- |\n" + rows.String() + end + after
	if *update {
		idptest.Must(t, os.WriteFile(page, []byte(want), 0o600))
	} else if want != string(text) {
		t.Errorf("%s is not what the flags say: go test ./cmd/gatehouse -run ReferencePage -update", page)
	}
}

func variables(f *kong.Flag) string {
	var names []string
	for _, name := range f.Envs {
		names = append(names, "`"+name+"`")
		if f.Tag.Get("secret") != "" {
			names = append(names, "`"+name+"_FILE`")
		}
	}
	return strings.Join(names, ", ")
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
