package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"gatehouse/admin/apiclient"
)

// Exit codes (docs/admin.md has them).
const (
	exitRefused     = 1 // the provider, or this program, does not do it
	exitUsage       = 2 // the command line makes no sense
	exitUnreachable = 3 // the provider did not answer, or could not
)

// failure is why a command failed, for programs.
type failure struct {
	Code      string                   `json:"code"`
	Status    int                      `json:"status,omitempty"`
	Message   string                   `json:"message"`
	RequestID string                   `json:"request_id,omitempty"`
	Errors    []apiclient.FieldProblem `json:"errors,omitempty"`
	exit      int
}

// failureOf explains an error. Flags says which flag sends a field.
func failureOf(err error, flags map[string]string) failure {
	f := failure{Code: "failed", Message: fmt.Sprint(inEnglish(err)), exit: exitRefused}
	var refused *apiclient.Problem
	var noToken *apiclient.TokenError
	var away *apiclient.UnreachableError
	var usage usageError
	switch {
	case errors.As(err, &usage):
		f.Code, f.exit = "usage", exitUsage
	case errors.As(err, &refused):
		f.Code, f.Status, f.RequestID, f.Errors = refused.Code, refused.Status, refused.RequestID, refused.Errors
		for _, e := range refused.Errors {
			if flag := flags[strings.TrimPrefix(e.Pointer, "/")+e.Parameter]; flag != "" {
				f.Message = strings.Replace(f.Message, e.Detail, e.Detail+" (--"+flag+")", 1)
			}
		}
		if refused.Status >= 500 {
			f.exit = exitUnreachable
		}
	case errors.As(err, &noToken):
		if f.Code = noToken.Code; f.Code == "" {
			f.Code, f.exit = "unreachable", exitUnreachable
		}
	case errors.As(err, &away):
		f.Code, f.exit = "unreachable", exitUnreachable
	}
	if what := advice(err); what != "" {
		f.Message += "\n" + what
	}
	return f
}

// tell prints a failure to standard error, as JSON where answers are JSON.
func (t terminal) tell(f failure, asJSON bool) int {
	if asJSON {
		e := json.NewEncoder(t.err)
		e.SetEscapeHTML(false)
		_ = e.Encode(f) // there is nothing left to tell
		return f.exit
	}
	fmt.Fprintln(t.err, "gatehouse:", f.Message)
	return f.exit
}

// wantsJSON tells whether a command line asks for JSON, though it may not make sense.
func wantsJSON(args []string) bool {
	wanted := os.Getenv("GATEHOUSE_OUTPUT")
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--output="); ok {
			wanted = value
		} else if arg == "--output" && i+1 < len(args) {
			wanted = args[i+1]
		}
	}
	return wanted == "json"
}

// outputOf is the --output of a command that was parsed: a file may have it.
func outputOf(parsed *kong.Context) string {
	for _, flag := range parsed.Flags() {
		if flag.Name == "output" {
			return fmt.Sprint(parsed.FlagValue(flag))
		}
	}
	return ""
}

// sendersOf says which flag of a command sends a field of the API's.
func sendersOf(parsed *kong.Context) map[string]string {
	flags := map[string]string{}
	for _, flag := range parsed.Flags() {
		field, _, _ := strings.Cut(flag.Tag.Get("json"), ",")
		if field != "" && field != "-" {
			flags[field] = flag.Name
		}
	}
	return flags
}

// marked is a flag's help; it says which ones there must be.
func marked(value *kong.Value) string {
	help := kong.DefaultHelpValueFormatter(value)
	if value.Required && value.Flag != nil {
		return strings.TrimSuffix(help, ".") + " (required)."
	}
	return help
}

type completionCommand struct {
	Bash  completionScript `cmd:"" help:"For ~/.bashrc: source <(gatehouse completion bash)."`
	Zsh   completionScript `cmd:"" help:"For ~/.zshrc, after compinit: source <(gatehouse completion zsh)."`
	Fish  completionScript `cmd:"" help:"For config.fish: gatehouse completion fish | source."`
	Words completionWords  `cmd:"" hidden:"" passthrough:"all"`
}

type completionScript struct{}

var completionScripts = map[string]string{
	"bash": `_gatehouse() { mapfile -t COMPREPLY < <(gatehouse completion words "${COMP_WORDS[@]:1:COMP_CWORD}"); }
complete -o default -F _gatehouse gatehouse
`,
	"zsh": `_gatehouse() { local -a found; found=("${(@f)$(gatehouse completion words "${(@)words[2,CURRENT]}")}"); compadd -a found; }
compdef _gatehouse gatehouse
`,
	"fish": `complete -c gatehouse -f -a '(gatehouse completion words (commandline -opc)[2..] (commandline -ct))'
`,
}

// Run prints the script of a shell, which asks this program for words.
func (completionScript) Run(t terminal, parsed *kong.Context) error {
	_, err := fmt.Fprint(t.out, completionScripts[parsed.Selected().Name])
	return err
}

type completionWords struct {
	Words []string `arg:"" optional:""`
}

// Run prints what may stand in place of the last word.
func (c completionWords) Run(t terminal, parsed *kong.Context) error {
	words := append([]string{}, c.Words...)
	if len(words) == 0 {
		words = []string{""}
	}
	for _, word := range completions(parsed.Model.Node, words[:len(words)-1]) {
		if strings.HasPrefix(word, words[len(words)-1]) {
			fmt.Fprintln(t.out, word)
		}
	}
	return nil
}

// completions are what may follow words: commands and flags, or the choices of a flag.
func completions(at *kong.Node, words []string) (found []string) {
	flags := map[string]*kong.Flag{}
	add := func(n *kong.Node) {
		for _, flag := range n.Flags {
			flags["--"+flag.Name] = flag
		}
	}
	add(at)
	var last *kong.Flag
	for _, word := range words {
		if flag := flags[word]; flag != nil {
			last = flag
			continue
		}
		last = nil
		i := slices.IndexFunc(at.Children, func(n *kong.Node) bool { return n.Name == word })
		if i >= 0 {
			at = at.Children[i]
			add(at)
		}
	}
	if last != nil && !last.IsBool() {
		return last.EnumSlice()
	}
	for _, child := range at.Children {
		if !child.Hidden {
			found = append(found, child.Name)
		}
	}
	for name, flag := range flags {
		if !flag.Hidden {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}
