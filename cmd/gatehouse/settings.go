package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// configFile is a configuration file: its settings by the path that leads to each,
// joined with hyphens. A setting stands below its command, or alone for all commands
// that have it.
type configFile struct {
	from     sources
	settings map[string]setting
	sections []string // named in the file, and empty
}

// setting is one value of a configuration file, and its name as it is written there.
type setting struct {
	name  string
	value any
}

// loadConfig reads a configuration file.
func (s sources) loadConfig(r io.Reader) (kong.Resolver, error) {
	d := yaml.NewDecoder(r)
	content := map[string]any{}
	if err := d.Decode(&content); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the configuration file: %w", err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the configuration file has more than one document")
	}
	f := &configFile{from: s, settings: map[string]setting{}}
	return f, f.add(nil, content)
}

// add takes in a section of the file.
func (f *configFile) add(path []string, section map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(section)) {
		at := append(slices.Clone(path), key)
		switch v := section[key].(type) {
		case map[string]any:
			if err := f.add(at, v); err != nil {
				return err
			}
		case map[any]any:
			return fmt.Errorf("configuration file: %s: the names in it are no words", strings.Join(at, "."))
		case nil:
			f.sections = append(f.sections, strings.Join(at, "-"))
		default:
			name := strings.Join(at, "-")
			if twin, twice := f.settings[name]; twice {
				return fmt.Errorf("configuration file: %s and %s are the same setting", twin.name, strings.Join(at, "."))
			}
			f.settings[name] = setting{strings.Join(at, "."), v}
		}
	}
	return nil
}

// Resolve implements kong.Resolver. A variable counts more than the file, as everywhere.
func (f *configFile) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if inEnvironment(flag) != "" || f.from[flag.Name] != "" {
		return nil, nil
	}
	for _, name := range []string{pathOf(parent.Node()) + flag.Name, flag.Name} {
		if s, ok := f.settings[name]; ok {
			f.from[flag.Name] = "file: " + s.name
			return s.value, nil
		}
		if s, ok := f.settings[name+"-"+fileOf]; ok && flag.Tag.Get("secret") != "" {
			f.from[flag.Name] = "file: " + s.name
			return fromFile(s.name, fmt.Sprint(s.value))
		}
	}
	return nil, nil
}

// pathOf is what stands before the settings of a command.
func pathOf(n *kong.Node) string {
	if n == nil || n.Type == kong.ApplicationNode {
		return ""
	}
	if n.Parent.Name == "config" && n.Parent.Parent.Type == kong.ApplicationNode {
		return "serve-" // these tell of its configuration
	}
	return pathOf(n.Parent) + n.Name + "-"
}

// Validate refuses what no command knows: a setting that is misspelt must not be one
// that is left out.
func (f *configFile) Validate(app *kong.Application) error {
	known, sections := settingsOf(app.Node)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(f.settings)) {
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("configuration file: %s is not known: did you mean %s?", f.settings[name].name, nearest(name, known)))
		}
	}
	for _, name := range f.sections {
		switch {
		case slices.Contains(sections, name): // everything in it is commented out
		case slices.Contains(known, name):
			errs = append(errs, fmt.Errorf("configuration file: %s has no value", name))
		default:
			errs = append(errs, fmt.Errorf("configuration file: %s is not known: did you mean %s?", name, nearest(name, known)))
		}
	}
	return errors.Join(errs...)
}

// settingsOf lists what a file may set, and the commands below which it may stand.
func settingsOf(n *kong.Node) (known, sections []string) {
	for _, flag := range n.Flags {
		if flag.Name != "help" && flag.Name != "config" { // they ask for something, and set nothing
			known = append(known, flag.Name, pathOf(n)+flag.Name)
			if flag.Tag.Get("secret") != "" {
				known = append(known, flag.Name+"-"+fileOf, pathOf(n)+flag.Name+"-"+fileOf)
			}
		}
	}
	for _, child := range n.Children {
		k, s := settingsOf(child)
		known = append(known, k...)
		sections = append(append(sections, strings.TrimSuffix(pathOf(child), "-")), s...)
	}
	return known, sections
}

// environment refuses variables that look like ours and are none.
type environment struct{ variables []string }

// Resolve implements kong.Resolver: kong reads the variables itself.
func (environment) Resolve(*kong.Context, *kong.Path, *kong.Flag) (any, error) { return nil, nil }

// Validate implements kong.Resolver.
func (e environment) Validate(app *kong.Application) error {
	known := append(variablesOf(app.Node), secretVariable)
	var errs []error
	for _, variable := range e.variables {
		name, value, _ := strings.Cut(variable, "=")
		folded := strings.ToUpper(name)
		switch {
		case !strings.HasPrefix(folded, "GATEHOUSE_"), strings.HasPrefix(name, "GATEHOUSE_TEST_"), isServiceLink(name, value):
		case slices.Contains(known, name), runtime.GOOS == "windows" && slices.Contains(known, folded):
		default:
			errs = append(errs, fmt.Errorf("environment: %s is not known: did you mean %s?", name, nearest(folded, known)))
		}
	}
	return errors.Join(errs...)
}

// variablesOf lists the variables of all commands.
func variablesOf(n *kong.Node) (known []string) {
	for _, flag := range n.Flags {
		known = append(known, flag.Envs...)
		for _, name := range flag.Envs {
			if flag.Tag.Get("secret") != "" {
				known = append(known, name+"_"+strings.ToUpper(fileOf))
			}
		}
	}
	for _, child := range n.Children {
		known = append(known, variablesOf(child)...)
	}
	return known
}

// linkForm are the variables that Kubernetes makes of a service that is called
// gatehouse-something.
var linkForm = regexp.MustCompile(`^GATEHOUSE_[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// isServiceLink tells whether Kubernetes makes such a variable for the pods beside a
// service that is called gatehouse, or gatehouse-something.
func isServiceLink(name, value string) bool {
	return name == "GATEHOUSE_PORT" || strings.HasPrefix(name, "GATEHOUSE_PORT_") ||
		strings.HasPrefix(name, "GATEHOUSE_SERVICE_") || linkForm.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// nearest is the known name that takes the fewest changes of letters to get to.
func nearest(name string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
}

// distance counts the letters to put in, leave out or exchange between two names
// (Levenshtein). Hyphens and underscores are the same.
func distance(a, b string) int {
	a, b = strings.ReplaceAll(a, "_", "-"), strings.ReplaceAll(b, "_", "-")
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			exchanged := diagonal
			if a[i] != b[j] {
				exchanged++
			}
			diagonal = row[j+1]
			row[j+1] = min(exchanged, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// durations reads durations with a unit. A bare number is refused: it would be
// nanoseconds.
var durations = kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("duration")
	if err != nil {
		return err
	}
	d, err := parseDuration(fmt.Sprint(t.Value))
	if err != nil {
		return err
	}
	target.SetInt(int64(d))
	return nil
}))

// parseDuration reads a duration as Go writes it, or a number of days. Zero needs no
// unit.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err == nil && n <= math.MaxInt64/uint64(24*time.Hour) {
			return time.Duration(n) * 24 * time.Hour, nil // #nosec G115 -- compared above
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: give a number and its unit, such as 400d, 12h or 90s", text)
	}
	return d, nil
}

// withSettings are where settings come from beside the command line.
func withSettings(variables []string) []kong.Option {
	from := sources{}
	return []kong.Option{
		durations, kong.Configuration(from.loadConfig), kong.Resolvers(environment{variables}, secretFiles{from}), kong.Bind(from),
	}
}
