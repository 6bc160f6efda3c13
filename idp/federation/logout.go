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
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
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
func (f *Federation) EndURL(ctx context.Context, s idp.Session, location string) string {
	c, err := f.cfg.Store.Connection(ctx, s.ConnectionID)
	if err != nil || !c.EndUpstream {
		return ""
	}
	d, err := f.provider(ctx, c)
	if err != nil || d.EndSession == "" {
		slog.WarnContext(ctx, "sign out at the other provider", "connection", c.ID, "cause", errors.Join(err, errors.New("no end_session_endpoint")))
		return ""
	}
	query := url.Values{
		"client_id":                {c.ClientID},
		"post_logout_redirect_uri": {strings.TrimRight(f.cfg.Issuer, "/") + c.CallbackPath()},
		"state":                    {f.seal(location)},
	}
	said := f.openSignOut(s.UpstreamSignOut, sessionAAD(s.ID))
	for name, value := range map[string]string{"id_token_hint": said.Token, "logout_hint": said.Hint} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return idp.WithQuery(d.EndSession, query)
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

// frontChannel ends the sessions of a session at the other side, which loads this in the
// person's browser (OpenID Connect Front-Channel Logout 1.0 section 2). The session's id
// there is enough to end it; nothing else is asked for, since cookies do not come along.
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
	case errors.As(err, &refused) && !errors.Is(err, idp.ErrUnavailable):
		slog.WarnContext(c.Request.Context(), "back-channel logout refused", "cause", err)
		c.JSON(http.StatusBadRequest, gin.H{"error": "invalid_request", "error_description": "the logout token cannot be believed"})
	default:
		slog.ErrorContext(c.Request.Context(), "back-channel logout failed", "cause", err)
		status := http.StatusInternalServerError
		if errors.Is(err, idp.ErrUnavailable) {
			status = http.StatusServiceUnavailable
		}
		c.JSON(status, gin.H{"error": "server_error"})
	}
}

// loggedOut checks a logout token and ends what it names.
func (f *Federation) loggedOut(ctx context.Context, raw string) error {
	list, err := f.addressees(ctx, raw)
	if err != nil {
		return err
	}
	// Several populations may come through one client there.
	said := make([]claims, len(list))
	for i, c := range list {
		d, err := f.provider(ctx, c)
		if err != nil {
			return err
		}
		if said[i], err = d.readLogout(ctx, c, raw); err != nil {
			return err
		}
	}
	return f.cfg.Store.Do(ctx, func(ctx context.Context) error {
		err := f.cfg.Store.UseLogoutToken(ctx, idp.HashSecret(said[0].Issuer+"\n"+said[0].text("jti")), idp.Now().Add(logoutAge+2*clockSkew))
		if errors.Is(err, idp.ErrUsed) {
			return untrusted("the logout token came before")
		}
		for i := 0; err == nil && i < len(list); i++ {
			err = f.end(ctx, list[i], said[i].SID, said[i].subject(list[i]), "back channel")
		}
		return err
	})
}

// addressees are the connections whose client a token is for, as it says itself: it is
// verified by their keys afterwards.
func (f *Federation) addressees(ctx context.Context, raw string) ([]idp.Connection, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, untrusted("no signed token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, untrusted("no signed token: %w", err)
	}
	var said struct {
		Issuer   string     `json:"iss"`
		Audience stringList `json:"aud"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return nil, untrusted("no signed token: %w", fetch.Brief(err))
	}
	list, err := f.cfg.Store.Connections(ctx, "")
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(c idp.Connection) bool {
		return len(said.Audience) != 1 || said.Audience[0] != c.ClientID || !f.isIssuer(ctx, c, said.Issuer)
	})
	if len(list) == 0 {
		return nil, untrusted("no connection of issuer %.200q", said.Issuer)
	}
	return list, nil
}

// logoutEvent stands in every logout token (section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutAge is the oldest that a logout token may be: one that is sent again later must
// not end a newer session.
const logoutAge = 5 * time.Minute

// namesLogout tells whether a token's type is that of logout tokens, or none in
// particular, as older providers write it. Another one is another kind of token.
func namesLogout(raw string) bool {
	encoded, _, _ := strings.Cut(raw, ".")
	header, err := base64.RawURLEncoding.DecodeString(encoded)
	var said struct {
		Type string `json:"typ"`
	}
	if err != nil || json.Unmarshal(header, &said) != nil {
		return false
	}
	switch strings.TrimPrefix(strings.ToLower(said.Type), "application/") {
	case "", "jwt", "logout+jwt":
		return true
	}
	return false
}

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
	if err := checkIssuedAt(token.IssuedAt, logoutAge); err != nil {
		return said, err
	}
	switch {
	case !isLogout || hasNonce || !namesLogout(raw):
		return said, untrusted("no logout token")
	case token.Expiry.Before(idp.Now().Add(-clockSkew)): // or there is none
		return said, untrusted("the logout token ended at %s", token.Expiry)
	case said.text("jti") == "":
		return said, untrusted("the logout token has no id (jti)")
	case said.SID == "" && said.Subject == "":
		return said, untrusted("the logout token names nobody")
	}
	return said, nil
}
