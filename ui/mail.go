package ui

import (
	"bytes"
	"embed"
	"fmt"
	html "html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
	text "text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:embed mails/*
var mailFiles embed.FS

// The templates of mails know no language: they get texts that are written
// already.
var (
	mailHTML = html.Must(html.ParseFS(mailFiles, "mails/*.html"))
	mailText = text.Must(text.New("").Funcs(text.FuncMap{"wrap": wrap}).ParseFS(mailFiles, "mails/*.txt"))
)

// MailFrame is what all mails have in common. It is stored as JSON until the
// mail is sent.
type MailFrame struct {
	// Lang are the languages that the recipient wants, best first, with spaces between.
	Lang  string `json:"lang,omitempty"`
	Zone  string `json:"zone,omitempty"` // the recipient's, such as Europe/Paris; empty: UTC
	Brand Brand  `json:"brand"`          // of the population: name, colour, logo
	// Population is the recipient's. Staff: they are told of an admin, and everybody else of
	// the support team.
	Population string       `json:"population,omitempty"`
	Staff      bool         `json:"staff,omitempty"`
	Name       string       `json:"name,omitempty"`    // of the recipient, may be empty
	Account    string       `json:"account,omitempty"` // the email address the account has
	HelpURL    string       `json:"help,omitempty"`
	Links      []FooterLink `json:"links,omitempty"`   // at its foot, beside that to help
	At         time.Time    `json:"at"`                // when it happened, UTC
	Address    string       `json:"address,omitempty"` // network address it came from, may be empty (an admin's command)
	UserAgent  string       `json:"ua,omitempty"`      // raw; shown through Device
}

// MailKind names a mail.
type MailKind string

// The mails there are.
const (
	MailCode              MailKind = "code"               // the 6-digit email code
	MailNewBrowser        MailKind = "new_browser"        // a sign-in from a browser not seen before
	MailBrowserTrusted    MailKind = "browser_trusted"    // a browser is not asked for the second step any more
	MailReminder          MailKind = "reminder"           // to set up a second step, by an administrator
	MailFactorEnrolled    MailKind = "factor_enrolled"    // authenticator set up
	MailFactorDisabled    MailKind = "factor_disabled"    // too many wrong codes
	MailPasskeyCopied     MailKind = "passkey_copied"     // a copy of a passkey was used, in vain
	MailMFAReset          MailKind = "mfa_reset"          // by an administrator
	MailRecoveryUsed      MailKind = "recovery_used"      // a recovery code was used to sign in
	MailRecoveryGenerated MailKind = "recovery_generated" // a new set replaced the old one
	MailRecoveryViewed    MailKind = "recovery_viewed"    // an administrator looked at the person's recovery codes
	MailPasswordChanged   MailKind = "password_changed"   // by the person or an administrator
	MailEmailChanged      MailKind = "email_changed"      // to the old address and to the new one
	MailFactorEnabled     MailKind = "factor_enabled"     // by an administrator, after too many wrong codes
	MailFactorRemoved     MailKind = "factor_removed"     // an authenticator, by the person
	MailEmailConfirm      MailKind = "email_confirm"      // to the address that a person wants to have
	MailEmailAsked        MailKind = "email_asked"        // to the address that they have
	MailEmailTaken        MailKind = "email_taken"        // to the owner of the address that another person wants
	MailRolesChanged      MailKind = "roles_changed"      // by an administrator
	MailAccountDisabled   MailKind = "account_disabled"   // by an administrator
	MailAccountEnabled    MailKind = "account_enabled"    // by an administrator
	MailIdentityLinked    MailKind = "identity_linked"    // an account elsewhere can sign in as the person now
	MailIdentityUnlinked  MailKind = "identity_unlinked"  // and cannot any more
	MailBreakGlass        MailKind = "break_glass"        // to every admin: a link was made at the server
	MailReset             MailKind = "reset"              // a link to set a password, on request
	MailNoPassword        MailKind = "no_password"        // the same asked for, and there is no password with us
	MailInvitation        MailKind = "invitation"         // a link to make an account, by an administrator
	MailRegistration      MailKind = "registration"       // a link to make an account, on request
	MailAccountExists     MailKind = "account_exists"     // the same asked for, and there is an account
	MailTest              MailKind = "test"               // "send test mail"
)

// Mail is one mail to one person.
type Mail struct {
	MailFrame
	Kind       MailKind `json:"kind"`
	Code       string   `json:"code,omitempty"`       // MailCode: six digits
	Minutes    int      `json:"minutes,omitempty"`    // MailCode: how long it is valid
	App        string   `json:"app,omitempty"`        // the app that the person signs in to, may be empty
	Method     string   `json:"method,omitempty"`     // MailFactorEnrolled/Disabled/Enabled: "totp", "email" or "recovery"
	Left       int      `json:"left,omitempty"`       // MailRecoveryUsed: codes that are left
	Days       int      `json:"days,omitempty"`       // MailBrowserTrusted: for how many
	Roles      string   `json:"roles,omitempty"`      // MailRolesChanged: the names of those held now, empty for none
	Connection string   `json:"connection,omitempty"` // MailIdentityLinked/Unlinked: what the person signs in with
	URL        string   `json:"url,omitempty"`        // of a link, below the issuer
	Former     bool     `json:"former,omitempty"`     // MailEmailChanged: this goes to the previous address
	ByAdmin    bool     `json:"by_admin,omitempty"`   // an admin did it, not the person
	// Due is the day of a MailReminder.
	Due time.Time `json:"due,omitzero"`
	// Until is how long URL works, in UTC.
	Until time.Time `json:"until,omitzero"`
}

// Letter is a rendered mail.
type Letter struct{ Subject, Text, HTML string }

// The limits of what a mail shows, in characters.
const (
	maxSubject = 100
	maxValue   = 200
	maxRoles   = 2000 // all of them: none is left out of the mail
)

// letterView is what the templates see: texts in the reader's language.
type letterView struct {
	Lang     string
	Dir      string // of the language: "ltr" or "rtl"
	Subject  string
	Brand    string
	LogoURL  string
	Bar      string // brand colour in the light theme, may be empty
	DarkBar  string // and in the dark one
	Heading  string
	Greeting string
	Lead     []string // paragraphs above the code
	Code     string
	Button   string // label of URL
	URL      string
	Copy     string // what to do where Button does not work
	Text     []string
	Warning  string
	Facts    []factView
	TodoFor  string // heading of Todo
	Todo     []string
	About    string // which account it is about
	Links    []Link
	// Outlook does not know max-width, so it gets a table of a fixed width.
	Open, Close html.HTML
}

type factView struct{ Label, Value string }

const (
	outlookOpen  = `<!--[if mso]><table role="presentation" width="560" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->`
	outlookClose = `<!--[if mso]></td></tr></table><![endif]-->`
)

// WriteMail renders a mail in its language, or in English where that lacks a
// text. An unknown kind is an error.
func (u *UI) WriteMail(m Mail) (Letter, error) {
	row, ok := rowOf(m.Kind)
	if !ok {
		return Letter{}, fmt.Errorf("ui: unknown mail %.40q", m.Kind)
	}
	m.Lang = u.Match(Wish{UILocales: m.Lang})
	view := u.mailView(row, m.cleaned())
	var page, plain bytes.Buffer
	if err := mailHTML.ExecuteTemplate(&page, "letter", view); err != nil {
		return Letter{}, fmt.Errorf("ui: mail %s: %w", m.Kind, err)
	}
	if err := mailText.ExecuteTemplate(&plain, "letter", view); err != nil {
		return Letter{}, fmt.Errorf("ui: mail %s: %w", m.Kind, err)
	}
	return Letter{view.Subject, strings.TrimSpace(plain.String()) + "\n", page.String()}, nil
}

// cleaned makes every value fit for one line of text. Where an admin was is nothing that
// the reader of a mail about their act is told.
func (m Mail) cleaned() Mail {
	if m.ByAdmin {
		m.Address, m.UserAgent = "", ""
	}
	for _, s := range []*string{&m.Brand.Name, &m.Account, &m.Address, &m.Code, &m.App, &m.Connection} {
		*s = line(*s, maxValue)
	}
	m.Roles = line(m.Roles, maxRoles)
	m.Name = personName(m.Name)
	m.URL = webURL(m.URL, "https", "http")
	m.HelpURL = webURL(m.HelpURL, "https", "http", "mailto")
	m.URL = webURL(m.URL, "https", "http")
	m.Brand.LogoURL = webURL(m.Brand.LogoURL, "https")
	m.Minutes = min(max(m.Minutes, 0), 99)
	m.Left = max(m.Left, 0)
	m.Days = max(m.Days, 1)
	return m
}

func (u *UI) mailView(row mailRow, m Mail) letterView {
	words := row.words(m)
	texts := func(messages []*Message) []string {
		var out []string
		for _, message := range messages {
			if message != nil {
				out = append(out, u.say(m, *message))
			}
		}
		return out
	}
	v := letterView{
		Lang: m.Lang, Dir: u.Text(m.Lang, Message{Key: "language.direction"}), Brand: m.Brand.Name, LogoURL: m.Brand.LogoURL,
		Subject: line(u.say(m, *words.subject), maxSubject),
		Heading: u.say(m, *words.heading),
		Lead:    texts(words.lead), Code: m.Code, Text: texts(words.text),
		Facts: u.facts(m), Todo: texts(words.todo),
		Links: u.footerLinks(m),
		Open:  outlookOpen, Close: outlookClose,
	}
	if m.Kind != MailCode {
		v.Code = ""
		v.Greeting = u.Text(m.Lang, greeting(m.Name))
	}
	if m.URL != "" && words.button != nil {
		v.URL, v.Button, v.Copy = m.URL, u.Text(m.Lang, *words.button), u.Text(m.Lang, Message{Key: "mail.link.copy"})
	}
	if m.URL != "" && words.button != nil && !m.Until.IsZero() {
		v.Text = append([]string{u.Text(m.Lang, *Key("mail.link.until").With(u.moment(m.Lang, m.Until.In(zoneOf(m.Zone)))))}, v.Text...)
	}
	if words.warning != nil {
		v.Warning = u.Text(m.Lang, *words.warning)
	}
	if len(v.Todo) > 0 {
		v.TodoFor = u.Text(m.Lang, Message{Key: words.todoFor})
	}
	if m.Account != "" {
		about := Key("mail.footer.account")
		if m.Kind == MailInvitation || m.Kind == MailRegistration { // there is no account yet
			about = "mail.footer.sent_to"
		}
		v.About = u.Text(m.Lang, *about.With(m.Account))
	}
	if color, err := ParseColor(m.Brand.Color); err == nil {
		v.Bar, v.DarkBar = color.Light().String(), color.Dark().String()
	}
	return v
}

// footerLinks are the links at the foot of a mail, each once.
func (u *UI) footerLinks(m Mail) (list []Link) {
	for _, l := range append([]FooterLink{{"footer.help", m.HelpURL}}, m.Links...) {
		address := webURL(l.URL, "https", "http", "mailto")
		if address != "" && !slices.ContainsFunc(list, func(o Link) bool { return o.URL == address }) {
			list = append(list, Link{u.Text(m.Lang, Message{Key: l.Label}), address})
		}
	}
	return list
}

// say writes a text of a mail. One without arguments of its own may name who else acts
// on accounts: {0} at the beginning of a sentence, {1} within.
func (u *UI) say(m Mail, message Message) string {
	if len(message.Args) > 0 {
		return u.Text(m.Lang, message)
	}
	who, whom := Key("mail.who.support").With(m.Brand.Name), Key("mail.whom.support").With(m.Brand.Name)
	switch {
	case m.Staff:
		who, whom = Key("mail.who.admin").With(), Key("mail.whom.admin").With()
	case m.Brand.Name == "":
		who, whom = Key("mail.who.support_plain").With(), Key("mail.whom.support_plain").With()
	}
	return u.Text(m.Lang, *message.Key.With(u.Text(m.Lang, *who), u.Text(m.Lang, *whom)))
}

// pageButton is the label of the link to the page where one can act, by where it leads.
func (m Mail) pageButton() *Message {
	if m.URL == m.HelpURL {
		return Key("footer.help").With()
	}
	for _, page := range []struct {
		path  string
		label Key
	}{
		{"/password", "mail.button.password"},
		{"/sessions", "mail.button.sessions"},
		{"/second-step", "mail.button.second_step"},
		{"/codes", "mail.button.codes"},
		{"/audit", "mail.button.audit"},
	} {
		if strings.HasSuffix(m.URL, page.path) {
			return page.label.With()
		}
	}
	return Key("mail.button.account").With()
}

func greeting(name string) Message {
	if name == "" {
		return Message{Key: "mail.greeting"}
	}
	return *Key("mail.greeting_name").With(name)
}

// facts are when, where and with what it happened.
func (u *UI) facts(m Mail) []factView {
	var out []factView
	add := func(label Key, value string) {
		if value != "" {
			out = append(out, factView{u.Text(m.Lang, Message{Key: label}), value})
		}
	}
	if !m.At.IsZero() {
		add("mail.fact.time", u.moment(m.Lang, m.At.In(zoneOf(m.Zone))))
	}
	if m.Kind != MailCode && m.Kind != MailNewBrowser { // these name it in their first sentence
		add("mail.fact.app", m.App)
	}
	add("mail.fact.address", m.Address)
	// A command of an administrator comes from no browser and no address.
	if m.UserAgent != "" || m.Address != "" {
		add("mail.fact.browser", u.Device(m.Lang, m.UserAgent))
	}
	return out
}

// line makes a value fit for one line: control characters and line breaks
// become spaces, characters that are not seen or that turn text around go, and
// what is longer than limit is cut. "://" goes too, so that no mail program
// makes a link of a value.
func line(s string, limit int) string {
	// A character has at most 4 bytes, and spaces may be cut: enough to fill the
	// limit, and no work for what is longer.
	s = strings.ToValidUTF8(s[:min(len(s), 16*limit)], "")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return ' '
		case r == '\u200c', r == '\u200d': // some scripts and emoji need them
			return r
		case unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "://", " ")), " ")
	if runes := []rune(s); len(runes) > limit {
		return strings.TrimSpace(string(runes[:limit-1])) + "…"
	}
	return s
}

