package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// LostAnswer is how long after an act a browser may say that our answer did not arrive.
const LostAnswer = time.Minute

// An Act is what gives a session another token: something that happens once, such as the
// end of a sign-in, in a browser that sends an earlier cookie, or none. The same request
// again gets the same token again, however many answers are under way. So the order in
// which they arrive cannot leave a browser with a dead token.
type Act struct {
	// Name is the act's alone.
	Name string
	// Held is the SHA-256 of the cookie that the browser sends, nil for none.
	Held []byte
}

// Act is one of a request.
func (m *Manager) Act(h http.Header, population, name string) Act {
	return Act{Name: name, Held: m.Held(h, population)}
}

// Held is the SHA-256 of the session's cookie that a browser sends, nil for none.
func (m *Manager) Held(h http.Header, population string) []byte {
	token := m.Cookies.Session(h, population)
	if token == "" {
		return nil
	}
	return idp.HashSecret(token)
}

// token is what an act brings.
func (m *Manager) token(a Act) string {
	if len(m.Key) == 0 {
		return idp.NewSecret()
	}
	mac := hmac.New(sha256.New, m.Key)
	mac.Write(idp.HashSecret(a.Name)) // as long for each name
	mac.Write(a.Held)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Renew gives a session another token, because its privilege rises or it begins. It is
// not stored yet.
func (m *Manager) Renew(s idp.Session, a Act) (idp.Session, *http.Cookie) {
	token := m.token(a)
	s.TokenHash, s.LastSeenAt = idp.HashSecret(token), idp.Now()
	return s, m.cookie(s, token)
}

// Again is the cookie of a session once more, for a browser that lost the answer to the
// act that made it. ok: that act was the session's last.
func (m *Manager) Again(s idp.Session, a Act) (cookie *http.Cookie, ok bool) {
	token := m.token(a)
	if subtle.ConstantTimeCompare(idp.HashSecret(token), s.TokenHash) != 1 {
		return nil, false
	}
	return m.cookie(s, token), true
}

// FindAfter is Find in one population for a browser that may have lost the answer to an
// act, and sends the previous cookie. The act alone is not enough: the caller asks for the
// proof that the act asked for.
func (m *Manager) FindAfter(ctx context.Context, h http.Header, clientID, population string, a Act) ([]store.SessionState, error) {
	_, browser := m.Cookies.Browser(h)
	if browser == nil || len(m.Key) == 0 {
		return nil, nil
	}
	return m.living(ctx, browser, clientID, []string{population}, [][]byte{idp.HashSecret(m.token(a))})
}
