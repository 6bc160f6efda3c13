package main

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

// Stories are what people do and see, in plain text: testdata/stories. A story has a
// provider with mail of its own. Its commands:
//
//	person EMAIL [ROLE]     an agent, whose password is "correct horse battery"
//	policy app|mail|both|password   the second steps of agents, from now on
//	microsoft               agents may come through a simulated Entra
//
//	browser NAME            goes on in that browser, a new one where the name is new
//	open portal|setup|PATH  begins a sign-in at the portal, or opens a page
//	follow LABEL            a link
//	fill FIELD VALUE        a field, a box or a choice; VALUE "the app's code", "the
//	                        emailed code" or "recovery code N" is that code
//	press LABEL             a button, with what was filled in
//	entra EMAIL             signs in at Microsoft, and comes back
//	see TEXT                the page says so ("! see": it does not)
//	heading TEXT            the page is that one
//
//	scan                    the phone's app reads the key off the page
//	keep codes              keeps the recovery codes that the page shows
//	mail EMAIL TEXT         the next mail to an address says so, or one after it
//	later                   the app shows its next code, once a story
//
//	portal                  the browser is back at the portal, which redeems its code
//	token amr|acr VALUE     what the ID token says
//	refresh, userinfo       the portal's tokens work ("!": not any more)
//	sign-out                the portal signs the person out
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/stories/*.txtar")
	idptest.Must(t, err)
	if len(files) < 10 {
		t.Fatalf("%d stories", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
				s := newStory(t, db)
				testscript.RunT(here{t}, testscript.Params{Files: []string{file}, Cmds: s.commands(), RequireUniqueNames: true})
			})
		})
	}
}

// here runs a script in the test that runs it, so that what fails there ends it.
type here struct{ *testing.T }

func (h here) Run(_ string, f func(testscript.T)) { f(h) }
func (here) Parallel()                            {}
func (here) Verbose() bool                        { return testing.Verbose() }

// story is what a story has come to.
type story struct {
	*idptest.App
	t      *testing.T
	ts     *testscript.TestScript // tells the line when something fails
	box    *idptest.Mailbox
	entra  *idptest.Entra
	party  *idptest.Party
	filled url.Values

	browsers map[string]*visitor
	at       *visitor
	phone    idptest.Authenticator
	shown    string // by the phone, until later
	codes    []string
}

// visitor is one browser, and what the portal got for it.
type visitor struct {
	*idptest.Browser
	page    *idptest.Page
	attempt idptest.Attempt
	tokens  idptest.Tokens
}

const (
	bye      = "https://portal.example/bye"
	maya     = "maya@rtx.example"
	phoneNow = "the app's code"
	mailed   = "the emailed code"
)

func newStory(t *testing.T, db *idptest.Database) *story {
	t.Helper()
	app, box := idptest.StartWithMail(t, db.URL)
	s := &story{App: app, t: t, box: box, filled: url.Values{}, browsers: map[string]*visitor{}}
	s.party = app.AddParty(idp.Client{Name: "Agent portal", Claims: idp.PortalClaims(), PostLogoutRedirectURIs: []string{bye}})
	s.party.OAuth.Scopes = []string{"openid", "email", "offline_access"}
	s.browser("the first")
	return s
}

// command is what a line of a story does. Without neg it fails where what it says is
// not so, with neg where it is.
type command struct {
	least int // arguments
	run   func(args []string)
	holds func(args []string) bool
}

func (s *story) commands() map[string]func(*testscript.TestScript, bool, []string) {
	table := map[string]command{
		"person":    {least: 1, run: s.person},
		"policy":    {least: 1, run: s.policy},
		"microsoft": {run: func([]string) { s.microsoft() }},
		"browser":   {least: 1, run: func(args []string) { s.browser(args[0]) }},
		"open":      {least: 1, run: func(args []string) { s.open(args[0]) }},
		"follow":    {least: 1, run: func(args []string) { s.follow(args[0]) }},
		"fill":      {least: 2, run: func(args []string) { s.filled.Add(args[0], s.value(args[1])) }},
		"press":     {least: 1, run: func(args []string) { s.press(args[0]) }},
		"entra":     {least: 1, run: func(args []string) { s.comeBack(args[0]) }},
		"see":       {least: 1, holds: func(args []string) bool { return strings.Contains(s.text(), args[0]) }},
		"heading":   {least: 1, holds: func(args []string) bool { return s.at.page.Heading() == args[0] }},
		"scan":      {run: func([]string) { s.phone = idptest.Scan(s.t, s.at.page); s.shown = s.phone.Code(0) }},
		"keep":      {least: 1, run: func([]string) { s.codes = idptest.RecoveryCodes(s.at.page) }},
		"mail":      {least: 2, run: func(args []string) { s.mail(args[0], args[1]) }},
		"later":     {run: func([]string) { s.shown = s.phone.Code(1) }},
		"portal":    {run: func([]string) { s.portal() }},
		"token":     {least: 2, holds: func(args []string) bool { return s.claim(args[0]) == args[1] }},
		"refresh":   {holds: func([]string) bool { return s.refresh() }},
		"userinfo":  {holds: func([]string) bool { return s.userinfo() }},
		"sign-out":  {run: func([]string) { s.signOut() }},
	}
	list := map[string]func(*testscript.TestScript, bool, []string){}
	for name, c := range table {
		list[name] = func(ts *testscript.TestScript, neg bool, args []string) { s.carryOut(ts, name, c, neg, args) }
	}
	return list
}

func (s *story) carryOut(ts *testscript.TestScript, name string, c command, neg bool, args []string) {
	s.ts = ts
	switch {
	case len(args) < c.least:
		ts.Fatalf("%s takes %d words", name, c.least)
	case c.holds == nil && neg:
		ts.Fatalf("%s is not denied", name)
	case c.holds == nil:
		ts.Logf("[%s %s]", name, strings.Join(args, " "))
		c.run(args)
	case c.holds(args) == neg:
		ts.Fatalf("it is otherwise (token %v); the page %q says: %s", s.at.tokens.Claims, s.at.page.Heading(), s.text())
	}
}

func (s *story) person(args []string) {
	name := strings.ToUpper(args[0][:1]) + strings.Split(args[0], "@")[0][1:]
	_, err := s.Manage.People.CreateUser(s.t.Context(), people.NewUser{
		Population: idp.Agents, Email: args[0], Name: name, Password: idptest.Password, Roles: args[1:],
	})
	idptest.Must(s.t, err)
}

func (s *story) policy(args []string) {
	p, ok := map[string]idp.Policy{
		"app": {Authenticator: true}, "mail": {EmailCode: true}, "both": {Authenticator: true, EmailCode: true}, "password": {},
	}[args[0]]
	if !ok {
		s.ts.Fatalf("there is no policy %q", args[0])
	}
	s.SetPolicy(idp.Agents, p, populations.OnNextLogin)
}

func (s *story) microsoft() {
	ctx := s.t.Context()
	s.entra = idptest.StartEntra(s.t, s.Issuer, nil)
	_, err := s.Manage.Connections.AddConnection(ctx, authz.System(), connections.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: idp.Agents, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Issuer: s.entra.URL,
			Tenants: []string{idptest.HomeTenant}, ClientID: idptest.HomeApp, CreateUsers: true,
		},
		ClientSecret: idptest.EntraSecret,
	})
	idptest.Must(s.t, err)
	p, err := s.Manage.Populations.Population(ctx, authz.System(), idp.Agents)
	idptest.Must(s.t, err)
	_, err = s.Manage.Populations.SaveAccess(ctx, authz.System(), populations.Change[idp.Access]{
		ID: idp.Agents, Version: p.Version, To: idp.Access{Password: true, Federated: true},
	})
	idptest.Must(s.t, err)
}

func (s *story) browser(name string) {
	if s.browsers[name] == nil {
		s.browsers[name] = &visitor{Browser: idptest.NewBrowser(s.t), page: &idptest.Page{}}
	}
	s.at = s.browsers[name]
}

func (s *story) open(what string) {
	target := s.Issuer + what
	switch what {
	case "portal":
		s.at.attempt = s.party.Begin()
		target = s.at.attempt.URL
	case "setup":
		token, err := s.Manage.Links.SetupLink(s.t.Context(), links.SetupLifetime)
		idptest.Must(s.t, err)
		target = s.Issuer + "/admin/setup/" + token
	}
	s.at.page = s.at.Get(target)
}

func (s *story) sheet() sheet {
	page, err := read(s.at.page)
	idptest.Must(s.t, err)
	return page
}

func (s *story) text() string { return words(s.sheet().root) }

func (s *story) follow(label string) {
	to, err := s.sheet().link(label)
	if err != nil {
		s.ts.Fatalf("%v: %s", err, s.text())
	}
	s.at.page = s.at.Get(to)
}

func (s *story) press(label string) {
	target, form, err := s.sheet().press(label, s.filled)
	if err != nil {
		s.ts.Fatalf("%v: %s", err, s.text())
	}
	s.filled = url.Values{}
	s.at.page = s.at.Post(target, form)
}

// value is what is typed: a text, or a code from somewhere.
func (s *story) value(text string) string {
	number, isCode := strings.CutPrefix(text, "recovery code ")
	switch {
	case text == phoneNow:
		return s.shown
	case text == mailed:
		return s.box.Code(maya)
	case isCode:
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > len(s.codes) {
			s.ts.Fatalf("there is no %s among %d", text, len(s.codes))
		}
		return s.codes[n-1]
	}
	return text
}

func (s *story) portal() {
	if s.at.page.Left == nil {
		s.ts.Fatalf("the browser is not back at the portal: %s", s.text())
	}
	s.at.tokens = s.party.Exchange(s.at.attempt, s.at.page.Left)
}

func (s *story) comeBack(username string) {
	p := s.entra.SignIn(s.at.Browser, s.at.page.Left, username)
	if p.Left == nil {
		s.ts.Fatalf("Microsoft ended on %q", p.Heading())
	}
	s.at.page = s.at.Get(p.Left.String())
}

func (s *story) mail(to, text string) {
	for {
		if l := s.box.Next(to); strings.Contains(l.Subject+"\n"+l.Text, text) {
			return
		}
	}
}

func (s *story) claim(name string) string {
	switch v := s.at.tokens.Claims[name].(type) {
	case string:
		return v
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, one.(string))
		}
		return strings.Join(all, " ")
	}
	return ""
}

func (s *story) refresh() bool {
	fresh, err := s.party.Refresh(s.at.tokens.RefreshToken)
	if err == nil {
		s.at.tokens.Token = fresh
	}
	return err == nil
}

func (s *story) userinfo() bool {
	return idptest.Userinfo(s.t, s.Issuer, s.at.tokens.AccessToken) == http.StatusOK
}

func (s *story) signOut() {
	q := url.Values{"id_token_hint": {s.at.tokens.RawID}, "post_logout_redirect_uri": {bye}}
	s.at.page = s.at.Get(s.Issuer + "/end_session?" + q.Encode())
	if s.at.page.Left == nil || s.at.page.Left.String() != bye {
		s.ts.Fatalf("signing out ended on %q", s.at.page.Heading())
	}
}
