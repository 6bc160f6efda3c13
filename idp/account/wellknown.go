package account

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/idp/web"
)

// landing is a page of an account to which other programs lead without knowing whose it is,
// such as a password manager. Empty: the overview.
type landing string

// The landings.
const (
	passwordLanding landing = "/password"
	factorsLanding  landing = "/second-step"
)

// named is the landing that an address asks for; one that is none leads to the overview.
func named(to string) landing {
	if l := landing("/" + to); slices.Contains([]landing{passwordLanding, factorsLanding}, l) {
		return l
	}
	return ""
}

// own is the URL of a landing page, for any person who is signed in.
func (l landing) own() string {
	if l == "" {
		return Home
	}
	return Home + "?to=" + strings.TrimPrefix(string(l), "/")
}

// wellKnown tells browsers and password managers where people change their password ("A
// Well-Known URL for Changing Passwords", W3C) and look after their passkeys ("A Well-Known URL
// for Relying Party Passkey Endpoints", W3C), and browsers which origins elsewhere may use our
// passkeys (WebAuthn Level 3 section 5.11.1). All are addresses of a whole origin: below a
// path of it, the origin is somebody else's to speak for.
func (p *Pages) wellKnown(r *gin.RouterGroup) {
	if p.Web.Base() != "" {
		return
	}
	r.GET("/.well-known/change-password", p.Web.Handle(func(c *gin.Context) error {
		return web.Redirect(c, p.Web.Path("%s", passwordLanding.own()))
	}))
	if related := p.Manage.Factors.Passkeys.Related(); len(related) > 0 {
		r.GET("/.well-known/webauthn", func(c *gin.Context) {
			c.JSON(http.StatusOK, map[string][]string{"origins": related})
		})
	}
	r.GET("/.well-known/passkey-endpoints", func(c *gin.Context) {
		page := strings.TrimSuffix(p.Callback, Home+"/callback") + factorsLanding.own()
		c.JSON(http.StatusOK, map[string]string{"enroll": page, "manage": page})
	})
}
