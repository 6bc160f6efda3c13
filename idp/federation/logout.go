package federation

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// Routes registers what other providers and their browsers call.
func (f *Federation) Routes(r *gin.RouterGroup) {
	r.GET(LogoutPath, f.cfg.Web.Handle(f.frontChannel))
	r.POST(LogoutPath, f.backChannel)
}

// EndURL is where to send the browser to sign out at the other side as well, when the
// connection says so; location is where it ends up afterwards, empty for our own page.
// Empty: sign-out ends here. (OpenID Connect RP-Initiated Logout 1.0 section 2.)
func (f *Federation) EndURL(ctx context.Context, connectionID, location string) string {
	c, err := f.cfg.Store.Connection(ctx, connectionID)
	if err != nil || !c.EndUpstream {
		return ""
	}
	d, err := f.provider(ctx, c)
	if err != nil || d.EndSession == "" {
		slog.WarnContext(ctx, "sign out at the other provider", "connection", c.ID, "cause", errors.Join(err, errors.New("no end_session_endpoint")))
		return ""
	}
	separator := "?"
	if strings.Contains(d.EndSession, "?") {
		separator = "&"
	}
	return d.EndSession + separator + url.Values{
		"client_id":                {c.ClientID},
		"post_logout_redirect_uri": {strings.TrimRight(f.cfg.Issuer, "/") + idp.FederationCallback},
		"state":                    {f.seal(location)},
	}.Encode()
}

// seal makes a state that brings a location back unchanged.
func (f *Federation) seal(location string) string {
	return base64.RawURLEncoding.EncodeToString(f.mac(location)) + ".." + base64.RawURLEncoding.EncodeToString([]byte(location))
}

func (f *Federation) mac(location string) []byte {
	h := hmac.New(sha256.New, f.cfg.Key)
	h.Write([]byte("signed-out\x00" + location))
	return h.Sum(nil)
}

// Returned tells whether a state that came to the callback is that of a sign-out, and
// where the person wanted to be afterwards, empty for nowhere.
func (f *Federation) Returned(state string) (location string, ok bool) {
	if state == "" { // some providers drop it
		return "", true
	}
	mac, location, _ := strings.Cut(state, "..")
	want, err := base64.RawURLEncoding.DecodeString(mac)
	text, errText := base64.RawURLEncoding.DecodeString(location)
	if err != nil || errText != nil || !hmac.Equal(want, f.mac(string(text))) {
		return "", false
	}
	return string(text), true
}

// frontChannel ends the sessions of a session at the other side, which loads this in
// the person's browser (OpenID Connect Front-Channel Logout 1.0 section 2). Whoever
// knows the session's id there may end it; nothing else is asked for, since cookies do
// not come along.
func (f *Federation) frontChannel(c *gin.Context) error {
	ctx, iss, sid := c.Request.Context(), c.Query("iss"), c.Query("sid")
	if sid == "" || len(sid) > maxSID || !utf8.ValidString(sid) || strings.ContainsRune(sid, 0) {
		return web.NewProblem(ui.ProblemBadRequest, errors.New("front-channel logout without sid"))
	}
	list, err := f.cfg.Store.Connections(ctx, "")
	if err != nil {
		return err
	}
	for _, connection := range list {
		if iss == "" || f.isIssuer(ctx, connection, iss) {
			if err := f.end(ctx, connection, sid, "", "front channel"); err != nil {
				return err
			}
		}
	}
	c.Header("Cache-Control", "no-store")
	c.String(http.StatusOK, "signed out\n")
	return nil
}

// isIssuer tells whether an issuer's name is a connection's, of any of its directories.
func (f *Federation) isIssuer(ctx context.Context, c idp.Connection, iss string) bool {
	if c.Kind != idp.EntraConnection {
		return iss == c.Issuer
	}
	d, err := f.provider(ctx, c)
	if err != nil {
		return false
	}
	before, after, template := strings.Cut(d.Issuer, tenantTemplate)
	tid, ok := strings.CutPrefix(iss, before)
	if !template {
		return iss == d.Issuer
	}
	tid, suffixed := strings.CutSuffix(tid, after)
	return ok && suffixed && c.AllowsTenant(tid)
}

