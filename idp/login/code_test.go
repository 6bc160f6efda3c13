package login_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

var nextCode = regexp.MustCompile(`has been used already\. Your app shows the next one in ([1-9]|[12][0-9]|30) seconds?\.`)

func TestRefusedCodesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := alone(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	h.calm()
	for name, test := range map[string]struct{ code, want string }{
		"wrong":         {wrong(phone), "That code did not work."},
		"empty":         {"", "Enter the 6-digit code."},
		"spaces":        {"  ", "Enter the 6-digit code."},
		"five digits":   {"12345", "The code has 6 digits."},
		"letters":       {"12345O", "The code has 6 digits."},
		"seven digits":  {"1234567", "The code has 6 digits."},
		"not UTF-8":     {"12345\xff", "The code has 6 digits."},
		"a whole novel": {strings.Repeat("1", 4096), "The code has 6 digits."},
	} {
		b := idptest.NewBrowser(t)
		page := b.Submit(h.atCode(b), "/totp", "code", test.code)
		if page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Body, test.want) {
			t.Errorf("%s: status %d, want 422 and %q in\n%s", name, page.Status, test.want, page.Body)
		}
		h.calm()
	}
	b := idptest.NewBrowser(t)
	page := h.atCode(b)
	for range 12 { // pressing Enter is no guess
		page = b.Submit(page, "/totp", "code", "")
	}
	wantText(t, page, http.StatusUnprocessableEntity, "Enter the 6-digit code.")
	h.forget()
	spaced := phone.Code(0)
	wantLeft(t, b.Submit(page, "/totp", "code", " "+spaced[:3]+" "+spaced[3:]))
}

func TestACodeIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		first, second, third := idptest.NewBrowser(t), idptest.NewBrowser(t), idptest.NewBrowser(t)
		page := h.accepted(first)
		phone := idptest.Scan(t, page)
		setUp := phone.Code(0)
		page = first.Submit(page, "/enrol", "code", setUp)
		wantLeft(t, first.Submit(page, "/saved", "saved", "yes"))

		page = second.Submit(h.atCode(second), "/totp", "code", setUp)
		if page.Status != http.StatusUnprocessableEntity || !nextCode.MatchString(page.Body) {
			t.Fatalf("the set-up's code again: status %d\n%s", page.Status, page.Body)
		}
		h.forget()
		code := phone.Code(0)
		wantLeft(t, second.Submit(page, "/totp", "code", code))
		page = third.Submit(h.atCode(third), "/totp", "code", code)
		if page.Status != http.StatusUnprocessableEntity || !nextCode.MatchString(page.Body) {
			t.Fatalf("a sign-in's code again: status %d\n%s", page.Status, page.Body)
		}
		if n := h.Audited(idp.AuditCodeReplayed); n != 2 {
			t.Errorf("%d audit events of a replayed code, want 2", n)
		}
	})
}

// TestCodesOfNearStepsAreAccepted does a try again when the clock moved on to
// the next step meanwhile.
func TestCodesOfNearStepsAreAccepted(t *testing.T) {
	t.Parallel()
	h := alone(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	for step, good := range map[int]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		for moved := true; moved; {
			h.calm()
			h.forget()
			b := idptest.NewBrowser(t)
			page := h.atCode(b)
			now := idp.Now().Unix() / 30
			page = b.Submit(page, "/totp", "code", phone.Code(step))
			moved = idp.Now().Unix()/30 != now
			if !moved && (page.Left != nil) != good {
				t.Errorf("the code of step %+d: status %d %q, accepted %t, want %t", step, page.Status, page.Heading(), !good, good)
			}
		}
	}
}

// TestALaterStepEndsTheEarlierOnes uses the next code first.
func TestALaterStepEndsTheEarlierOnes(t *testing.T) {
	t.Parallel()
	h := alone(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	h.forget()
	b, other := idptest.NewBrowser(t), idptest.NewBrowser(t)
	present := phone.Code(0)
	wantLeft(t, b.Submit(h.atCode(b), "/totp", "code", phone.Code(1)))
	page := other.Submit(h.atCode(other), "/totp", "code", present)
	if page.Left != nil || !nextCode.MatchString(page.Body) {
		t.Errorf("an earlier code than the last: status %d\n%s", page.Status, page.Body)
	}
}

// TestOneCodeInFiftyFlowsLetsOneIn races in one browser, whose flows are made
// from one: each waits for the code.
func TestOneCodeInFiftyFlowsLetsOneIn(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		phone, codes := h.enrol(idptest.NewBrowser(t))
		h.forget()
		sessions := h.count("sessions")
		for action, code := range map[string]string{"/totp": phone.Code(0), "/recovery": codes[3]} {
			h.calm()
			b := idptest.NewBrowser(t)
			flows := h.copies(h.atCode(b), 50)
			together(len(flows), func(i int) { b.Post(flows[i]+action, map[string][]string{"code": {code}}) })
			if action == "/recovery" {
				for _, flow := range flows {
					b.Post(flow+"/told", nil)
				}
			}
			if n := h.count("sessions") - sessions; n != 1 {
				t.Errorf("%s: %d of 50 signed in with one code, want 1", action, n)
			}
			sessions = h.count("sessions")
		}
		if n := h.count("recovery_codes WHERE used_at IS NOT NULL"); n != 1 {
			t.Errorf("%d recovery codes are used, want 1", n)
		}
	})
}

// copies makes more flows that stand where a page's does, each with a request of
// its own.
func (h *house) copies(p *idptest.Page, n int) []string {
	h.t.Helper()
	ctx, original := h.t.Context(), flowOf(p)
	id := original[strings.LastIndex(original, "/")+1:]
	flow, err := h.Store.Flow(ctx, id)
	if err != nil {
		h.t.Fatal(err)
	}
	request, err := h.Store.Request(ctx, flow.RequestID)
	if err != nil {
		h.t.Fatal(err)
	}
	var urls []string
	for range n {
		request.ID, flow.ID = idp.NewID(), idp.NewSecret()
		flow.RequestID = request.ID
		if err := h.Store.CreateRequest(ctx, request); err != nil {
			h.t.Fatal(err)
		}
		if err := h.Store.CreateFlow(ctx, flow); err != nil {
			h.t.Fatal(err)
		}
		urls = append(urls, h.Issuer+"/login/"+flow.ID)
	}
	return urls
}
