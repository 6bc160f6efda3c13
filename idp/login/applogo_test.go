package login_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

var logoOnPage = regexp.MustCompile(`<p class="app"><img class="logo" src="(/apps/[^"]+/logo\?v=[0-9a-f]{12})"`)

// The logo's server sees the provider ask once, and nobody who signs in.
func TestTheLogoOfAnAppComesFromUs(t *testing.T) {
	t.Parallel()
	h := alone(t)
	var dot bytes.Buffer
	idptest.Must(t, png.Encode(&dot, image.NewGray(image.Rect(0, 0, 1, 1))))
	var asked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1); r.Header.Get("Cookie")+r.Header.Get("Referer") != "" {
			t.Errorf("it is told %v", r.Header)
		}
		_, _ = w.Write(dot.Bytes())
	}))
	defer elsewhere.Close()
	b := idptest.NewBrowser(t)
	page := b.Get(h.party.Begin().URL)
	if strings.Contains(page.Body, `class="app"`) || b.Get(h.Issuer+"/apps/"+h.party.Client.ID+"/logo").Status != http.StatusNotFound {
		t.Error("an app without a logo has one")
	}
	app, err := h.Store.VersionedClient(t.Context(), h.party.Client.ID)
	idptest.Must(t, err)
	app.Client.LogoURI = elsewhere.URL + "/logo" // http, which only the store takes
	idptest.Must(t, h.Store.SaveClient(t.Context(), app.Version, app.Client))
	page = b.Get(h.party.Begin().URL)
	found := logoOnPage.FindStringSubmatch(page.Body)
	if found == nil || strings.Contains(page.Body, elsewhere.URL) || strings.Contains(page.Header.Get("Content-Security-Policy"), elsewhere.URL) {
		t.Fatalf("no logo of ours:\n%s", page.Body)
	}
	for range 2 {
		logo := b.Get(h.Issuer + found[1])
		if logo.Status != http.StatusOK || logo.Header.Get("Content-Type") != "image/png" || logo.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("answers %d %v", logo.Status, logo.Header)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the other server was asked %d times", n)
	}
	if p := b.Get(h.Issuer + "/apps/invented/logo"); p.Status != http.StatusNotFound {
		t.Errorf("an invented app: %d", p.Status)
	}
	_, _, err = h.Manage.Apps.CreateClient(t.Context(), idp.Client{
		Name: "Bad", Populations: []string{idp.Agents}, RedirectURIs: []string{idptest.RedirectURI}, LogoURI: "http://rtx.example/logo.png",
	})
	if err == nil {
		t.Error("a logo without https is saved")
	}
}
