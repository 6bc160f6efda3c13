package ui_test

import (
	"encoding/json"
	"html"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/ui"
	"gatehouse/ui/internal/sample"
)

func newMailUI(t testing.TB) *ui.UI {
	t.Helper()
	u, err := ui.New(ui.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func write(t testing.TB, u *ui.UI, m ui.Mail) ui.Letter {
	t.Helper()
	letter, err := u.WriteMail(m)
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

// exampleMail has a value in every field that its kind knows.
func exampleMail(kind ui.MailKind) ui.Mail {
	m := sample.Mails()[string(kind)]
	m.At = time.Date(2026, time.November, 23, 15, 5, 0, 0, time.FixedZone("CET", 3600))
	m.Address = "203.0.113.7"
	m.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"
	return m
}

var (
	tags       = regexp.MustCompile(`(?s)<style>.*?</style>|<title>.*?</title>|<!--.*?-->|<[^>]*>`)
	anyLink    = regexp.MustCompile(`(?i)https?:|ftp:|mailto:|www\.`)
	urlOf      = regexp.MustCompile(`(?:href|src|action|background)="([^"]*)"`)
	forbidden  = regexp.MustCompile(`(?i)<(script|form|iframe|link|object|input|button|base)\b|\son[a-z]+\s*=|url\(|@import|ZgotmplZ`)
	unfilled   = regexp.MustCompile(`mail\.[a-z]|!|\{\d`)
	emptyParts = regexp.MustCompile(`<(p|li|h1|h2|span|td|a|ul|title)( [^>]*)?>\s*</`)
)

// visible is what a reader sees of an HTML mail, on one line.
func visible(page string) string {
	return oneLine(html.UnescapeString(tags.ReplaceAllString(page, " ")))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// checkLetter holds what is true of every mail.
func checkLetter(t *testing.T, m ui.Mail, l ui.Letter) {
	t.Helper()
	if n := utf8.RuneCountInString(l.Subject); n == 0 || n > 100 || strings.ContainsFunc(l.Subject, unicode.IsControl) {
		t.Errorf("subject %q", l.Subject)
	}
	if !strings.HasSuffix(l.Text, "\n") || strings.HasSuffix(l.Text, "\n\n") || strings.HasPrefix(l.Text, "\n") {
		t.Errorf("text begins or ends badly:\n%q", l.Text)
	}
	if strings.Contains(l.Text, "\n\n\n") {
		t.Errorf("gap in\n%s", l.Text)
	}
	for row := range strings.SplitSeq(l.Text, "\n") {
		if utf8.RuneCountInString(row) > 76 && (m.HelpURL == "" || !strings.HasSuffix(row, m.HelpURL)) && row != m.URL {
			t.Errorf("line of %d characters: %s", utf8.RuneCountInString(row), row)
		}
		if strings.TrimRight(row, " \t\r") != row {
			t.Errorf("space at the end of %q", row)
		}
	}
	if found := forbidden.FindString(l.HTML); found != "" {
		t.Errorf("%q in\n%s", found, l.HTML)
	}
	if found := emptyParts.FindString(l.HTML); found != "" {
		t.Errorf("empty %q in\n%s", found, l.HTML)
	}
	for _, part := range []string{`<html lang="`, `name="color-scheme" content="light dark"`, "prefers-color-scheme: dark", "max-width:560px"} {
		if !strings.Contains(l.HTML, part) {
			t.Errorf("no %s in\n%s", part, l.HTML)
		}
	}
	for _, s := range []string{l.Subject, l.Text, visible(l.HTML)} {
		if unfilled.MatchString(s) {
			t.Errorf("key, placeholder or exclamation mark in %s", s)
		}
	}
	checkNesting(t, l.HTML)
	checkLinks(t, m, l)
}

// checkLinks allows the help page, the logo and the link that the mail is for, and
// nothing else.
func checkLinks(t *testing.T, m ui.Mail, l ui.Letter) {
	t.Helper()
	allowed := []string{m.HelpURL, m.Brand.LogoURL, m.URL}
	for _, match := range urlOf.FindAllStringSubmatch(l.HTML, -1) {
		if got := html.UnescapeString(match[1]); got == "" || !slices.Contains(allowed, got) {
			t.Errorf("link to %s", got)
		}
	}
	for _, s := range []string{l.Subject, l.Text, html.UnescapeString(l.HTML)} {
		for _, ok := range allowed {
			if ok != "" {
				s = strings.ReplaceAll(s, ok, "")
			}
		}
		if found := anyLink.FindString(s); found != "" {
			t.Errorf("%s in\n%s", found, s)
		}
	}
}

// checkSays looks for values in both forms of a mail.
func checkSays(t *testing.T, l ui.Letter, wants ...string) {
	t.Helper()
	text, page := oneLine(l.Text), visible(l.HTML)
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, l.Text)
		}
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

func TestMailsInEveryLanguage(t *testing.T) {
	u := newMailUI(t)
	for _, lang := range u.Languages() {
		for _, kind := range ui.MailKinds() {
			t.Run(lang+"/"+string(kind), func(t *testing.T) {
				m := exampleMail(kind)
				m.Lang = lang
				l := write(t, u, m)
				checkLetter(t, m, l)
				checkSays(t, l, "23", "2026", "14:05 UTC", m.Account, m.Brand.Name)
				if m.ByAdmin {
					checkNamesNoPlace(t, u, m, l)
				} else {
					checkSays(t, l, "203.0.113.7", u.Device(lang, m.UserAgent))
				}
				if !strings.Contains(l.HTML, `<html lang="`+lang+`"`) || !strings.Contains(l.Text, m.HelpURL) {
					t.Errorf("language or help page missing in\n%s", l.HTML)
				}
				m = ui.Mail{Kind: kind, MailFrame: ui.MailFrame{Lang: lang}}
				checkLetter(t, m, write(t, u, m))
			})
		}
	}
}

// checkNamesNoPlace: where an admin was is nobody's business.
func checkNamesNoPlace(t *testing.T, u *ui.UI, m ui.Mail, l ui.Letter) {
	t.Helper()
	for _, place := range []string{"203.0.113.7", u.Device(m.Lang, m.UserAgent)} {
		if strings.Contains(l.Text+l.HTML, place) {
			t.Errorf("it says %q:\n%s", place, l.Text)
		}
	}
}

// Customers know no admin and no organisation: they are told of the support team.
func TestMailsTellCustomersOfTheSupportTeam(t *testing.T) {
	u := newMailUI(t)
	internal := regexp.MustCompile(`(?i)\badmin|organi[sz]ation|help desk`)
	for name, m := range sample.Mails() {
		for _, byAdmin := range []bool{true, false} {
			for _, brand := range []string{"Bluebird", ""} {
				m.Staff, m.ByAdmin, m.Brand.Name, m.HelpURL = false, byAdmin, brand, ""
				m.URL = strings.ReplaceAll(m.URL, "admin", "x")
				l := write(t, u, m)
				if found := internal.FindString(l.Subject + l.Text + visible(l.HTML)); found != "" {
					t.Errorf("%s: %q in\n%s", name, found, l.Text)
				}
				if byAdmin && brand != "" && m.Kind == ui.MailPasswordChanged {
					checkSays(t, l, "The Bluebird support team did this, not you.", "Tell the Bluebird support team right away.")
				}
			}
		}
	}
}

func TestMailSamples(t *testing.T) {
	u := newMailUI(t)
	for name, m := range sample.Mails() {
		t.Run(name, func(t *testing.T) { checkLetter(t, m, write(t, u, m)) })
	}
}

func TestMailOfUnknownLanguageIsEnglish(t *testing.T) {
	m := exampleMail(ui.MailTest)
	m.Lang = `xx"><b>`
	l := write(t, newMailUI(t), m)
	if !strings.Contains(l.HTML, `<html lang="en" dir="ltr">`) {
		t.Errorf("got\n%s", l.HTML)
	}
}

func TestUnknownMail(t *testing.T) {
	for _, kind := range []ui.MailKind{"", "nonsense", "code\n"} {
		if _, err := newMailUI(t).WriteMail(ui.Mail{Kind: kind}); err == nil {
			t.Errorf("%q was written", kind)
		}
	}
}

func TestCodeMail(t *testing.T) {
	u := newMailUI(t)
	m := exampleMail(ui.MailCode)
	l := write(t, u, m)
	if !strings.HasPrefix(l.Subject, "482913 ") {
		t.Errorf("subject %q", l.Subject)
	}
	checkSays(t, l, "482913", "10 minutes", "Agent portal", "Do not share the code", "Change your password", "Firefox on Windows")
	rows := strings.Split(l.Text, "\n")
	if at := slices.Index(rows, "482913"); at < 0 || at > 8 {
		t.Errorf("code on line %d of\n%s", at, l.Text)
	}
	big := regexp.MustCompile(`<p [^>]*monospace[^>]*letter-spacing[^>]*>482913</p>`)
	if len(big.FindAllString(l.HTML, -1)) != 1 {
		t.Errorf("code not large and in one piece:\n%s", l.HTML)
	}
	if strings.Index(l.HTML, ">482913<") > strings.Index(l.HTML, "203.0.113.7") {
		t.Error("the code stands below the facts")
	}
	m.HelpURL = ""
	if l = write(t, u, m); strings.Contains(l.HTML, "href") || strings.Contains(l.Text, "http") {
		t.Errorf("a link without help page:\n%s", l.HTML)
	}
	for _, kind := range ui.MailKinds() {
		other := exampleMail(kind)
		other.Code = "482913"
		if l := write(t, u, other); kind != ui.MailCode && strings.Contains(l.Subject+l.Text+l.HTML, "482913") {
			t.Errorf("%s shows a code", kind)
		}
	}
}

func TestRecoveryUsedMail(t *testing.T) {
	u := newMailUI(t)
	for left, want := range map[int]string{
		7: "You have 7 recovery codes left.", 4: "You have 4 recovery codes left.", 3: "You have 3 recovery codes left.",
		1: "You have 1 recovery code left.", 0: "You have no recovery codes left.", -1: "You have no recovery codes left.",
	} {
		m := exampleMail(ui.MailRecoveryUsed)
		m.Left = left
		l := write(t, u, m)
		checkSays(t, l, want)
		if warned := strings.Contains(oneLine(l.Text), "make a new set in your account"); warned != (left <= 3) {
			t.Errorf("%d left: warned %t", left, warned)
		}
	}
}

// onlyByAdmins are of what nobody can do for themselves.
func onlyByAdmins() []ui.MailKind {
	return []ui.MailKind{
		ui.MailReminder, ui.MailMFAReset, ui.MailRecoveryViewed, ui.MailFactorEnabled, ui.MailRolesChanged, ui.MailAccountDisabled, ui.MailAccountEnabled,
	}
}

// asked are what somebody asked for who is not signed in, or an invitation: nothing
// was done to an account.
func asked() []ui.MailKind {
	return []ui.MailKind{ui.MailReset, ui.MailNoPassword, ui.MailInvitation, ui.MailRegistration, ui.MailAccountExists}
}

// A mail that anybody can have sent says what it is about, where it leads and for how
// long, and that it may be ignored. What a mail program makes a link of is the link
// that it is for.
func TestMailsThatWereAskedFor(t *testing.T) {
	u := newMailUI(t)
	for _, kind := range asked() {
		m := exampleMail(kind)
		l := write(t, u, m)
		checkSays(t, l, "If you did not", "Ignore this mail.")
		if m.Until.IsZero() { // it leads to the account, which needs a sign-in
			continue
		}
		checkSays(t, l, m.URL, "The link works once, until", "Nov 2026,")
		if n := strings.Count(l.HTML, "href=\""+m.URL); n != 1 {
			t.Errorf("%s has %d links to %s", kind, n, m.URL)
		}
		m.URL = "javascript:alert(1)"
		l = write(t, u, m)
		m.URL = ""
		checkLetter(t, m, l)
	}
}

// neverByAdmins are of what somebody who is signed in asked for themselves.
func neverByAdmins() []ui.MailKind {
	return []ui.MailKind{ui.MailCode, ui.MailTest, ui.MailEmailConfirm, ui.MailEmailAsked, ui.MailEmailTaken, ui.MailPasskeyCopied}
}

func TestMailByAdmin(t *testing.T) {
	u := newMailUI(t)
	for _, kind := range ui.MailKinds() {
		m := exampleMail(kind)
		m.ByAdmin = true
		l := write(t, u, m)
		if !slices.Contains(neverByAdmins(), kind) && !slices.Contains(asked(), kind) {
			if kind != ui.MailBreakGlass { // somebody at the server
				checkSays(t, l, "An admin")
			}
			checkSays(t, l, "If you did not")
		}
		// An administrator's command has neither address nor browser.
		m.Address, m.UserAgent = "", ""
		if l = write(t, u, m); strings.Contains(l.Text, "Browser") || strings.Contains(l.Text, "unknown device") {
			t.Errorf("%s: a browser out of nothing:\n%s", kind, l.Text)
		}
		m.ByAdmin = false
		said := strings.Contains(write(t, u, m).Text, "An admin")
		if always := slices.Contains(onlyByAdmins(), kind); kind != ui.MailBreakGlass && said != always {
			t.Errorf("%s by the person: administrator %t", kind, said)
		}
	}
}

func TestMailSaysWhatToDo(t *testing.T) {
	u := newMailUI(t)
	for _, kind := range ui.MailKinds() {
		if kind != ui.MailCode && kind != ui.MailTest && kind != ui.MailEmailConfirm && !slices.Contains(asked(), kind) {
			checkSays(t, write(t, u, exampleMail(kind)), "If ", " not ", "Tell your admin or help desk")
		}
	}
}

func TestMailMethods(t *testing.T) {
	u := newMailUI(t)
	for method, want := range map[string]string{
		"totp": "authenticator app", "email": "codes by email", "recovery": "recovery codes", "": "second step", "<b>": "second step",
	} {
		for _, kind := range []ui.MailKind{ui.MailFactorEnrolled, ui.MailFactorDisabled, ui.MailFactorEnabled} {
			m := exampleMail(kind)
			m.Method = method
			l := write(t, u, m)
			checkLetter(t, m, l)
			if !strings.Contains(strings.ToLower(l.Subject), want) || !strings.Contains(strings.ToLower(visible(l.HTML)), want) {
				t.Errorf("%s %q: %q", kind, method, l.Subject)
			}
		}
	}
}

// The link stands in both parts, and nothing else becomes one.
func TestLinksInMails(t *testing.T) {
	u := newMailUI(t)
	for _, kind := range ui.MailKinds() {
		m := exampleMail(kind)
		m.URL = "https://id.rtx.example/account/confirm/" + strings.Repeat("x", 43)
		l := write(t, u, m)
		has := strings.Contains(l.Text, "\n"+m.URL+"\n") && strings.Contains(l.HTML, `href="`+m.URL+`"`)
		if want := kind != ui.MailCode && kind != ui.MailTest; has != want { // every other one can be acted on
			t.Errorf("%s: link %t\n%s", kind, has, l.Text)
		}
		m.URL = "javascript:alert(1)"
		if l = write(t, u, m); strings.Contains(l.Text+l.HTML, "javascript") {
			t.Errorf("%s links to a script", kind)
		}
	}
}

func TestRolesMail(t *testing.T) {
	u := newMailUI(t)
	many := strings.Repeat("Recovery desk of the north, ", 40) + "Admin"
	for roles, want := range map[string]string{
		"Agent, Recovery desk": "Your roles now: Agent, Recovery desk.", "": "You have no role now.", many: "north, Admin.",
		"<b>Desk</b>\r\nhttps://x": "Your roles now: <b>Desk</b> https x.",
	} {
		m := exampleMail(ui.MailRolesChanged)
		m.Roles = roles
		l := write(t, u, m)
		checkLetter(t, m, l)
		checkSays(t, l, want)
	}
}

func TestEmailChangedMail(t *testing.T) {
	u := newMailUI(t)
	for former, want := range map[bool]string{true: "no longer belongs to your account", false: "now belongs to your account"} {
		m := exampleMail(ui.MailEmailChanged)
		m.Former = former
		l := write(t, u, m)
		checkLetter(t, m, l)
		checkSays(t, l, want, "An admin did this, not you.", "If you did not expect this", "right away")
	}
}

func TestMailBrand(t *testing.T) {
	u := newMailUI(t)
	m := exampleMail(ui.MailTest)
	m.Brand = ui.Brand{Name: "Bluebird", Color: "#f2a900", LogoURL: "https://cdn.rtx.example/logo.png?v=1"}
	l := write(t, u, m)
	checkLetter(t, m, l)
	if !strings.Contains(l.HTML, `class="bar"`) || !strings.Contains(l.HTML, `<img src="https://cdn.rtx.example/logo.png?v=1" alt=""`) {
		t.Errorf("no bar or logo in\n%s", l.HTML)
	}
	for _, bad := range []string{"http://cdn.rtx.example/a.png", "/logo.png", "//cdn.rtx.example/a.png", "https:", "https:///a", "javascript:alert(1)", "data:image/png;base64,AA", "https://a b/", "https://a/\"x"} {
		m.Brand.LogoURL = bad
		if l := write(t, u, m); strings.Contains(l.HTML, "<img") {
			t.Errorf("logo from %s", bad)
		}
	}
	for _, bad := range []string{"", "red", "#fff", "#2b59e0;background:url(//evil.example)", "#2b59e0\n"} {
		m.Brand.Color = bad
		if l := write(t, u, m); strings.Contains(l.HTML, `class="bar"`) || strings.Contains(l.HTML, "evil") {
			t.Errorf("bar in %q", bad)
		}
	}
}

func TestMailHelp(t *testing.T) {
	u := newMailUI(t)
	m := exampleMail(ui.MailTest)
	for _, good := range []string{"https://help.rtx.example/?a=1&b=2", "mailto:help@rtx.example", "https://help.rtx.example/" + strings.Repeat("long/", 60)} {
		m.HelpURL = good
		l := write(t, u, m)
		checkLetter(t, m, l)
		if !strings.Contains(l.Text, good+"\n") || !strings.Contains(html.UnescapeString(l.HTML), `href="`+good+`"`) {
			t.Errorf("no %s in\n%s", good, l.Text)
		}
	}
	for _, bad := range []string{"/help", "javascript:alert(1)", "https:a@b", "mailto://a/", "https://a/\r\nBcc: x", "https://a/ b\"", "help", "https:", "https://a/" + strings.Repeat("x", 3000)} {
		m.HelpURL = bad
		if l := write(t, u, m); strings.Contains(l.HTML, "href") || strings.Contains(l.Text, "Help") {
			t.Errorf("help page %.60q in\n%s", bad, l.Text)
		}
	}
}

func TestMailNames(t *testing.T) {
	u := newMailUI(t)
	for name, want := range map[string]string{
		"Maya": "Hello Maya,", "": "Hello,", "J.R. of R\u202eTX": "Hello J.R. of RTX,", "🧑\u200d🔧": "Hello 🧑\u200d🔧,",
		"prize: evil.example/x": "Hello,", "http://evil": "Hello,", "Open WWW.evil": "Hello,", "maya@evil": "Hello,", " \r\n ": "Hello,",
	} {
		m := exampleMail(ui.MailNewBrowser)
		m.Name = name
		l := write(t, u, m)
		checkLetter(t, m, l)
		checkSays(t, l, want)
	}
}

func TestHostileMails(t *testing.T) {
	u := newMailUI(t)
	for _, bad := range []string{
		"<b>x</b>", "\r\nBcc: x@evil.example\r\n\r\n<script>alert(1)</script>", `'"><img src=https://evil.example/p.gif onerror=x>`,
		"{{.}}{0}{0:wait}", "a\x00b\u2028c\u202ed\u200be", "\xff\xfe", strings.Repeat("x", 5000), strings.Repeat("語 ", 5000),
		strings.Repeat("\u200b", 9000) + "z", "https://evil.example/ http://x --> <!-- ]]>",
	} {
		for _, kind := range ui.MailKinds() {
			var m ui.Mail
			poison(reflect.ValueOf(&m).Elem().FieldByName("MailFrame").FieldByName("Brand"), bad)
			m.Lang, m.Name, m.Account, m.Address, m.UserAgent, m.HelpURL = "en", bad, bad, bad, bad, bad
			m.Kind, m.Code, m.App, m.Method, m.Minutes, m.Left = kind, bad, bad, bad, 1<<40, 1<<40
			m.Roles = bad
			l := write(t, u, m)
			for _, part := range []string{"<b>", "<script", "<img", "'\">", "\u2028", "\u202e", "\u200b", "\x00", "<!-- ]]"} {
				if strings.Contains(l.HTML, part) {
					t.Errorf("%s: %q in\n%s", kind, part, l.HTML)
				}
			}
			if !utf8.ValidString(l.Subject + l.Text + l.HTML) {
				t.Errorf("%s: not UTF-8", kind)
			}
			checkPlain(t, l)
			checkNesting(t, l.HTML)
		}
	}
}

// checkPlain holds what is true even of a mail of hostile values.
func checkPlain(t *testing.T, l ui.Letter) {
	t.Helper()
	if utf8.RuneCountInString(l.Subject) > 100 || strings.ContainsFunc(l.Subject, unicode.IsControl) {
		t.Errorf("subject %q", l.Subject)
	}
	for row := range strings.SplitSeq(strings.TrimSuffix(l.Text, "\n"), "\n") {
		if strings.ContainsFunc(row, unicode.IsControl) {
			t.Errorf("line %q", row)
		}
		if utf8.RuneCountInString(row) > 76 && !strings.HasPrefix(row, "Help: ") {
			t.Errorf("long line %q", row)
		}
	}
}

func TestLongValuesAreCut(t *testing.T) {
	m := exampleMail(ui.MailRecoveryUsed)
	m.App = strings.Repeat("ab ", 100) + "END"
	l := write(t, newMailUI(t), m)
	checkLetter(t, m, l)
	checkSays(t, l, "…")
	if n := strings.Count(l.Text, "ab"); n < 60 || n > 67 || strings.Contains(l.Text, "END") {
		t.Errorf("%d words are left of\n%s", n, l.Text)
	}
}

// TestMailContrast reads the colours from a mail and holds them to WCAG AA.
func TestMailContrast(t *testing.T) {
	m := exampleMail(ui.MailRecoveryUsed)
	m.Left = 1
	page := write(t, newMailUI(t), m).HTML
	for _, pair := range [][3]string{ // text, what it stands on, least contrast
		{"#151922", "#ffffff"},
		{"#151922", "#f5f6f8"},
		{"#151922", "#fff6e5"},
		{"#5a6372", "#ffffff"},
		{"#5a6372", "#f5f6f8"},
		{"#eef1f6", "#161b23"},
		{"#eef1f6", "#0e1117"},
		{"#eef1f6", "#30260f"},
		{"#9da7b6", "#161b23"},
		{"#9da7b6", "#0e1117"},
		{"#2b59e0", "#ffffff"},
	} {
		a, _ := ui.ParseColor(pair[0])
		b, _ := ui.ParseColor(pair[1])
		if got := ui.Contrast(a, b); got < 4.5 {
			t.Errorf("%s on %s: %.2f", pair[0], pair[1], got)
		}
		if !strings.Contains(page, pair[0]) || !strings.Contains(page, pair[1]) {
			t.Errorf("%s or %s is not in the mail any more", pair[0], pair[1])
		}
	}
}

func TestMailAsJSON(t *testing.T) {
	u := newMailUI(t)
	for name, m := range sample.Mails() {
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back ui.Mail
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if write(t, u, back) != write(t, u, m) {
			t.Errorf("%s: not the same after storing: %s", name, data)
		}
	}
}

func TestMailKinds(t *testing.T) {
	seen := map[ui.MailKind]bool{}
	subjects := map[string]bool{}
	u := newMailUI(t)
	for _, kind := range ui.MailKinds() {
		seen[kind] = true
		subjects[write(t, u, exampleMail(kind)).Subject] = true
	}
	if n := len(ui.MailKinds()); len(seen) != n || len(subjects) != n {
		t.Errorf("kinds %v, subjects %v", seen, slices.Sorted(maps.Keys(subjects)))
	}
}

func FuzzWriteMail(f *testing.F) {
	u := newMailUI(f)
	f.Add(0, "<zq>", "\r\nBcc: x", "#2b59e0", "https://a/", 3)
	f.Add(5, `"><zq onload=x>`, "Mozilla/5.0 (Windows NT 10.0)", "#fff;zq", "javascript:zq", -1)
	f.Add(1, "\u2028\u202e\x00", "\xff", "{{.}}", "mailto:a@b", 1<<40)
	f.Fuzz(func(t *testing.T, kind int, a, b, color, address string, n int) {
		kinds := ui.MailKinds()
		m := ui.Mail{Kind: kinds[uint(kind)%uint(len(kinds))], Code: b, Minutes: n, App: a, Method: b, Left: n, Roles: a, Former: n%3 == 0, ByAdmin: n%2 == 0}
		m.MailFrame = ui.MailFrame{
			Lang: b, Brand: ui.Brand{Name: a, Color: color, LogoURL: address}, Name: a, Account: b, HelpURL: address,
			At: time.Unix(int64(n), 0), Address: a, UserAgent: b,
		}
		l := write(t, u, m)
		checkPlain(t, l)
		if strangeMarkup(l.HTML) {
			t.Errorf("input as markup in\n%s", l.HTML)
		}
		checkNesting(t, l.HTML)
	})
}

var (
	ours       = regexp.MustCompile(`^</?(html|head|meta|title|style|body|div|table|tr|td|p|h1|h2|ul|li|span|br|img|a)( [^<]*)?>$`)
	markup     = regexp.MustCompile(`<[^>]*>?`)
	attributes = regexp.MustCompile(` ([^\s="]+)="[^"]*"`)
)

// strangeMarkup says whether there is markup that no template of ours has.
func strangeMarkup(page string) bool {
	page = strings.NewReplacer("<!doctype html>", "", `<!--[if mso]>`, "", `<![endif]-->`, "").Replace(page)
	for _, tag := range markup.FindAllString(page, -1) {
		if !ours.MatchString(tag) || strings.Contains(attributes.ReplaceAllString(tag, ""), "=") {
			return true
		}
		for _, attribute := range attributes.FindAllStringSubmatch(tag, -1) {
			if strings.HasPrefix(strings.ToLower(attribute[1]), "on") {
				return true
			}
		}
	}
	return false
}
