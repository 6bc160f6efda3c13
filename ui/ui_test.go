package ui_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"html/template"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/ui"
	"gatehouse/ui/internal/sample"
)

func newUI(t *testing.T) *ui.UI {
	t.Helper()
	u, err := ui.New(ui.Options{BasePath: "/sso"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func render(t *testing.T, u *ui.UI, p ui.Page) string {
	t.Helper()
	var out bytes.Buffer
	if err := u.Render(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// zeroPages has every page struct once, without any value.
var zeroPages = []ui.Page{
	ui.SignIn{},
	ui.Reauthenticate{},
	ui.ChangePassword{},
	ui.ChooseAccount{},
	ui.Code{},
	ui.RecoveryCode{},
	ui.EmailCode{},
	ui.Passkey{},
	ui.PasskeySetUp{},
	ui.AccountPasskey{},
	ui.ChooseMethod{},
	ui.EnrolIntro{},
	ui.Enrol{},
	ui.RecoveryCodes{},
	ui.RecoveryNotice{},
	ui.Setup{},
	ui.ConsoleOverview{},
	ui.ConsoleForm{},
	ui.ConsoleAccess{},
	ui.ConsoleConfirm{},
	ui.ConsolePeople{},
	ui.ConsolePerson{},
	ui.ConsolePersonRoles{},
	ui.ConsolePersonPassword{},
	ui.ConsolePersonCodes{},
	ui.ConsoleAsk{},
	ui.ConsoleRoles{},
	ui.ConsoleRole{},
	ui.ConsoleApps{},
	ui.ConsoleAppNew{},
	ui.ConsoleAppConnect{},
	ui.ConsoleAppSecrets{},
	ui.ConsoleRegistration{},
	ui.ConsoleAppDeliveries{},
	ui.ConsoleAudit{},
	ui.ConsoleSystem{},
	ui.AccountOverview{},
	ui.AccountProfile{},
	ui.AccountEmail{},
	ui.AccountPassword{},
	ui.AccountSecondStep{},
	ui.AccountEnrol{},
	ui.AccountRename{},
	ui.AccountAsk{},
	ui.AccountCodes{},
	ui.AccountSessions{},
	ui.AccountActivity{},
	ui.AccountMicrosoft{},
	ui.AccountData{},
	ui.AccountWho{},
	ui.AccountConfirm{},
	ui.SignOut{},
	ui.SignedOut{},
	ui.LeadOn{},
	ui.GoOn{},
	ui.Problem{},
}

func TestZeroPages(t *testing.T) {
	u := newUI(t)
	for _, page := range zeroPages {
		t.Run(reflect.TypeOf(page).Name(), func(t *testing.T) { checkPage(t, render(t, u, page)) })
	}
}

func TestSamplePages(t *testing.T) {
	u := newUI(t)
	seen := map[string]bool{}
	for name, page := range sample.Pages() {
		seen[reflect.TypeOf(page).Name()] = true
		t.Run(name, func(t *testing.T) {
			checkPage(t, render(t, u, page))
			pointer := reflect.New(reflect.TypeOf(page))
			pointer.Elem().Set(reflect.ValueOf(page))
			checkPage(t, render(t, u, pointer.Interface().(ui.Page)))
		})
	}
	for _, page := range zeroPages {
		if name := reflect.TypeOf(page).Name(); !seen[name] {
			t.Errorf("no sample of %s", name)
		}
	}
}

var (
	inline     = regexp.MustCompile(`(?i)<[^>]*\s(style|on[a-z]+)\s*=`)
	inlineTags = regexp.MustCompile(`(?i)<style|<script(?:\s[^>]*)?>`)
	script     = regexp.MustCompile(`^<script type="module" src="/sso/assets/[^"]+">$`)
	id         = regexp.MustCompile(`\sid="([^"]+)"`)
	refers     = regexp.MustCompile(`\s(?:for|aria-describedby|aria-controls|data-copy|data-reveal)="([^"]+)"`)
)

// checkPage holds what is true of every page.
// drawn are pictures, whose parts have titles of their own.
var drawn = regexp.MustCompile(`(?s)<svg.*?</svg>`)

func checkPage(t *testing.T, page string) {
	t.Helper()
	for _, found := range inlineTags.FindAllString(page, -1) {
		if !script.MatchString(found) {
			t.Errorf("inline element %s", found)
		}
	}
	if found := inline.FindString(page); found != "" {
		t.Errorf("inline attribute: %s", found)
	}
	footers := 1
	if strings.Contains(page, `<body class="console">`) {
		footers = 0
	}
	for part, want := range map[string]int{"<h1>": 1, "<main ": 1, "<footer>": footers, "<title>": 1, "\x02": 0, "ZgotmplZ": 0} {
		if got := strings.Count(drawn.ReplaceAllString(page, ""), part); got != want {
			t.Errorf("%d times %q, want %d", got, part, want)
		}
	}
	if strings.Count(page, " autofocus") > 1 {
		t.Error("more than one autofocus")
	}
	ids := map[string]int{}
	for _, match := range id.FindAllStringSubmatch(page, -1) {
		if ids[match[1]]++; ids[match[1]] > 1 {
			t.Errorf("id %s twice", match[1])
		}
	}
	for _, match := range refers.FindAllStringSubmatch(page, -1) {
		for ref := range strings.FieldsSeq(match[1]) {
			if ids[ref] == 0 {
				t.Errorf("%s: no such id", match[0])
			}
		}
	}
	checkNesting(t, page)
}

// checkNesting reads the page with the HTML mode of encoding/xml: elements
// are closed in order, and forms are not nested.
func checkNesting(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.Entity = false, xml.HTMLEntity
	d.AutoClose = xml.HTMLAutoClose
	forms, open := 0, []string{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			if token.Name.Local == "form" {
				forms++
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != token.Name.Local {
				t.Fatalf("</%s> closes %v", token.Name.Local, open)
			}
			open = open[:len(open)-1]
			if token.Name.Local == "form" {
				forms--
			}
		}
		if forms > 1 {
			t.Fatal("form inside a form")
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
}

// A note shows all that it has, whatever its class.
func TestANoteShowsAllOfIt(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"hint", "notice", "warning"} {
		note := ui.Note{
			Class: class, Title: ui.Plain("the title"), Text: ui.Plain("the text"), List: []ui.Message{ui.Plain("of the list")},
			Links: []ui.Link{{Label: "a link", URL: "/linked"}},
		}
		page := render(t, newUI(t), ui.ConsoleForm{Form: ui.Form{Notes: []ui.Note{note}}})
		for _, want := range []string{"the title", "the text", "of the list", "a link", "/linked"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: %q is not on the page", class, want)
			}
		}
	}
}

func TestErrorsAreTied(t *testing.T) {
	u := newUI(t)
	page := render(t, u, ui.SignIn{EmailError: ui.MsgEmailInvalid.With(), Alert: ui.MsgWrongPassword.With()})
	for _, want := range []string{
		`<title>Error: Sign in</title>`, `aria-invalid="true" aria-describedby="email-error" autofocus`,
		`id="email-error"`, `role="alert"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if page := render(t, u, ui.SignIn{}); strings.Contains(page, "Error: ") {
		t.Error("a page without error is titled as one")
	}
	page = render(t, u, ui.RecoveryCodes{SavedError: ui.MsgConfirmSaved.With()})
	if !strings.Contains(page, `aria-invalid="true" aria-describedby="saved-error" autofocus`) {
		t.Errorf("checkbox not tied to its error:\n%s", page)
	}
}

func TestAutocomplete(t *testing.T) {
	u := newUI(t)
	for want, page := range map[string]ui.Page{
		`type="email" inputmode="email" autocomplete="username"`:                 ui.SignIn{},
		`type="password" autocomplete="current-password"`:                        ui.Reauthenticate{},
		`name="email" value="" autocomplete="username" readonly`:                 ui.Reauthenticate{},
		`inputmode="numeric" autocomplete="one-time-code"`:                       ui.Code{},
		`name="code" type="text" autocomplete="off" autocapitalize="characters"`: ui.RecoveryCode{},
	} {
		if got := render(t, u, page); !strings.Contains(got, want) {
			t.Errorf("%T: no %s in\n%s", page, want, got)
		}
	}
}

const hostile = `'"><script>alert(1)</script><b onclick=x style=y>javascript:alert(2)`

func TestHostileStrings(t *testing.T) {
	u := newUI(t)
	for _, zero := range zeroPages {
		t.Run(reflect.TypeOf(zero).Name(), func(t *testing.T) {
			page := reflect.New(reflect.TypeOf(zero)).Elem()
			poison(page, hostile)
			got := render(t, u, page.Interface().(ui.Page))
			for _, bad := range []string{"<script>", "<b ", "'\">"} {
				if strings.Contains(got, bad) {
					t.Errorf("%q in\n%s", bad, got)
				}
			}
			checkNesting(t, got)
			page = reflect.New(reflect.TypeOf(zero)).Elem()
			poison(page, "javascript:alert(1)")
			got = render(t, u, page.Interface().(ui.Page))
			if regexp.MustCompile(`(href|src|action)="javascript:`).MatchString(got) {
				t.Errorf("address with a script in\n%s", got)
			}
		})
	}
}

// poison puts a string into every field that takes one, and into what a field holds of its
// own type twice at most (a group of inputs has inputs). template.URL is left out of it:
// its type says that the caller vouches for it.
func poison(v reflect.Value, s string, within ...reflect.Type) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() != reflect.TypeFor[template.URL]() {
			v.SetString(s)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		poison(v.Elem(), s, within...)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		poison(v.Index(0), s, within...)
		poison(v.Index(1), s, within...)
	case reflect.Interface:
		v.Set(reflect.ValueOf(s))
	case reflect.Struct:
		same := func(t reflect.Type) bool { return t == v.Type() }
		if same(reflect.TypeFor[time.Time]()) || // has nothing that a text gets into
			len(slices.DeleteFunc(slices.Clone(within), func(t reflect.Type) bool { return !same(t) })) == 2 {
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i), s, append(within, v.Type())...)
		}
	}
}

func TestMessageArgumentsAreEscaped(t *testing.T) {
	got := render(t, newUI(t), ui.Code{IssuerLabel: "\x02<i>{0}"})
	if !strings.Contains(got, "<strong>&lt;i&gt;{0}</strong>") {
		t.Errorf("label not escaped:\n%s", got)
	}
}

type failing struct{ wrote bool }

func (f *failing) Write(p []byte) (int, error) {
	f.wrote = true
	return 0, io.ErrClosedPipe
}

func TestRenderReportsWriteErrors(t *testing.T) {
	w := &failing{}
	if err := newUI(t).Render(w, ui.SignIn{}); !errors.Is(err, io.ErrClosedPipe) || !w.wrote {
		t.Errorf("got %v", err)
	}
}

func TestNewRejectsBasePath(t *testing.T) {
	if _, err := ui.New(ui.Options{BasePath: "sso"}); err == nil {
		t.Error("a base path without slash was accepted")
	}
}

func TestAPageShowsTheLogoOfItsApp(t *testing.T) {
	t.Parallel()
	u := newUI(t)
	for logo, want := range map[string]string{"": "", "/apps/a/logo?v=1": `<img class="logo" src="/apps/a/logo?v=1" alt="" height="32">`, "javascript:alert(1)": `src="#ZgotmplZ"`} {
		page := render(t, u, ui.SignIn{Frame: ui.Frame{ClientLogo: logo}})
		if !strings.Contains(page, want) || strings.Contains(page, `class="logo"`) != (logo != "") {
			t.Errorf("%s: %s", logo, page)
		}
	}
}

// Languages without a console have no texts of it: people's pages and mails need none.
func TestOnlyTheConsoleShowsTextsOfTheConsole(t *testing.T) {
	const mark = "OF THE CONSOLE"
	u, err := ui.WithoutConsole(mark)
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range sample.Pages() {
		var out strings.Builder
		if err := u.Render(&out, page); err != nil {
			t.Fatal(err)
		}
		if !ui.OfConsole(page) && strings.Contains(out.String(), mark) {
			t.Errorf("%s shows texts of the console:\n%s", name, out.String())
		}
	}
	for name, mail := range sample.Mails() {
		letter, err := u.WriteMail(mail)
		if err != nil || strings.Contains(letter.Text, mark) {
			t.Errorf("mail %s shows texts of the console (%v):\n%s", name, err, letter.Text)
		}
	}
}