// end ends the living sessions of a session there (sid), or of a person.
func (f *Federation) end(ctx context.Context, c idp.Connection, sid, subject, by string) error {
	ids, err := f.cfg.Store.SessionsUpstream(ctx, c.ID, sid, subject)
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = f.cfg.Sessions.End(ctx, idp.AuditEvent{Detail: map[string]string{"by": "the other provider, by " + by, "connection": c.ID}}, ids...)
	return err
}

// backChannel takes a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.5).
func (f *Federation) backChannel(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	err := f.loggedOut(c.Request.Context(), c.PostForm("logout_token"))
	var refused *idp.FederationError
	switch {
	case err == nil:
		c.Status(http.StatusOK)
	case errors.As(err, &refused):
		slog.WarnContext(c.Request.Context(), "back-channel logout refused", "cause", err)
		c.JSON(http.StatusBadRequest, gin.H{"error": "invalid_request", "error_description": "the logout token cannot be believed"})
	default:
		slog.ErrorContext(c.Request.Context(), "back-channel logout failed", "cause", err)
		c.JSON(http.StatusInternalServerError, gin.H{"error": "server_error"})
	}
}

// loggedOut checks a logout token and ends what it names.
func (f *Federation) loggedOut(ctx context.Context, raw string) error {
	c, err := f.addressee(ctx, raw)
	if err != nil {
		return err
	}
	d, err := f.provider(ctx, c)
	if err != nil {
		return err
	}
	said, err := d.readLogout(ctx, c, raw)
	if err != nil {
		return err
	}
	subject := idp.OIDCSubject(c.Issuer, said.Subject)
	if c.Kind == idp.EntraConnection {
		subject = idp.EntraSubject(said.TenantID, said.ObjectID)
	}
	return f.end(ctx, c, said.SID, subject, "back channel")
}

// addressee is the connection whose client a token is for, as it says itself: it is
// verified by that connection's keys afterwards.
func (f *Federation) addressee(ctx context.Context, raw string) (idp.Connection, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return idp.Connection{}, untrusted("no signed token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return idp.Connection{}, untrusted("no signed token: %w", err)
	}
	var said struct {
		Issuer   string     `json:"iss"`
		Audience stringList `json:"aud"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return idp.Connection{}, untrusted("no signed token: %w", err)
	}
	list, err := f.cfg.Store.Connections(ctx, "")
	if err != nil {
		return idp.Connection{}, err
	}
	for _, c := range list {
		if len(said.Audience) == 1 && said.Audience[0] == c.ClientID && f.isIssuer(ctx, c, said.Issuer) {
			return c, nil
		}
	}
	return idp.Connection{}, untrusted("no connection of issuer %.200q", said.Issuer)
}

// logoutEvent stands in every logout token (section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutAge is the oldest that a logout token may be: one that is sent again later must
// not end a newer session.
const logoutAge = 5 * time.Minute

// readLogout checks a logout token (section 2.6).
func (d *description) readLogout(ctx context.Context, c idp.Connection, raw string) (claims, error) {
	token, err := oidc.NewVerifier(d.Issuer, d.keys, &oidc.Config{
		ClientID: c.ClientID, SupportedSigningAlgs: algorithms(), SkipIssuerCheck: true, SkipExpiryCheck: true, Now: idp.Now,
	}).Verify(ctx, raw)
	if err != nil {
		return claims{}, d.doubt(err)
	}
	said, err := readClaims(token.Claims)
	if err != nil {
		return said, err
	}
	if err := said.checkIssuer(d.Issuer, token.Issuer, c); err != nil {
		return said, err
	}
	events, _ := said.all["events"].(map[string]any)
	_, isLogout := events[logoutEvent].(map[string]any)
	_, hasNonce := said.all["nonce"]
	now := idp.Now()
	switch {
	case !isLogout || hasNonce:
		return said, untrusted("no logout token")
	case token.IssuedAt.After(now.Add(clockSkew)) || token.IssuedAt.Before(now.Add(-logoutAge)):
		return said, untrusted("a logout token of %s", token.IssuedAt)
	case !token.Expiry.IsZero() && token.Expiry.Unix() > 0 && token.Expiry.Before(now.Add(-clockSkew)):
		return said, untrusted("the logout token ended at %s", token.Expiry)
	case said.SID == "" && said.Subject == "":
		return said, untrusted("the logout token names nobody")
	}
	return said, nil
}
