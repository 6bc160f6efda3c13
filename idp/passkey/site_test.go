package passkey_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/passkey"
)

func TestSitesAreChecked(t *testing.T) {
	t.Parallel()
	six := []string{"https://a.example", "https://b.example", "https://c.example", "https://d.example", "https://e.example", "https://f.example"}
	for name, c := range map[string]struct {
		site passkey.Site
		want []string
	}{
		"the host":               {passkey.Site{Issuer: "https://id.rtx.example"}, nil},
		"its name again":         {passkey.Site{Issuer: "https://ID.rtx.example", Domain: "id.rtx.example"}, nil},
		"the domain above":       {passkey.Site{Issuer: "https://id.rtx.example/sso", Domain: "rtx.example"}, nil},
		"a domain of everybody":  {passkey.Site{Issuer: "https://id.rtx.co.uk", Domain: "co.uk"}, []string{"passkey-domain"}},
		"a top-level one":        {passkey.Site{Issuer: "https://id.rtx.example", Domain: "example"}, []string{"passkey-domain"}},
		"another":                {passkey.Site{Issuer: "https://id.rtx.example", Domain: "rtx.test"}, []string{"passkey-domain"}},
		"one that ends alike":    {passkey.Site{Issuer: "https://id.rtx.example", Domain: "tx.example"}, []string{"passkey-domain"}},
		"one below":              {passkey.Site{Issuer: "https://id.rtx.example", Domain: "x.id.rtx.example"}, []string{"passkey-domain"}},
		"a part of an address":   {passkey.Site{Issuer: "http://127.0.0.1:8080", Domain: "0.0.1"}, []string{"passkey-domain"}},
		"related":                {passkey.Site{Issuer: "https://id.rtx.example", Origins: []string{"https://rtx.test", "https://login.rtx.test:8443", "http://localhost:8080"}}, nil},
		"many of one site":       {passkey.Site{Issuer: "https://id.rtx.example", Origins: []string{"https://a.rtx.test", "https://b.rtx.test", "https://c.rtx.test", "https://d.rtx.test", "https://e.rtx.test", "https://f.rtx.test"}}, nil},
		"of too many":            {passkey.Site{Issuer: "https://id.rtx.example", Origins: six}, []string{"of 6 sites"}},
		"no origins":             {passkey.Site{Issuer: "https://id.rtx.example", Origins: []string{"", "rtx.test", "http://rtx.test", "https://rtx.test/", "https://rtx.test/x", "https://u@rtx.test", "https://RTX.test", "https://rtx.test:443", "https://rtx.test:", "https://*.rtx.test", "https://192.0.2.1", "https://test", "null", "https://rtx.test?x"}}, []string{`""`, `"rtx.test"`, `"http://rtx.test"`, `"https://rtx.test/"`, `"https://rtx.test/x"`, `"https://u@rtx.test"`, `"https://RTX.test"`, `"https://rtx.test:443"`, `"https://rtx.test:"`, `"https://*.rtx.test"`, `"https://192.0.2.1"`, `"https://test"`, `"null"`, `"https://rtx.test?x"`}},
		"all that is wrong":      {passkey.Site{Issuer: "https://id.rtx.example", Domain: "x", Origins: []string{"y"}}, []string{"passkey-domain", "passkey-origins"}},
		"whose issuer is no URL": {passkey.Site{Issuer: "://", Domain: "x"}, nil},
	} {
		err := c.site.Check()
		if (err != nil) != (c.want != nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, text := range c.want {
			if err != nil && !strings.Contains(err.Error(), text) {
				t.Errorf("%s: nothing about %s in %v", name, text, err)
			}
		}
	}
}

// Passkeys of a domain are used on the issuer's pages and on those that are named, and nowhere
// else in the domain.
func TestWhereThePasskeysOfADomainAreUsed(t *testing.T) {
	t.Parallel()
	r, err := passkey.New(passkey.Site{Issuer: origin, Domain: "rtx.example", Origins: []string{"https://rtx.test"}}, []byte("key"))
	idptest.Must(t, err)
	for at, want := range map[string]passkey.Reason{
		origin: "", "https://rtx.test": "",
		"https://rtx.example": passkey.WrongOrigin, "https://www.rtx.example": passkey.WrongOrigin, "https://x.rtx.test": passkey.WrongOrigin,
		"http://rtx.test": passkey.WrongOrigin, "https://rtx.test:8443": passkey.WrongOrigin,
	} {
		d := idptest.NewDevice(t, at, "rtx.example")
		_, _, err := r.Created(d.Create(creation(r)), challenge, passkey.Trust{})
		if want == "" {
			idptest.Must(t, err)
		} else {
			expect(t, err, want)
		}
	}
	d := idptest.NewDevice(t, origin, host) // of before
	_, _, err = r.Created(d.Create(creation(r)), challenge, passkey.Trust{})
	expect(t, err, passkey.WrongParty)
	d = idptest.NewDevice(t, "https://rtx.test", "rtx.example")
	d.Client = func(c map[string]any) { c["crossOrigin"] = true }
	_, _, err = r.Created(d.Create(creation(r)), challenge, passkey.Trust{})
	expect(t, err, passkey.CrossOrigin)
}

// A certificate that ends certifies nothing that is set up later.
func TestMakersAreReadFromPEM(t *testing.T) {
	t.Parallel()
	m, other := idptest.NewMaker(t, [16]byte{1}), idptest.NewMaker(t, [16]byte{1})
	list, err := passkey.Roots(m.PEM()+other.PEM(), idp.Now())
	if err != nil || len(list) != 2 {
		t.Errorf("%d, %v", len(list), err)
	}
	var bad *passkey.RootError
	if _, err = passkey.Roots(m.PEM(), idp.Now().Add(2*time.Hour)); !errors.As(err, &bad) || bad.Problem != passkey.RootExpired || bad.Name != "CN=Keys Root" {
		t.Errorf("one that has expired: %v", err)
	}
	if list, err = passkey.Roots(" \n", idp.Now()); err != nil || list != nil {
		t.Errorf("nothing: %v, %v", list, err)
	}
}
