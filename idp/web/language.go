package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/ui"
)

// The choice of a language at the foot of a page is kept in a cookie that says the language
// and nothing else.
const (
	languageCookie = "gatehouse_language"
	languageLasts  = 365 * 24 * time.Hour
)

// LanguageRoutes adds the form at the foot of pages.
func (w *Web) LanguageRoutes(r gin.IRoutes) {
	r.POST(ui.LanguagePath, w.SameOrigin(), w.Handle(w.chooseLanguage))
}

func (w *Web) chooseLanguage(c *gin.Context) error {
	if err := c.Request.ParseForm(); err != nil {
		return BadForm(err)
	}
	if lang := w.cfg.UI.Known(c.PostForm("lang")); lang != "" {
		http.SetCookie(c.Writer, w.languageCookie(lang, int(languageLasts/time.Second)))
	}
	return Redirect(c, w.ours(c.PostForm("back")))
}

// ForgetLanguage makes the browser forget the choice: the person made another one in their
// account.
func (w *Web) ForgetLanguage(c *gin.Context) { http.SetCookie(c.Writer, w.languageCookie("", -1)) }

func (w *Web) languageCookie(lang string, seconds int) *http.Cookie {
	return &http.Cookie{
		Name: languageCookie, Value: lang, Path: w.base + "/", MaxAge: seconds,
		HttpOnly: true, Secure: w.Secure(), SameSite: http.SameSiteLaxMode,
	}
}

// ours is an address to go back to, if it is one of our own pages: anybody may have written
// it.
func (w *Web) ours(back string) string {
	u, err := url.Parse(back)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.HasPrefix(back, "//") ||
		strings.ContainsAny(back, "\\\r\n\t") || !strings.HasPrefix(u.Path, w.base+"/") || strings.HasPrefix(u.Path, "//") {
		return w.Path("/account")
	}
	return u.RequestURI()
}

// Language picks the language of a page for what is known of its reader, beside what they
// chose in this browser and what the browser says.
func (w *Web) Language(r *http.Request, wish ui.Wish) string {
	if chosen, err := r.Cookie(languageCookie); err == nil {
		wish.Chosen = w.cfg.UI.Known(chosen.Value)
	}
	wish.Accept = r.Header.Get("Accept-Language")
	return w.cfg.UI.Match(wish)
}

// Languages are the languages that pages are written in, by their own names, with the
// language as the URL.
func (w *Web) Languages() []ui.Link { return w.cfg.UI.LanguageNames() }
