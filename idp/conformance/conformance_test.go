package conformance_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

// profile is a certification profile of the OpenID Foundation's.
type profile struct {
	name, plan, mode string
	modules          []module
}

var profiles = []profile{
	{"Basic OP", "oidcc-basic-certification-test-plan", "", basic},
	{"Form Post OP", "oidcc-formpost-basic-certification-test-plan", "form_post", basic},
	{"Config OP", "oidcc-config-certification-test-plan", "", config},
	{"RP-Initiated OP", "oidcc-rp-initiated-logout-certification-test-plan", "", rpInitiated},
	{"Back-Channel OP", "oidcc-backchannel-rp-initiated-logout-certification-test-plan", "", backChannel},
	{"Front-Channel OP", "oidcc-frontchannel-rp-initiated-logout-certification-test-plan", "", frontChannel},
	{"3rd Party-Init OP", "oidcc-3rdparty-init-login-certification-test-plan", "", thirdParty},
	{"FAPI 2.0 Security Profile OP", "fapi2-security-profile-final-test-plan", "", named("fapi2-security-profile-final-", fapiPlan)},
}

// named are modules whose names begin with their plan's.
func named(prefix string, modules []module) []module {
	for i := range modules {
		modules[i].id = prefix + modules[i].id
	}
	return modules
}

func TestEachModulePasses(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		t.Parallel()
		h := open(t, db.URL)
		for _, p := range profiles {
			for _, m := range p.modules {
				t.Run(p.plan+"/"+m.id, func(t *testing.T) {
					for _, said := range h.run(t, m, p.mode) {
						t.Error(said)
					}
				})
			}
		}
	})
}

// A provider with the fault of a module fails that module, and no other of its profile:
// of all others with make test-all, of the two that follow it otherwise.
func TestAWrongProviderFailsItsModuleAlone(t *testing.T) {
	t.Parallel()
	for _, p := range profiles {
		t.Run(p.plan, func(t *testing.T) {
			t.Parallel()
			h := open(t, idptest.Migrated(t))
			for i, wrong := range p.modules {
				t.Run(wrong.id, func(t *testing.T) {
					h.fault.Store(&wrong.wrong)
					defer h.fault.Store(nil)
					if failed := h.failing(t, p.beside(i), p.mode); !slices.Equal(failed, []string{wrong.id}) {
						t.Errorf("with the fault of %s fail: %s", wrong.id, strings.Join(failed, ", "))
					}
				})
			}
		})
	}
}

// beside are the modules that run at the provider with the fault of one.
func (p profile) beside(i int) []module {
	if idptest.OnBoth() {
		return p.modules
	}
	return p.modules[i:min(i+3, len(p.modules))]
}

func (h *house) failing(t *testing.T, modules []module, mode string) (failed []string) {
	t.Helper()
	for _, m := range modules {
		if len(h.run(t, m, mode)) > 0 {
			failed = append(failed, m.id)
		}
	}
	return failed
}

var update = flag.Bool("update", false, "write the tables of docs/conformance.md")

// docs/conformance.md lists what runs here.
func TestTheDocsListEachModule(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "docs", "conformance.md")
	text, err := os.ReadFile(file)
	idptest.Must(t, err)
	head, _, found := strings.Cut(string(text), "\n## Basic OP\n")
	want := head + tables()
	switch {
	case !found:
		t.Fatalf("%s has no section Basic OP", file)
	case *update:
		idptest.Must(t, os.WriteFile(file, []byte(want), 0o600))
	case want != string(text):
		t.Errorf("%s does not list the modules: go test ./idp/conformance -update -run Docs", file)
	}
}

func tables() string {
	var b strings.Builder
	for _, p := range profiles {
		fmt.Fprintf(&b, "\n## %s\n\nPlan `%s`", p.name, p.plan)
		if p.mode != "" {
			fmt.Fprintf(&b, ", each request with `response_mode=%s`", p.mode)
		}
		b.WriteString(".\n\n| Module | Test |\n| --- | --- |\n")
		for _, m := range p.modules {
			fmt.Fprintf(&b, "| `%s` | `%s` |\n", m.id, check(m))
		}
	}
	return b.String()
}

// check is the name of the function that a module is.
func check(m module) string {
	name := runtime.FuncForPC(reflect.ValueOf(m.check).Pointer()).Name()
	name = name[strings.LastIndex(name, "/")+1:]
	_, name, _ = strings.Cut(name, ".")
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "init."), ".func")
	return name
}
