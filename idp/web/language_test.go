package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/ui"
)

func choose(h http.Handler, base, lang, back string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, base+ui.LanguagePath, strings.NewReader(url.Values{"lang": {lang}, "back": {back}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return ask(h, req)
}

// The choice at the foot of a page holds in this browser, without a script, and says nothing
// but the language.
func TestAReaderChoosesALanguage(t *testing.T) {
	h := serve(t, "https://id.example/sso")
	req := get("/sso/page?a=1")
	req.Header.Set("Accept-Language", "fr")
	page := ask(h, req)
	for _, want := range []string{`<html lang="fr" dir="ltr">`, `action="/sso/language"`, `name="back" value="/sso/page?a=1"`} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, page.Body)
		}
	}
	if page.Header().Get("Content-Language") != "fr" || page.Header().Get("Vary") != "Accept-Language, Cookie" || page.Header().Get("Cache-Control") != "no-store" {
		t.Error(page.Header())
	}
	answer := choose(h, "/sso", "ar", "/sso/page?a=1")
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/sso/page?a=1" {
		t.Fatal(answer.Code, answer.Header())
	}
	cookie := answer.Result().Cookies()[0]
	if cookie.Value != "ar" || cookie.Path != "/sso/" || !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode {
		t.Error(cookie)
	}
	req.AddCookie(cookie)
	if page := ask(h, req); !strings.Contains(page.Body.String(), `<html lang="ar" dir="rtl">`) {
		t.Error(page.Body)
	}
	req = get("/sso/page")
	req.AddCookie(&http.Cookie{Name: cookie.Name, Value: `xx"><script>`})
	if page := ask(h, req); !strings.Contains(page.Body.String(), `<html lang="en" dir="ltr">`) {
		t.Error(page.Body)
	}
	if answer := choose(h, "/sso", "xx", "/sso/page"); answer.Code != http.StatusSeeOther || len(answer.Result().Cookies()) > 0 {
		t.Error("a language that there is not:", answer.Code, answer.Header())
	}
}

// The way back leads to a page of ours and to nobody else.
func TestTheChoiceOfALanguageLeadsNowhereElse(t *testing.T) {
	for issuer, base := range map[string]string{"https://id.example": "", "https://id.example/sso": "/sso"} {
		h := serve(t, issuer)
		for _, back := range []string{
			"", "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/%5cevil.example/..", base + "//evil.example",
			"javascript:alert(1)", "evil", "http:evil", "https:///evil.example", "///evil.example", "/\tevil", " //evil.example", base + "/x\r\nSet-Cookie: a=b", ":", "?a", "#", "/ss",
		} {
			location, err := url.Parse(choose(h, base, "de", back).Header().Get("Location"))
			if err != nil || location.Host != "" || location.Scheme != "" || !strings.HasPrefix(location.Path, base+"/") || strings.HasPrefix(location.Path, "//") {
				t.Errorf("%s: %q leads to %v (%v)", issuer, back, location, err)
			}
		}
		req := httptest.NewRequest(http.MethodPost, base+ui.LanguagePath, strings.NewReader("lang=de"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		if answer := ask(h, req); answer.Code != http.StatusForbidden || len(answer.Result().Cookies()) > 0 {
			t.Error("another site chose:", answer.Code, answer.Header())
		}
	}
}

func TestTheLanguagesOfTheHouseAreThoseOfItsTexts(t *testing.T) {
	u, err := ui.New(ui.Options{})
	if err != nil || !slices.Equal(u.Languages(), idp.Languages()) {
		t.Errorf("%v and %v (%v)", u.Languages(), idp.Languages(), err)
	}
}
