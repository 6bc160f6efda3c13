package ui_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"gatehouse/ui"
)

func TestAssets(t *testing.T) {
	u := newUI(t)
	style := u.Asset("style.css")
	if !regexp.MustCompile(`^/sso/assets/style\.[0-9a-f]{16}\.css$`).MatchString(style) {
		t.Fatalf("Asset: %s", style)
	}
	for _, c := range []struct {
		method, path, contentType string
		status                    int
	}{
		{"GET", style, "text/css; charset=utf-8", 200},
		{"HEAD", style, "text/css; charset=utf-8", 200},
		{"GET", strings.TrimPrefix(style, "/sso"), "text/css; charset=utf-8", 200},
		{"GET", u.Asset("comfort.js"), "text/javascript; charset=utf-8", 200},
		{"GET", u.Asset("icon.svg"), "image/svg+xml", 200},
		{"GET", "/sso/assets/brand/2b59e0.css", "text/css; charset=utf-8", 200},
		{"POST", style, "", 405},
		{"GET", "/sso/assets/style.css", "", 404},
		{"GET", "/sso/assets/", "", 404},
		{"GET", "/sso/assets/../ui.go", "", 404},
		{"GET", "/sso/assets/brand/2b59e.css", "", 404},
		{"GET", "/sso/assets/brand/2b59eg.css", "", 404},
		{"GET", "/sso/assets/brand/2b59e0", "", 404},
		{"GET", "/sso/assets/brand/%7Dbody.css", "", 404},
		{"GET", "/sso/assets/brand/.css", "", 404},
	} {
		w := httptest.NewRecorder()
		u.Assets().ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.status)
		}
		cached := w.Header().Get("Cache-Control") == "public, max-age=31536000, immutable"
		if cached != (c.status == 200) {
			t.Errorf("%s %s: cached is %v", c.method, c.path, cached)
		}
		if c.status == 200 && w.Header().Get("Content-Type") != c.contentType {
			t.Errorf("%s %s: type %s", c.method, c.path, w.Header().Get("Content-Type"))
		}
		if c.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("HEAD has a body")
		}
	}
	if got := u.Asset("nothing.css"); got != "" {
		t.Errorf("Asset of nothing: %q", got)
	}
}

func TestBrandLink(t *testing.T) {
	u := newUI(t)
	for color, want := range map[string]bool{"#2b59e0": true, "#2B59E0": true, "": false, "red": false, "#2b59e0}": false} {
		page := render(t, u, ui.SignIn{Frame: ui.Frame{Brand: ui.Brand{Color: color}}})
		if got := strings.Contains(page, `href="/sso/assets/brand/2b59e0.css?v=`); got != want {
			t.Errorf("%q: linked is %v", color, got)
		}
	}
}
