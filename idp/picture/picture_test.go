package picture_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/idp/fetch"
	"gatehouse/idp/picture"
)

func dot(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// elsewhere is another server with pictures, and what others make of them.
func elsewhere(t *testing.T, asked *atomic.Int64) *httptest.Server {
	t.Helper()
	good := dot(t)
	answers := map[string]string{
		"/good": good, "/gif": "GIF89a" + strings.Repeat("x", 40), "/jpeg": "\xff\xd8\xff\xe0 more", "/webp": "RIFF1234WEBPVP8 ",
		"/largest": good + strings.Repeat("x", fetch.MaxBody-1-len(good)), "/larger": good + strings.Repeat("x", fetch.MaxBody-len(good)),
		"/huge": good + strings.Repeat("x", 10*fetch.MaxBody), "/svg": `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
		"/html": "<!doctype html><script>alert(1)</script>", "/empty": "", "/text": "hello", "/pdf": "%PDF-1.7",
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, ok := answers[r.URL.Path]
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/good", http.StatusFound)
		case !ok:
			http.Error(w, good, http.StatusInternalServerError)
		}
		w.Header().Set("Content-Type", "text/html") // nobody believes it
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s
}

func serve(p *picture.Pictures, url string, header ...string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	p.Serve(w, r, url)
	return w
}

func client(t *testing.T, private bool) *http.Client {
	t.Helper()
	c := fetch.NewClient(private)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestOnlyPicturesAreServedAndAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	other := elsewhere(t, &asked)
	p := picture.New(client(t, true))
	for path, kind := range map[string]string{
		"/good": "image/png", "/gif": "image/gif", "/jpeg": "image/jpeg", "/webp": "image/webp", "/largest": "image/png",
		"/larger": "", "/huge": "", "/svg": "", "/html": "", "/empty": "", "/text": "", "/pdf": "", "/moved": "", "/fault": "",
	} {
		w := serve(p, other.URL+path)
		h := w.Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
			t.Errorf("%s: %v", path, h)
		}
		if kind != "" && (w.Code != http.StatusOK || h.Get("Content-Type") != kind || !strings.HasPrefix(h.Get("Cache-Control"), "public")) {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
		if kind == "" && (w.Code != http.StatusNotFound || w.Body.Len() > 0 || h.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: %d %v %q", path, w.Code, h, w.Body)
		}
	}
	for _, bad := range []string{"", "::", "ftp://rtx.example/x", "data:image/png;base64,AA==", "file:///etc/passwd"} {
		if w := serve(p, bad); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

func TestPicturesOfPrivateAddressesAreNotFetched(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	other := elsewhere(t, &asked)
	p := picture.New(client(t, false))
	for _, url := range []string{other.URL + "/good", strings.Replace(other.URL, "http:", "https:", 1) + "/good"} {
		if w := serve(p, url); w.Code != http.StatusNotFound || asked.Load() != 0 {
			t.Errorf("%s: %d, asked %d times", url, w.Code, asked.Load())
		}
	}
}

func TestManyVisitorsAtOnceFetchAPictureOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	other := elsewhere(t, &asked)
	p := picture.New(client(t, true))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if w := serve(p, other.URL+"/good"); w.Code != http.StatusOK {
				t.Errorf("answers %d", w.Code)
			}
		})
	}
	all.Wait()
	serve(p, other.URL+"/fault")
	serve(p, other.URL+"/fault")
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want once for each", n)
	}
}

type answered func(*http.Request) (*http.Response, error)

func (f answered) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAPictureIsFetchedAgainAfterAnHourAndAMissingOneAfterAMinute(t *testing.T) {
	t.Parallel()
	good := dot(t)
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := picture.New(&http.Client{Transport: answered(func(r *http.Request) (*http.Response, error) {
			asked++
			w := httptest.NewRecorder()
			if r.URL.Path == "/good" {
				_, _ = w.WriteString(good)
			}
			return w.Result(), nil
		})})
		for _, c := range []struct {
			path string
			wait time.Duration
			want int
		}{
			{"/good", 0, 1},
			{"/good", picture.Kept - time.Second, 1},
			{"/good", 2 * time.Second, 2},
			{"/none", 0, 3},
			{"/none", picture.Missed - time.Second, 3},
			{"/none", 2 * time.Second, 4},
		} {
			time.Sleep(c.wait)
			serve(p, "https://rtx.example"+c.path)
			synctest.Wait()
			if asked != c.want {
				t.Errorf("%s after %s: asked %d times, want %d", c.path, c.wait, asked, c.want)
			}
		}
	})
}

func TestAVisitorWhoLeavesSpoilsNothingForOthers(t *testing.T) {
	t.Parallel()
	good := dot(t)
	release := make(chan struct{})
	p := picture.New(&http.Client{Transport: answered(func(r *http.Request) (*http.Response, error) {
		select {
		case <-release:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		w := httptest.NewRecorder()
		_, _ = w.WriteString(good)
		return w.Result(), nil
	})})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	w := httptest.NewRecorder()
	p.Serve(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody), "https://rtx.example/logo")
	if w.Code != http.StatusNotFound {
		t.Errorf("answers %d", w.Code)
	}
	close(release)
	if w := serve(p, "https://rtx.example/logo"); w.Code != http.StatusOK {
		t.Errorf("the next visitor: %d", w.Code)
	}
}
