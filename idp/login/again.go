package login

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
)

// ending is how a flow ended.
type ending struct {
	At time.Time `json:"at"`
	// Held is the SHA-256 of the session's cookie that the browser sent with its last
	// answer, empty where it sent none: a browser that our answer did not reach sends
	// the same again.
	Held []byte `json:"held,omitempty"`
}

// ending notes how the flow ends, in the request that ends it.
func (l *Login) ending(s *signIn) *ending {
	return &ending{At: idp.Now(), Held: l.heldCookie(s)}
}

// heldCookie is the SHA-256 of the session's cookie that the browser sends, nil for none.
func (l *Login) heldCookie(s *signIn) []byte {
	token := l.Sessions.Cookies.Session(s.header, s.Population.ID)
	if token == "" {
		return nil
	}
	return idp.HashSecret(token)
}

// lostAnswer is how long after the end of a sign-in a browser may say that our last
// answer did not arrive.
const lostAnswer = time.Minute

// finishedAgain answers a POST to a flow that is done. A browser that holds the session's
// cookie asks the app's request anew, which then is single sign-on. One that lost our
// last answer gets a new cookie first; the cookie that names the browser, which lives for
// a year and is no proof of a sign-in, is not enough for that.
func (l *Login) finishedAgain(c *gin.Context, s *signIn) error {
	ctx := c.Request.Context()
	session, err := l.Store.Session(ctx, s.flow.SessionID)
	if err == nil && (s.User.Disabled || !session.Alive(s.Population, idp.Now())) {
		err = idp.ErrExpired
	}
	if err != nil {
		return l.finished(s, err)
	}
	held := l.heldCookie(s)
	if subtle.ConstantTimeCompare(held, session.TokenHash) == 1 {
		return l.leadOn(c, s, l.Requests.Again(s.Request))
	}
	if !s.lost(held, session, idp.Now()) {
		return l.finished(s, errors.New("the browser does not hold the session's cookie"))
	}
	session, cookie := l.Sessions.Renew(session)
	if err := l.Store.RenewSession(ctx, session); err != nil {
		return l.finished(s, err)
	}
	http.SetCookie(c.Writer, cookie)
	return l.leadOn(c, s, l.Requests.Again(s.Request))
}

// lost tells whether the flow's last answer may not have reached the browser: it sends
// the cookie that it sent then, or none as then, and soon after. A closed browser has
// lost its session's cookie too, and does not get it back.
func (s *signIn) lost(held []byte, session idp.Session, now time.Time) bool {
	ended, since := s.notes.Ended, now.Add(-lostAnswer)
	return ended != nil && subtle.ConstantTimeCompare(held, ended.Held) == 1 &&
		!ended.At.Before(since) && !session.LastSeenAt.Before(since)
}
