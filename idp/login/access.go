package login

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// waysIn are the ways in which people of a population may sign in here.
type waysIn struct {
	password bool
	buttons  []ui.Upstream
	// offered are the connections of the buttons: of those that are the same, one.
	connections, offered []idp.Connection
}

// A request may take one of them and no other: then the others are left out, as long as
// that one is open in the population.
func (l *Login) waysIn(ctx context.Context, s *signIn, p idp.Population) (waysIn, error) {
	ways, err := l.everyWay(ctx, s, p)
	if err != nil {
		return ways, err
	}
	switch only := s.onlyWay(); {
	case only == idp.MethodFederated && len(ways.connections) > 0:
		ways.password = false
	case only == idp.MethodPassword && ways.password:
		ways.connections, ways.buttons = nil, nil
	}
	return ways, nil
}

// everyWay is waysIn whatever the request takes.
func (l *Login) everyWay(ctx context.Context, s *signIn, p idp.Population) (waysIn, error) {
	allowed, err := l.passwordOpen(ctx, s, p)
	ways := waysIn{password: allowed}
	// An account that is about to be linked proves itself in its own way.
	if err != nil || !p.Access.Federated || s.notes.Pending != nil {
		return ways, err
	}
	list, err := l.Store.Connections(ctx, p.ID)
	if err != nil {
		return ways, err
	}
	ways.connections = slices.DeleteFunc(list, func(c idp.Connection) bool { return !c.Enabled })
	ways.offered = idp.Distinct(list)
	for _, c := range ways.offered {
		ways.buttons = append(ways.buttons, ui.Upstream{
			Name: c.Name, URL: l.action(s, "federate?"+url.Values{"c": {c.ID}}.Encode()), Microsoft: c.Kind == idp.EntraConnection,
		})
	}
	return ways, nil
}

// onlyWay is the one way to sign in that the request takes, empty for any.
func (s *signIn) onlyWay() idp.Method {
	if state, ok := s.next().(NeedPassword); ok {
		return state.Only
	}
	return ""
}

// findWays reads which ways to sign in are open, where the request names one of them and
// no other. A person without a password does not come by one.
func (l *Login) findWays(ctx context.Context, s *signIn) error {
	s.open.password, s.open.federation = false, false
	if !mfa.NamesAWay(s.Request.Demand) || s.over() {
		return nil
	}
	ways, err := l.everyWay(ctx, s, s.Population)
	s.open.password = ways.password && (s.flow.UserID == "" || s.User.PasswordHash != "")
	s.open.federation = len(ways.connections) > 0
	return err
}

// passwordAllowed tells whether a password will do in a population, for this request.
func (l *Login) passwordAllowed(ctx context.Context, s *signIn, population string) (bool, error) {
	p := s.Population
	if p.ID != population {
		var err error
		if p, err = l.Store.Population(ctx, population); err != nil {
			return false, err
		}
	}
	if s.onlyWay() == "" {
		return l.passwordOpen(ctx, s, p)
	}
	ways, err := l.waysIn(ctx, s, p)
	return ways.password, err
}

// passwordOpen tells whether people of a population may sign in by password: by its
// portal access, or because an account is to be linked.
func (l *Login) passwordOpen(ctx context.Context, s *signIn, p idp.Population) (bool, error) {
	if s.notes.Pending.proved() || p.Access.Password {
		return true, nil
	}
	return l.brokeGlass(ctx, s)
}

// passwordElsewhere refuses a password where none is used, without looking at it.
func (l *Login) passwordElsewhere(c *gin.Context, s *signIn, in credentials) error {
	event := s.audit(idp.AuditPasswordRefused, map[string]string{"reason": "passwords_off"})
	event.ActorID, event.UserID = "", s.flow.UserID
	if err := l.Store.Audit(c.Request.Context(), event); err != nil {
		return err
	}
	return l.renderPassword(c, s, passwordPage{in: in, alert: ui.MsgPasswordElsewhere.With(), refused: http.StatusForbidden})
}

// showPassword is the first page, or the way straight to the other provider where there is
// no other: for a person who came through it, and for people of a population that signs in
// through it alone.
func (l *Login) showPassword(c *gin.Context, s *signIn) error {
	in := s.prefilled(c)
	p, others, err := l.choices(c.Request.Context(), s, in.population, "")
	if err != nil {
		return err
	}
	ways, err := l.waysIn(c.Request.Context(), s, p)
	if err != nil {
		return err
	}
	only, err := l.straightTo(c.Request.Context(), s, ways)
	if err != nil {
		return err
	}
	if only == "" && s.cameThrough() == "" && !ways.password && len(ways.offered) == 1 && len(others) == 0 {
		only = ways.offered[0].ID
	}
	if only != "" {
		return l.goTo(c, s, only)
	}
	return l.renderPassword(c, s, passwordPage{in: in})
}

// straightTo is the connection that the person of this sign-in came through before, if
// they may come through it again; empty for none. Who was disconnected since is not sent
// there, where that would be undone.
func (l *Login) straightTo(ctx context.Context, s *signIn, ways waysIn) (string, error) {
	via := s.cameThrough()
	if !slices.ContainsFunc(ways.connections, func(c idp.Connection) bool { return c.ID == via }) {
		return "", nil
	}
	linked, err := l.Store.IdentitiesOf(ctx, s.flow.UserID)
	if !slices.ContainsFunc(linked, func(i idp.Identity) bool { return i.ConnectionID == via }) {
		via = ""
	}
	return via, err
}

// cameThrough is the connection that the person of this sign-in came through before,
// empty for none.
func (s *signIn) cameThrough() string {
	return idp.Via(s.proofs())
}
