package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"

	"gatehouse/idp/idptest"
)

const deploy = "../../docs/deploy/"

// knownVariables fails for a variable that the program would refuse.
func knownVariables(t *testing.T, where string, variables map[string]string) {
	t.Helper()
	var list []string
	for name, value := range variables {
		list = append(list, name+"="+value)
	}
	if _, err := parsed(t, "", list, "version"); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

// documents reads a file of YAML documents.
func documents(t *testing.T, text []byte) (all []map[string]any) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		one := map[string]any{}
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		idptest.Must(t, err)
		all = append(all, one)
	}
}

// at follows names and numbers into a document.
func at(document any, path ...any) any {
	for _, p := range path {
		switch key := p.(type) {
		case string:
			m, _ := document.(map[string]any)
			document = m[key]
		case int:
			list, _ := document.([]any)
			if key >= len(list) {
				return nil
			}
			document = list[key]
		}
	}
	return document
}

func TestComposeConfiguresTwoProcessesThatWouldStart(t *testing.T) {
	text, err := os.ReadFile(deploy + "compose.yaml")
	idptest.Must(t, err)
	all := documents(t, text)[0]
	for _, name := range []string{"gatehouse-a", "gatehouse-b"} {
		service := at(all, "services", name)
		variables := map[string]string{}
		for variable, value := range at(service, "environment").(map[string]any) {
			variables[variable] = strings.ReplaceAll(fmt.Sprint(value), "${ID_HOST:-id.localhost}", "id.example")
		}
		knownVariables(t, name, variables)
		variables["GATEHOUSE_DATABASE_URL_FILE"] = written(t, "postgres://gatehouse:x@postgres/gatehouse")
		variables["GATEHOUSE_MASTER_KEYS_FILE"] = written(t, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
		for variable, value := range variables {
			t.Setenv(variable, value)
		}
		if _, complaints, code := configured(t, "", "config", "check", "--data", t.TempDir()); code != 0 {
			t.Errorf("%s: %s", name, complaints)
		}
		if at(service, "read_only") != true {
			t.Errorf("%s may write its own root", name)
		}
	}
	caddy, err := os.ReadFile(deploy + "compose.Caddyfile")
	idptest.Must(t, err)
	if !bytes.Contains(caddy, []byte("gatehouse-a:8080 gatehouse-b:8080")) {
		t.Error("Caddy knows other processes")
	}
}

// The chart is rendered by helm (make chart), which is too large to be built for each run of
// the tests. What came of it is kept, with a hash of what it was made from.
func TestTheChartRendersWhatKubernetesShouldRun(t *testing.T) {
	text, err := os.ReadFile("testdata/chart.yaml")
	idptest.Must(t, err)
	if want := "# " + chartHash(t) + "\n"; !bytes.HasPrefix(text, []byte(want)) {
		t.Fatalf("the chart has changed: make chart (%s)", want)
	}
	for _, d := range documents(t, text) {
		switch d["kind"] {
		case "Deployment":
			wantDeployment(t, d)
		case "Ingress":
			paths := fmt.Sprint(at(d, "spec", "rules", 0, "http", "paths", 0, "path"), at(d, "spec", "rules", 0, "http", "paths", 1, "path"))
			if paths != "/sso/.well-known/oauth-authorization-server/sso" {
				t.Errorf("the ingress leads %s", paths)
			}
		case "ConfigMap":
			file, _ := at(d, "data", "gatehouse.yaml").(string)
			if c, err := parsed(t, file, nil, "serve"); err != nil || c.Serve.SMTPServer != "mail.example" {
				t.Errorf("the configuration file: %v\n%s", err, file)
			}
		}
	}
}

func wantDeployment(t *testing.T, d map[string]any) {
	t.Helper()
	pod := at(d, "spec", "template", "spec")
	container := at(pod, "containers", 0)
	variables := map[string]string{}
	for _, v := range at(container, "env").([]any) {
		variables[fmt.Sprint(at(v, "name"))] = fmt.Sprint(at(v, "value"))
	}
	knownVariables(t, "the chart", variables)
	drain, err := time.ParseDuration(variables["GATEHOUSE_DRAIN"])
	idptest.Must(t, err)
	if grace, _ := at(pod, "terminationGracePeriodSeconds").(int); time.Duration(grace)*time.Second < drain+20*time.Second {
		t.Errorf("Kubernetes kills after %d s, and a stop takes %s and 20 s", grace, drain)
	}
	for what, got := range map[string]any{
		"enableServiceLinks: false":            at(pod, "enableServiceLinks") == false,
		"automountServiceAccountToken: false":  at(pod, "automountServiceAccountToken") == false,
		"runAsNonRoot":                         at(pod, "securityContext", "runAsNonRoot"),
		"readOnlyRootFilesystem":               at(container, "securityContext", "readOnlyRootFilesystem"),
		"no privilege escalation":              at(container, "securityContext", "allowPrivilegeEscalation") == false,
		"readiness by /readyz":                 at(container, "readinessProbe", "httpGet", "path") == "/readyz",
		"liveness by /livez, not the database": at(container, "livenessProbe", "httpGet", "path") == "/livez",
		"the keys from a file":                 variables["GATEHOUSE_MASTER_KEYS_FILE"] != "",
		"none unavailable in an upgrade":       at(d, "spec", "strategy", "rollingUpdate", "maxUnavailable") == 0,
	} {
		if got != true {
			t.Errorf("the chart has not: %s", what)
		}
	}
}

// chartHash is of all files of the chart.
func chartHash(t *testing.T) string {
	t.Helper()
	sum := sha256.New()
	idptest.Must(t, filepath.WalkDir(deploy+"helm/gatehouse", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path) // #nosec G304 G122 -- the project's own
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(path), len(text), text)
		return err
	}))
	return hex.EncodeToString(sum.Sum(nil))
}

