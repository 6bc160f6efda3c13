package idp_test

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/idp"
)

func TestDomainsHaveOneForm(t *testing.T) {
	for in, want := range map[string]string{
		"RTX.example": "rtx.example", " rtx.example. ": "rtx.example", "bücher.example": "xn--bcher-kva.example",
		"BÜCHER.example": "xn--bcher-kva.example", "xn--BCHER-kva.example": "xn--bcher-kva.example", "例子.example": "xn--fsqu00a.example",
		"ｒｔｘ.example": "rtx.example", "a-b.c1.example": "a-b.c1.example",
		"": "", "example": "", "a..b": "", ".a.example": "", "a b.example": "", "*.example.com": "", "192.0.2.1\n.x": "", "a@b.example": "",
		"xn--\x00.example": "", "exa\u200dmple.com": "", strings.Repeat("a", 64) + ".example": "", strings.Repeat("a.", 130) + "example": "",
		"\xff.example": "",
	} {
		got, err := idp.Domain(in)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	if d, err := idp.MailDomain(`odd"@at@RTX.example`); d != "rtx.example" || err != nil {
		t.Errorf("the domain is %q, %v", d, err)
	}
	if _, err := idp.MailDomain("nobody"); !errors.Is(err, idp.ErrInvalid) {
		t.Errorf("no domain: %v", err)
	}
}

func TestWhoMayRegister(t *testing.T) {
	all, some := idp.Registration{Open: true}, idp.Registration{Open: true, Allowed: []string{"rtx.example"}, Denied: []string{"trial.rtx.example"}}
	for _, c := range []struct {
		r      idp.Registration
		domain string
		want   bool
	}{
		{idp.Registration{}, "rtx.example", false},
		{all, "rtx.example", true},
		{idp.Registration{Allowed: []string{"rtx.example"}}, "rtx.example", false},
		{some, "rtx.example", true},
		{some, "north.rtx.example", true},
		{some, "trial.rtx.example", false},
		{some, "a.trial.rtx.example", false},
		{some, "notrtx.example", false},
		{some, "example", false},
		{some, "rtx.example.thief.example", false},
		{idp.Registration{Open: true, Denied: []string{"mail.example"}}, "mail.example", false},
		{idp.Registration{Open: true, Denied: []string{"mail.example"}}, "hotmail.example", true},
	} {
		if got := c.r.Admits(c.domain); got != c.want {
			t.Errorf("%+v admits %s: %t", c.r, c.domain, got)
		}
	}
	p := idp.Population{Registration: all}
	if p.Registers() {
		t.Error("people register where nobody signs in with a password")
	}
	if p.Access.Password = true; !p.Registers() {
		t.Error("nobody registers")
	}
}

// Both spellings of an internationalised domain are one address, and folding again
// changes nothing.
func FuzzEmailKey(f *testing.F) {
	for _, seed := range []string{"maya@rtx.example", "maya@xn--bcher-kva.example", "a@xn--", "@xn--a", "x@XN--BCHER-KVA.example", "\xff@xn--\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, email string) {
		key := idp.EmailKey(email)
		if again := idp.EmailKey(string(key)); string(again) != string(key) {
			t.Errorf("%q folds to %q and then to %q", email, key, again)
		}
		domain, err := idp.MailDomain(email)
		if err != nil {
			return
		}
		if again, err := idp.Domain(domain); err != nil || again != domain {
			t.Errorf("%q becomes %q and then %q, %v", email, domain, again, err)
		}
	})
}
