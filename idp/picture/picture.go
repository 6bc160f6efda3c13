package picture

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
)

// How long a picture is kept, and that there is none.
const (
	Kept   = time.Hour
	Missed = time.Minute
)

// most is how many are kept: with fetch.MaxBody each, 16 MiB.
const most = 256

// kinds are the types that are served. SVG is none of them: it can carry scripts.
var kinds = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

var (
	errTooLarge = errors.New("the picture is too large")
	errKind     = errors.New("it is no PNG, JPEG, GIF or WebP")
)

// Pictures are those that were fetched. It is safe for concurrent use.
type Pictures struct {
	client *http.Client
	mu     sync.Mutex
	byURL  map[string]*picture
}

// picture is one that is fetched, or that there is none. All but ready and until may be
// read once ready is closed; until is guarded by the mutex.
type picture struct {
	ready chan struct{}
	kind  string // empty for none
	body  []byte
	until time.Time // zero while it is fetched
}

// New makes an empty store. The client is one of package fetch.
func New(client *http.Client) *Pictures {
	return &Pictures{client: client, byURL: map[string]*picture{}}
}

// Tag names a URL, so that the address of its picture here changes with it.
func Tag(url string) string {
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:6])
}

// Serve answers with the picture of a URL, or that there is none.
func (p *Pictures) Serve(w http.ResponseWriter, r *http.Request, url string) {
	found := p.get(r.Context(), url)
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if found == nil || found.kind == "" {
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h.Set("Content-Type", found.kind)
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(Kept.Seconds())))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(found.body))
}

// get waits for a picture; nil when the visitor is gone before. Visitors who ask at once
// wait for one fetch.
func (p *Pictures) get(ctx context.Context, url string) *picture {
	one, mine := p.claim(url)
	if mine {
		// Others wait for it too: it goes on when this visitor leaves.
		go p.fill(context.WithoutCancel(ctx), one, url)
	}
	select {
	case <-one.ready:
		return one
	case <-ctx.Done():
		return nil
	}
}

// claim is the picture of a URL, and whether the caller has to fetch it.
func (p *Pictures) claim(url string) (one *picture, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, known := p.byURL[url]
	if known && (one.until.IsZero() || idp.Now().Before(one.until)) {
		return one, false
	}
	if len(p.byURL) >= most {
		clear(p.byURL) // who waits for one has it in hand
	}
	one = &picture{ready: make(chan struct{})}
	p.byURL[url] = one
	return one, true
}

func (p *Pictures) fill(ctx context.Context, one *picture, url string) {
	kind, body, err := p.fetch(ctx, url)
	kept := Kept
	if err != nil {
		kept = Missed
		slog.LogAttrs(ctx, slog.LevelInfo, "fetch a picture", slog.Any("error", err))
	}
	one.kind, one.body = kind, body
	close(one.ready)
	p.mu.Lock()
	defer p.mu.Unlock()
	one.until = idp.Now().Add(kept)
}

func (p *Pictures) fetch(ctx context.Context, url string) (kind string, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", nil, fmt.Errorf("ask for it: %w", err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return "", nil, fmt.Errorf("ask for it: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("the other server answers %d", res.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, fetch.MaxBody))
	switch kind = http.DetectContentType(body); {
	case err != nil:
		return "", nil, fmt.Errorf("read it: %w", err)
	case len(body) >= fetch.MaxBody: // what is longer was cut
		return "", nil, errTooLarge
	case !slices.Contains(kinds, kind):
		return "", nil, errKind
	}
	return kind, body, nil
}
