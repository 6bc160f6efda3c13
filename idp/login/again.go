package login

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/session"
)

// ending is how a flow ended.
type ending struct {
	At time.Time `json:"at"`
}

// act is the end of a flow, which happens once.
func (l *Login) act(s *signIn) session.Act {
	return l.Sessions.Act(s.header, s.Population.ID, "sign-in "+s.flow.ID)
}

// finishedAgain answers a POST to a flow that is done. A browser that holds the session's
// cookie asks the app's request anew, which then is single sign-on. One that lost our
// last answer gets the cookie of that answer first; the cookie that names the browser, which lives for
// a year and is no proof of a sign-in, is not enough for that.
func (l *Login) finishedAgain(c *gin.Context, s *signIn) error {
	ctx := c.Request.Context()
	stands, err := l.Store.Session(ctx, s.flow.SessionID)
	if err == nil && (s.User.Disabled || !stands.Alive(s.Population, idp.Now())) {
		err = idp.ErrExpired
	}
	if err != nil {
		return l.finished(s, err)
	}
	act := l.act(s)
	if subtle.ConstantTimeCompare(act.Held, stands.TokenHash) == 1 {
		return l.leadOn(c, s, l.Requests.Again(s.Request))
	}
	if !s.lost(stands, idp.Now()) {
		return l.finished(s, errors.New("the browser does not hold the session's cookie"))
	}
	cookie, ok := l.Sessions.Again(stands, act)
	if !ok {
		return l.finished(s, errors.New("the browser sends another cookie than then, or another act has renewed the session"))
	}
	http.SetCookie(c.Writer, cookie)
	return l.leadOn(c, s, l.Requests.Again(s.Request))
}

// lost tells whether the flow's last answer may not have reached the browser: it ended a
// moment ago. A closed browser has lost its session's cookie too, and does not get it
// back. The act holds it to the cookie that it sent then, or to none as then.
func (s *signIn) lost(stands idp.Session, now time.Time) bool {
	ended, since := s.notes.Ended, now.Add(-session.LostAnswer)
	return ended != nil && !ended.At.Before(since) && !stands.LastSeenAt.Before(since)
}
