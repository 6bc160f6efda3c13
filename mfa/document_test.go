package mfa_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/mfa"
)

var update = flag.Bool("update", false, "rewrite the generated part of docs/mfa.md")

// document and the lines between which it is generated.
const (
	document = "../docs/mfa.md"
	begin    = "<!-- generated: begin -->\n"
	end      = "<!-- generated: end -->\n"
)

// The document says what Decide and AMR answer: with -update it is written from
// them, and else compared.
func TestDocument(t *testing.T) {
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(content), begin)
	_, after, closed := strings.Cut(rest, end)
	if !opened || !closed {
		t.Fatalf("%s has lost its lines %sor %s", document, begin, end)
	}
	want := before + begin + "\n" + tokenTable() + trustTable() + decisionTables() + end + after
	if want == string(content) {
		return
	}
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	line, is, should := firstDifference(string(content), want)
	t.Errorf("%s differs from the rule in line %d:\n  it says   %s\n  should be %s\n(go test ./mfa -run TestDocument -update)", document, line, is, should)
}

// firstDifference is the first line, counted from one, in which two texts differ.
func firstDifference(is, should string) (line int, a, b string) {
	left, right := strings.Split(is, "\n"), strings.Split(should, "\n")
	for i := range max(len(left), len(right)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(left) {
			a = left[i]
		}
		if i < len(right) {
			b = right[i]
		}
		if a != b {
			return i + 1, a, b
		}
	}
	return 0, "", ""
}

