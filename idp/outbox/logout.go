package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keys"
	"gatehouse/idp/store"
)

// logoutTokenLifetime is how long a logout token may be accepted; one that is
// delivered again is signed anew.
const logoutTokenLifetime = 2 * time.Minute

// logoutEvent is the one member of a logout token's events (OpenID Connect
// Back-Channel Logout 1.0 section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Backchannel tells relying parties that sessions are over.
type Backchannel struct {
	Issuer string
	Store  *store.Store
	Signer *keys.Keys
	// HTTP reaches the clients; fetch.NewClient makes a careful one.
	HTTP *http.Client
}

type logoutToken struct {
	Issuer   string              `json:"iss"`
	Audience string              `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"`
	Subject  string              `json:"sub,omitempty"`
	SID      string              `json:"sid"`
	Events   map[string]struct{} `json:"events"`
}

// Tell posts a logout token of one session to one client. The jti is the
// delivery's, so that a client that heard it twice can tell. idp.ErrNotFound: the
// client is gone, or does not want to be told any more.
func (b *Backchannel) Tell(ctx context.Context, d store.Delivery) error {
	client, err := b.Store.Client(ctx, d.Lane)
	if err != nil {
		return err
	}
	if client.BackchannelLogoutURI == "" {
		return fmt.Errorf("back-channel logout URI: %w", idp.ErrNotFound)
	}
	// As the client knows the person: by the sub of its ID tokens.
	subject, err := b.Store.SubjectOfSession(ctx, client.ID, d.SessionID)
	switch {
	case err == nil:
		d.UserID = subject
	case !errors.Is(err, idp.ErrNotFound):
		return err
	case client.SubjectType == idp.PairwiseSubject: // the session's sid is enough
		d.UserID = ""
	}
	return b.tell(ctx, client, d)
}

// Test posts a logout token of an invented session, once and at once, to see what the
// client answers: it is to be 200 or 204. The token has no sub, so that it signs no one
// out.
func (b *Backchannel) Test(ctx context.Context, client idp.Client) error {
	ctx, stop := context.WithTimeout(ctx, testWithin)
	defer stop()
	return b.tell(ctx, client, store.Delivery{ID: idp.NewID(), SessionID: idp.NewID()})
}

// testWithin is how long a test waits for a client's answer.
const testWithin = 5 * time.Second

func (b *Backchannel) tell(ctx context.Context, client idp.Client, d store.Delivery) error {
	now := idp.Now()
	payload, err := json.Marshal(logoutToken{
		Issuer: b.Issuer, Audience: client.ID, IssuedAt: now.Unix(), Expires: now.Add(logoutTokenLifetime).Unix(),
		ID: d.ID, Subject: d.UserID, SID: d.SessionID, Events: map[string]struct{}{logoutEvent: {}},
	})
	if err != nil {
		return fmt.Errorf("encode a logout token: %w", err)
	}
	token, err := b.Signer.Sign(client.SigningAlg, keys.LogoutToken, payload)
	if err != nil {
		return err
	}
	return b.post(ctx, client.BackchannelLogoutURI, url.Values{"logout_token": {token}}.Encode())
}

func (b *Backchannel) post(ctx context.Context, target, form string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form))
	if err != nil {
		return fmt.Errorf("tell a client: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := b.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("tell a client: %w", err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("read a client's answer: %w", err)
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the app answered %d", res.StatusCode)
	}
	return nil
}