// TestWriteChart is what make chart runs: it writes what helm rendered, with the hash.
func TestWriteChart(t *testing.T) {
	rendered := os.Getenv("GATEHOUSE_TEST_CHART")
	if rendered == "" {
		t.Skip("make chart runs this")
	}
	text, err := os.ReadFile(rendered)
	idptest.Must(t, err)
	idptest.Must(t, os.WriteFile("testdata/chart.yaml", append([]byte("# "+chartHash(t)+"\n"), text...), 0o600))
}

var execStart = regexp.MustCompile(`(?m)^ExecStart=\S+ (.*)$`)

func TestTheSystemdUnitStartsACommandThatExists(t *testing.T) {
	text, err := os.ReadFile(deploy + "gatehouse.service")
	idptest.Must(t, err)
	line := execStart.FindSubmatch(text)
	if line == nil {
		t.Fatal("the unit starts nothing")
	}
	args := strings.Fields(strings.Replace(string(line[1]), "/etc/gatehouse.yaml", written(t, "issuer: https://id.example\n"), 1))
	c := newCommands()
	parser, err := kong.New(c, append(withSettings(nil), kong.Name("gatehouse"))...)
	idptest.Must(t, err)
	if _, err := parser.Parse(args); err != nil || c.Serve.Issuer != "https://id.example" || c.Serve.Data != "/var/lib/gatehouse" {
		t.Errorf("%v: %v", args, err)
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		return // a system without systemd reads no units
	}
	binary := filepath.Join(t.TempDir(), "gatehouse")
	idptest.Must(t, os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o700)) // #nosec G306 -- it has to be executable
	unit := filepath.Join(t.TempDir(), "gatehouse.service")
	idptest.Must(t, os.WriteFile(unit, bytes.Replace(text, []byte("/usr/local/bin/gatehouse"), []byte(binary), 1), 0o600))
	if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || bytes.Contains(out, []byte("gatehouse.service:")) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