func TestFirstDifference(t *testing.T) {
	for name, c := range map[string]struct {
		is, should string
		want       string
	}{
		"none":     {"a\nb", "a\nb", "0  "},
		"changed":  {"a\nb\nc", "a\nx\ny", "2 b x"},
		"missing":  {"a", "a\nb", "2 (nothing) b"},
		"too much": {"a\nb", "a", "2 b (nothing)"},
	} {
		line, a, b := firstDifference(c.is, c.should)
		if got := fmt.Sprint(line, " ", a, " ", b); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// tokenTable is what a token says of each way to sign in.
func tokenTable() string {
	synced := proved(passkey, "", "swk")
	var b strings.Builder
	b.WriteString("### What a token says\n\n| Proofs | `amr` | `acr` |\n| --- | --- | --- |\n")
	for _, row := range []struct {
		name   string
		proofs []idp.Proof
	}{
		{"password", pwd},
		{"password, email code", pwdMail},
		{"password, authenticator code", pwdApp},
		{"password, recovery code", pwdCode},
		{"password, email code, authenticator code", []idp.Proof{password, email, app}},
		{"passkey", []idp.Proof{passkey}},
		{"passkey that is synced between devices", []idp.Proof{synced}},
		{"passkey of a security key that its maker vouches for", []idp.Proof{proved(passkey, "", "hwk")}},
		{"password, security key without a PIN", []idp.Proof{password, touched}},
		{"security key without a PIN alone", []idp.Proof{touched}},
		{"federated", fed},
		{"federated, the upstream proves `mfa`", []idp.Proof{proved(entra, idp.ACRMFA, "mfa")}},
		{"email code alone", []idp.Proof{email}},
		{"authenticator code alone", []idp.Proof{app}},
	} {
		acr := "none"
		if achieved := mfa.Achieved(row.proofs); achieved != "" {
			acr = "`" + string(achieved) + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", row.name, strings.Join(mfa.AMR(row.proofs), "` `"), acr)
	}
	return b.String() + "\n"
}

var (
	policyTitles   = []string{"no policy", "authenticator", "email code", "authenticator and email code", "passkey", "authenticator and passkey", "all three", "passkey, with trusted models of security keys"}
	overrideTitles = []string{"inherits", "off", "required", "required, at least `mfa`", "required, at least `phr`", "required, at least `phrh`"}
	overrideRows   = []idp.Override{inherit, off, required, requiredAt(idp.ACRMFA), requiredAt(idp.ACRPasskey), requiredAt(idp.ACRHardware)}

	enrolmentTitles = []string{
		"nothing", "authenticator, recovery codes", "authenticator, no codes left",
		"authenticator disabled, codes left", "everything disabled", "nothing, email code disabled",
		"passkey, recovery codes", "authenticator, passkey, recovery codes", "passkey in hardware, recovery codes",
	}
	enrolmentRows = []mfa.Enrolled{nothing, enrolled, noCodes, codesOnly, noEmail(locked), noEmail(nothing), keyed, appAndKey, hardware}

	proofTitles   = []string{"nothing", "password", "password, email code", "password, authenticator code", "passkey", "federated"}
	proofRows     = [][]idp.Proof{nil, pwd, pwdMail, pwdApp, {passkey}, fed}
	demandColumns = []idp.Demand{noDemand, asks(idp.ACRTwoStep), asks(idp.ACRMFA), asks(idp.ACRPasskey), asks(idp.ACRHardware)}
)

// decisionTables is who is asked for what, a table for each policy; and for each override,
// where there is no policy and where there is every method.
func decisionTables() string {
	var b strings.Builder
	for i, policy := range policies {
		for j, override := range overrideRows {
			if j > 0 && policy != noPolicy && policy != allPolicy && (policy != makerPolicy || override.MinACR != idp.ACRHardware) {
				continue
			}
			fmt.Fprintf(&b, "### Policy: %s. Client: %s\n\n", policyTitles[i], overrideTitles[j])
			b.WriteString("| Proved so far | Enrolled | no `acr_values` | `two-step` | `mfa` | `phr` | `phrh` |\n| --- | --- | --- | --- | --- | --- | --- |\n")
			for k, proofs := range proofRows {
				b.WriteString(rowsOf(proofTitles[k], asked{policy: policy, override: override, proofs: proofs}))
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// rowsOf are the answers after some proofs, those enrolments together that get the
// same ones.
func rowsOf(proofTitle string, c asked) string {
	var answers []string
	titles := map[string][]string{}
	for i, e := range enrolmentRows {
		var cells []string
		for _, d := range demandColumns {
			c.enrolled, c.demand = e, d
			cells = append(cells, c.inWords(mfa.Decide(c.question())))
		}
		answer := strings.Join(cells, " | ")
		if !slices.Contains(answers, answer) {
			answers = append(answers, answer)
		}
		titles[answer] = append(titles[answer], enrolmentTitles[i])
	}
	var b strings.Builder
	for _, answer := range answers {
		who := strings.Join(titles[answer], "; ")
		if len(answers) == 1 {
			who = "any"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", proofTitle, who, answer)
	}
	return b.String()
}

// inWords is a decision as people see it.
func (c asked) inWords(d mfa.Decision) string {
	var methods []string
	for _, m := range d.Methods {
		methods = append(methods, map[idp.Method]string{
			idp.MethodTOTP: "authenticator code", idp.MethodPasskey: "passkey", idp.MethodEmail: "email code", idp.MethodRecovery: "recovery code",
		}[m])
	}
	switch d.Outcome {
	case mfa.Satisfied:
		return "done"
	case mfa.FirstStep:
		if mfa.MayStandAlone(idp.MethodPasskey, c.policy, c.override, false) {
			return "password or passkey"
		}
		return "password"
	case mfa.Challenge:
		return strings.Join(methods, ", or ")
	case mfa.Choose:
		return "choose: " + setUpWords(d.Methods)
	case mfa.ProveEmail:
		return "email code, then set up"
	case mfa.SetUp:
		if d.Hardware {
			return "set up passkey in hardware"
		}
		return setUpWords(d.Methods)
	case mfa.Unreachable:
		return "refused: unmet_authentication_requirements"
	case mfa.Stuck:
		return "stuck: reset needed"
	}
	return d.Outcome.String()
}

// setUpWords are the methods of a set-up or of a choice.
func setUpWords(methods []idp.Method) string {
	var list []string
	for _, m := range methods {
		list = append(list, map[idp.Method]string{
			idp.MethodTOTP: "set up app", idp.MethodPasskey: "set up passkey", idp.MethodEmail: "email code",
		}[m])
	}
	return strings.Join(list, " or ")
}
