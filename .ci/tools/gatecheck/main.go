// Command gatecheck is the set of analyzers that Gatehouse's code must pass,
// as one tool for `go vet -vettool`.
//
// One tool instead of a program for each means that a package is loaded and
// type-checked once, and that `go vet` caches the answers a package at a time.
// Its settings stand here, where they have room for their reasons.
package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	forbidigo "github.com/ashanbrown/forbidigo/v2/pkg/analyzer"
	"github.com/nishanths/exhaustive/passes/exhaustive"
	"github.com/polyfloyd/go-errorlint/errorlint"
	sqlclosecheck "github.com/ryanrolds/sqlclosecheck/pkg/analyzer"
	gosec "github.com/securego/gosec/v2/goanalysis"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
)

// clockFiles are the only files that may call time.Now, each with its reason.
// Everything else calls idp.Now, so that a time that is compared or stored is
// in UTC and cut to the microseconds that both databases keep.
var clockFiles = []string{
	"idp/now.go", // the clock itself
	// The demo's portals and mailbox stand for other people's programs and
	// import nothing of ours.
	"cmd/gatehouse/internal/demo/portal/portal.go",
	"cmd/gatehouse/internal/demo/mailbox/mailbox.go",
}

func main() {
	unitchecker.Main(
		forbid("clock", "time.Now", "call idp.Now()", clockFiles),
		forbid("logger", "slog.SetDefault", "call idptest.Log(t)", loggerFiles),
		// Our own enumerations alone: another module's set is not closed to us. A
		// default case is an answer for the constants that are not listed.
		set(exhaustive.Analyzer, "typeonly=^gatehouse/", "d=true"),
		errorlint.NewAnalyzer(),
		sqlclosecheck.NewDeferOnlyAnalyzer(),
		security(),
		sentences(),
	)
}

// loggerFiles are the only files that may replace the process's logger. A test that
// did so beside others would write into their log and they into its own: tests call
// idptest.Log, which does not let them run beside others.
var loggerFiles = []string{
	"cmd/gatehouse/main.go",
	"cmd/bench/process.go",
	"idp/idptest/log.go",
	"idp/outbox/kit_test.go", // for the whole package, before its tests begin
}

// forbid reports calls of a function, found by type and so under any import name,
// outside the files that may call it. Comments that would permit a line do not count:
// a new place is a line in its list above.
func forbid(name, function, message string, allowed []string) *analysis.Analyzer {
	a := set(forbidigo.NewAnalyzer(),
		fmt.Sprintf(`p={p: '^%s$', msg: '%s'}`, regexp.QuoteMeta(function), message),
		"analyze_types=true",
		"permit=false",
	)
	a.Name = name
	a.Doc = "forbid " + function + ": " + message
	return except(a, func(file string) bool {
		return slices.ContainsFunc(allowed, func(end string) bool {
			return strings.HasSuffix(file, "/"+end) // the compiler gives absolute names
		})
	})
}

// security is gosec without its guesses: below medium confidence it takes names
// like "secret" for credentials. G115 does not see that a number was compared
// before its type got narrower. G124 wants the word true in each cookie, and our
// Secure follows the issuer's scheme, as HTTP tests see. Tests are left alone:
// they hold passwords, run programs and speak plain HTTP for good reasons.
//
// What is right as it stands is marked `// #nosec G407 -- the reason`.
func security() *analysis.Analyzer {
	a := set(gosec.Analyzer, "severity=medium", "confidence=medium", "exclude=G115,G124")
	return except(a, func(file string) bool {
		return strings.HasSuffix(file, "_test.go") || strings.Contains(file, "/idp/idptest/")
	})
}

// except drops what a reports about files for which exempt is true.
func except(a *analysis.Analyzer, exempt func(file string) bool) *analysis.Analyzer {
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		report := pass.Report
		pass.Report = func(d analysis.Diagnostic) {
			if !exempt(filepath.ToSlash(pass.Fset.Position(d.Pos).Filename)) {
				report(d)
			}
		}
		return run(pass)
	}
	return a
}

// set sets flags of an analyzer, each as name=value. A flag that an update of
// the analyzer no longer knows stops the program instead of going unnoticed.
func set(a *analysis.Analyzer, flags ...string) *analysis.Analyzer {
	for _, flag := range flags {
		name, value, _ := strings.Cut(flag, "=")
		if err := a.Flags.Set(name, value); err != nil {
			panic(fmt.Sprintf("%s: -%s: %v", a.Name, flag, err))
		}
	}
	return a
}
