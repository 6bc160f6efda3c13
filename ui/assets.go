package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// asset is a file as it is served.
type asset struct {
	data        []byte
	contentType string
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// loadAssets gives every file a name that changes with its content.
func (u *UI) loadAssets() error {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return fmt.Errorf("ui: %w", err)
	}
	u.assets, u.names = map[string]asset{}, map[string]string{}
	for _, entry := range entries {
		data, err := assetFiles.ReadFile("assets/" + entry.Name())
		if err != nil {
			return fmt.Errorf("ui: %w", err)
		}
		ext := path.Ext(entry.Name())
		hashed := strings.TrimSuffix(entry.Name(), ext) + "." + contentHash(data) + ext
		u.assets[hashed] = asset{data, contentTypes[ext]}
		u.names[entry.Name()] = hashed
	}
	return nil
}

func contentHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// Asset is the URL of an asset such as "style.css", or "" when there is none.
func (u *UI) Asset(name string) string {
	hashed, ok := u.names[name]
	if !ok {
		return ""
	}
	return u.base + "/assets/" + hashed
}

// brandAsset is the URL of a colour's stylesheet, or "" when it is not one.
// The hash is of the derived colours: deriving better ones changes the URL.
func (u *UI) brandAsset(color string) string {
	c, err := ParseColor(color)
	if err != nil {
		return ""
	}
	return u.base + "/assets/brand/" + c.String()[1:] + ".css?v=" + contentHash([]byte(c.css()))
}

// Assets serves /assets/…, with or without the base path before it.
func (u *UI) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		file, ok := u.find(strings.TrimPrefix(r.URL.Path, u.base))
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", file.contentType)
		h.Set("Content-Length", strconv.Itoa(len(file.data)))
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodGet {
			_, _ = w.Write(file.data)
		}
	})
}

func (u *UI) find(urlPath string) (asset, bool) {
	name, ok := strings.CutPrefix(urlPath, "/assets/")
	if !ok {
		return asset{}, false
	}
	if brand, ok := strings.CutPrefix(name, "brand/"); ok {
		hexDigits, ok := strings.CutSuffix(brand, ".css")
		c, err := ParseColor("#" + hexDigits)
		if !ok || err != nil {
			return asset{}, false
		}
		return asset{[]byte(c.css()), contentTypes[".css"]}, true
	}
	file, ok := u.assets[name]
	return file, ok
}
