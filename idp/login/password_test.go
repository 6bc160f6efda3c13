package login_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/people"
)

const refusal = "That email and password do not match."

// answer is a refusal without what differs from request to request.
type answer struct {
	Status  int
	Headers string
	Body    string
}

func answerTo(h *house, address, password string) answer {
	h.t.Helper()
	b := idptest.NewBrowser(h.t)
	page := h.atPassword(b)
	refused := b.Submit(page, "/password", "email", address, "password", password)
	id := strings.TrimPrefix(page.URL.Path, "/login/")
	refused.Body = ownRequest.ReplaceAllString(refused.Body, "REQUEST")
	body := strings.ReplaceAll(strings.ReplaceAll(refused.Body, id, "FLOW"), html.EscapeString(address), "EMAIL")
	var headers []string
	for name := range refused.Header {
		headers = append(headers, name)
	}
	slices.Sort(headers)
	return answer{refused.Status, strings.Join(headers, " "), body}
}

// ownRequest is the app's request that started the sign-in, and how long that may take.
var ownRequest = regexp.MustCompile(`"/authorize[^"]*"|data-seconds="\d+"`)

func TestEveryWrongSignInGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.AddUser(idp.Contacts, "customer@rtx.example")
		left := h.AddUser(idp.Agents, "left@rtx.example")
		h.exec("UPDATE users SET disabled = TRUE WHERE id = '" + left.ID + "'")
		invited := people.NewUser{Population: idp.Agents, Email: "invited@rtx.example"}
		if _, err := h.Manage.People.CreateUser(t.Context(), invited); err != nil {
			t.Fatal(err)
		}

		reference := answerTo(h, email, "not her password")
		if reference.Status != http.StatusUnprocessableEntity || !strings.Contains(reference.Body, refusal) {
			t.Fatalf("a wrong password: %+v", reference)
		}
		for name, try := range map[string][2]string{
			"unknown person":                  {"nobody@rtx.example", idptest.Password},
			"disabled account":                {"left@rtx.example", idptest.Password},
			"disabled account, wrong":         {"left@rtx.example", "wrong"},
			"person of the other portal":      {"customer@rtx.example", idptest.Password},
			"person without a password":       {"invited@rtx.example", idptest.Password},
			"longest password":                {email, strings.Repeat("x", 4096)},
			"too long a password":             {email, strings.Repeat("x", 5120)},
			"too long a password, unknown":    {"nobody@rtx.example", strings.Repeat("x", 5120)},
			"password with a space behind it": {email, idptest.Password + " "},
			"password in capitals":            {email, strings.ToUpper(idptest.Password)},
			"password with a NUL":             {email, idptest.Password + "\x00"},
		} {
			h.calm()
			if got := answerTo(h, try[0], try[1]); got != reference {
				t.Errorf("%s: status %d, headers %s\n%s\nwant the answer to a wrong password: status %d, headers %s\n%s",
					name, got.Status, got.Headers, got.Body, reference.Status, reference.Headers, reference.Body)
			}
		}
		if n := h.Audited(idp.AuditPasswordRefused); n != 12 {
			t.Errorf("%d audit events of a refused password, want 12", n)
		}
	})
}