var looksLikeAddress = regexp.MustCompile(`[:/@\\]|\.[\pL\d-]{2,}|(?i)\bwww\.`)

// personName is a name to greet a person with, or empty: people can choose theirs, and a
// mail in our name is no place for a link of theirs.
func personName(s string) string {
	if looksLikeAddress.MatchString(s) {
		return ""
	}
	return line(s, maxValue)
}

// webURL is an absolute address of one of the schemes, or empty.
func webURL(s string, schemes ...string) string {
	if len(s) > 2000 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune("\"<>`\\", r) }) {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || !slices.Contains(schemes, u.Scheme) || (u.Host == "") != (u.Scheme == "mailto") {
		return ""
	}
	s = u.String() // other alphabets are encoded
	if strings.ContainsFunc(s, func(r rune) bool { return r > '~' }) {
		return ""
	}
	return s
}

const maxLine = 76

// wrap breaks a text into lines that begin with indent, the first one with
// first.
func wrap(first, indent, s string) string {
	var out strings.Builder
	out.WriteString(first)
	width, empty := utf8.RuneCountInString(first), true
	for word := range strings.FieldsSeq(s) {
		runes := []rune(word)
		if !empty && width+1+len(runes) > maxLine {
			out.WriteString("\n" + indent)
			width, empty = utf8.RuneCountInString(indent), true
		}
		if !empty {
			out.WriteByte(' ')
			width++
		}
		for width+len(runes) > maxLine { // longer than a line
			room := maxLine - width
			out.WriteString(string(runes[:room]) + "\n" + indent)
			runes, width = runes[room:], utf8.RuneCountInString(indent)
		}
		out.WriteString(string(runes))
		width, empty = width+len(runes), false
	}
	return out.String()
}
