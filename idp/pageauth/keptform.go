package pageauth

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/ui"
)

// Limits of a form that is kept: it lies in a cookie, until the sign-in that came in
// between is over.
const (
	keptFor  = idp.FlowLifetime
	keptSize = 2700 // bytes, before base64: browsers take cookies of 4 KiB
)

// kept is a form that was posted when its sender had to sign in first.
type kept struct {
	Page string `json:"page"`
	// Users are who may have sent it: the sessions that this browser had.
	Users  []string   `json:"users"`
	Fields url.Values `json:"fields"`
	Until  time.Time  `json:"until"`
}

// keep keeps what was typed for the page that the person comes back to, sealed in a
// cookie: never a secret, and nothing of people whom no session of this browser names.
func (p *RelyingParty) keep(c *gin.Context, page string, ask Ask) error {
	_, browser := p.Sessions.Cookies.Browser(c.Request.Header)
	if c.Request.Method != http.MethodPost || browser == nil || p.Keyring == nil {
		return nil
	}
	k := kept{Page: page, Users: []string{ask.UserID}, Fields: url.Values{}, Until: idp.Now().Add(keptFor)}
	if ask.UserID == "" {
		var err error
		if k.Users, err = p.Sessions.Had(c.Request.Context(), c.Request.Header); err != nil {
			return err
		}
	}
	for name, values := range c.Request.PostForm {
		if !ui.IsSecret(name) {
			k.Fields[name] = values
		}
	}
	text, err := json.Marshal(k)
	if err != nil || len(k.Users) == 0 || len(k.Fields) == 0 || len(text) > keptSize {
		return err
	}
	sealed := p.Keyring.Seal(text, keptFormAAD(browser))
	http.SetCookie(c.Writer, p.Sessions.Cookies.NewKeptForm(base64.RawURLEncoding.EncodeToString(sealed), keptFor))
	return nil
}

// keptFormAAD binds a form to its browser.
func keptFormAAD(browser []byte) string { return "kept form of " + hex.EncodeToString(browser) }

// Refill fills the page that is about to be shown with what its viewer had typed there
// before they had to sign in, once, and says so. It sends nothing.
func (p *RelyingParty) Refill(c *gin.Context, userID, lang string) {
	cookie := p.Sessions.Cookies.KeptForm(c.Request.Header)
	if cookie == "" || c.Request.Method != http.MethodGet || p.Keyring == nil {
		return
	}
	_, browser := p.Sessions.Cookies.Browser(c.Request.Header)
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		return
	}
	text, err := p.Keyring.Open(sealed, keptFormAAD(browser))
	var k kept
	if err != nil || json.Unmarshal(text, &k) != nil || k.Page != c.Request.URL.Path {
		return // of another page: it may come yet
	}
	http.SetCookie(c.Writer, p.Sessions.Cookies.NewKeptForm("", 0))
	if idp.Now().Before(k.Until) && slices.Contains(k.Users, userID) {
		p.Web.Refill(c, ui.Typed{Page: k.Page, Fields: k.Fields, Notice: p.Web.Text(lang, *ui.MsgKeptForm.With())})
	}
}