func TestIncompleteFormsAreAskedForAgainAndCountAsNothing(t *testing.T) {
	t.Parallel()
	h := alone(t)
	for name, test := range map[string]struct{ email, password, want string }{
		"nothing":        {"", "", "Enter your email address."},
		"no password":    {email, "", "Enter your password."},
		"only spaces":    {"   ", "x", "Enter your email address."},
		"no domain":      {"maya", "x", "Enter a full email address"},
		"half a domain":  {"maya@", "x", "Enter a full email address"},
		"two at signs":   {"maya@@rtx.example", "x", "Enter a full email address"},
		"with a name":    {"Maya <maya@rtx.example>", "x", "Enter a full email address"},
		"with a newline": {"maya@rtx.example\r\nBcc: x@y.example", "x", "Enter a full email address"},
		"with a NUL":     {"ma\x00ya@rtx.example", "x", "Enter a full email address"},
		"not UTF-8":      {"ma\xffya@rtx.example", "x", "Enter a full email address"},
		"endless":        {strings.Repeat("m", 400) + "@rtx.example", "x", "Enter a full email address"},
	} {
		b := idptest.NewBrowser(t)
		page := b.Submit(h.atPassword(b), "/password", "email", test.email, "password", test.password)
		if page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Body, test.want) {
			t.Errorf("%s: status %d, want 422 and %q in\n%s", name, page.Status, test.want, page.Body)
		}
		if test.password != "" && strings.Contains(page.Body, `value="x"`) {
			t.Errorf("%s: the password stands on the page", name)
		}
	}
	if n := h.count("throttles") + h.count("audit_events WHERE kind LIKE 'password.%'"); n != 0 {
		t.Errorf("%d counters and events of forms that were no attempt", n)
	}
}

func TestAnAddressIsTheSameHoweverItIsTyped(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.AddUser(idp.Agents, "zoë.müller@rtx.example")
		for _, typed := range []string{
			email, "MAYA@RTX.EXAMPLE", "  Maya@rtx.Example\t", "\u00a0maya@rtx.example\u2003",
			"zoë.müller@rtx.example", "ZOË.MÜLLER@rtx.example", "zoe\u0308.mu\u0308ller@rtx.example",
		} {
			b := idptest.NewBrowser(t)
			page := b.Submit(h.atPassword(b), "/password", "email", typed, "password", idptest.Password)
			if page.Status != http.StatusOK || !strings.HasPrefix(page.Heading(), "Protect your account") {
				t.Errorf("%q: status %d, %q; want the set-up", typed, page.Status, page.Heading())
			}
		}
	})
}

func TestTheLongestPasswordWorks(t *testing.T) {
	t.Parallel()
	h := alone(t)
	long := strings.Repeat("long pass ", 408) + "word 🔑" // 4096 bytes and some less
	if _, err := h.Manage.People.CreateUser(t.Context(), people.NewUser{
		Population: idp.Agents, Email: "long@rtx.example", Password: long,
	}); err != nil {
		t.Fatal(err)
	}
	b := idptest.NewBrowser(t)
	page := b.Submit(h.atPassword(b), "/password", "email", "long@rtx.example", "password", long)
	if page.Status != http.StatusOK {
		t.Errorf("status %d, %q", page.Status, page.Heading())
	}
}

// TestAPortalTakesItsOwnPopulations signs in to a portal of both kinds of
// people, and tries to choose a population that is none of the portal's.
func TestAPortalTakesItsOwnPopulations(t *testing.T) {
	t.Parallel()
	h := alone(t)
	h.AddUser(idp.Contacts, "customer@rtx.example")
	both := h.AddParty(idp.Client{Populations: []string{idp.Agents, idp.Contacts}})
	b := idptest.NewBrowser(t)
	page := b.Get(both.Begin().URL)
	if refused := b.Submit(page, "/password", "email", "customer@rtx.example", "password", idptest.Password); refused.Status != http.StatusUnprocessableEntity {
		t.Errorf("a contact among the agents: status %d, want 422", refused.Status)
	}
	page = b.Get(page.URL.String() + "?as=contacts")
	page = b.Submit(page, "/password", "email", "customer@rtx.example", "password", idptest.Password)
	wantText(t, page, http.StatusOK, "Support portal")

	b = idptest.NewBrowser(t)
	page = b.Post(flowOf(h.atPassword(b))+"/password", url.Values{
		"population": {idp.Contacts}, "email": {"customer@rtx.example"}, "password": {idptest.Password},
	})
	wantText(t, page, http.StatusUnprocessableEntity, refusal)
}
