package authz

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"gatehouse/idp"
	"gatehouse/mfa"
)

// SecondSteps are what asks a person for more than a password, and would have to be
// got around by a stranger.
type SecondSteps struct {
	// Authenticator: one is enrolled, or recovery codes are, disabled or not.
	Authenticator bool
	// Mailbox: email codes go there, or went there.
	Mailbox bool
	// Upstream: the person is linked through a connection that answers for a second
	// step itself.
	Upstream bool
	// Asked: a second step is asked for after a password wherever the person may sign in:
	// by the population's policy, and by every app that has rules of its own.
	Asked bool
}

// Any tells whether there is a second step at all.
func (s SecondSteps) Any() bool { return s.Authenticator || s.Mailbox || s.Upstream }

func (s SecondSteps) upstream() bool { return s.Upstream }

// byPassword tells whether a new password would do without the second step that the person
// has. The other side's is not asked for after a password, and a person without a second
// step of ours sets one up; an authenticator and email codes are asked for where a second
// step is asked for at all, and one app that does not is enough to come in.
func (s SecondSteps) byPassword() bool {
	return s.Upstream || (s.Authenticator || s.Mailbox) && !s.Asked
}

// MoveEmail is the part of UpdateUser that changes an address.
const MoveEmail = "UpdateUser.email"

// waysAround are the operations by which an actor could get past another person's second
// step, and past which of them. Each takes the right to reset it, as resetting does.
//
//   - An identity of the actor's own signs in as the person, and trusted connections
//     are asked for no second step.
//   - A disconnected person has to set up a second step here, by a password.
//   - Email codes and links for a new password go to the address, and another provider's
//     account that has the address is connected.
var waysAround = map[string]func(SecondSteps) bool{
	"LinkIdentity":   SecondSteps.Any,
	"UnlinkIdentity": SecondSteps.upstream,
	"SetPassword":    SecondSteps.byPassword,
	MoveEmail:        SecondSteps.Any,
}

// SecondSteps reads what protects a person.
func (m *Manager) SecondSteps(ctx context.Context, user idp.User) (s SecondSteps, err error) {
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return s, err
	}
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	if err != nil {
		return s, err
	}
	s = SecondSteps{
		Authenticator: len(mfa.Possessions(enrolment.Factors)) > 0 || enrolment.Recovery != nil,
		Mailbox:       population.Policy.EmailCode || enrolment.First(idp.MethodEmail) != nil,
	}
	if s.Asked, err = m.AskedEverywhere(ctx, population); err != nil {
		return s, err
	}
	linked, err := m.Store.IdentitiesOf(ctx, user.ID)
	for _, i := range linked {
		c, err := m.Store.Connection(ctx, i.ConnectionID)
		if err != nil {
			return s, err
		}
		s.Upstream = s.Upstream || c.Trust != idp.LocalStep
	}
	return s, err
}

// AskedEverywhere tells whether a password needs a second step at every app that takes
// people of a population, and where no app has rules of its own.
func (m *Manager) AskedEverywhere(ctx context.Context, population idp.Population) (bool, error) {
	overrides, err := m.Store.OverridesFor(ctx, population.ID)
	weaker := func(o idp.Override) bool { return !mfa.Asks(population.Policy, o) }
	return population.Policy.SecondStep() && !slices.ContainsFunc(overrides, weaker), err
}

// notAround refuses an operation that would get around a second step of its target, unless
// the actor may reset that.
func (m *Manager) notAround(ctx context.Context, a Actor, way string, target idp.User) error {
	gets := waysAround[way]
	if gets == nil || a.Can(SecondStepPermission(target)) {
		return nil
	}
	steps, err := m.SecondSteps(ctx, target)
	if err == nil && gets(steps) {
		err = fmt.Errorf("%w: it would get around that person's second step, which takes permission %s", ErrForbidden, SecondStepPermission(target))
	}
	return err
}

// Person is what an operation on a person is judged by.
type Person struct {
	idp.User
	Roles []idp.Role
	// SecondSteps are what others may not get around.
	SecondSteps SecondSteps
}

// CanDoTo tells whether the actor may do an operation to a person, so that a page can leave
// out what would be refused. Authorize also looks at the second step and the reason.
func (a Actor) CanDoTo(op string, p Person) bool {
	return a.CanDo(op) && a.CanAll(PermissionsIn(p.Roles)) && a.canUseWay(op, p)
}

// CanMoveEmail tells whether the actor may give a person another address.
func (a Actor) CanMoveEmail(p Person) bool {
	return a.CanDoTo("UpdateUser", p) && a.canUseWay(MoveEmail, p)
}

// canUseWay tells whether a way gets around no second step of the person, or around one that
// the actor may reset.
func (a Actor) canUseWay(way string, p Person) bool {
	gets := waysAround[way]
	return gets == nil || !gets(p.SecondSteps) || a.Can(SecondStepPermission(p.User))
}

// Through checks that the actor may change who comes through a connection. The actor has to
// hold all that the people linked through it hold, and the permission to reset them: who
// says what the other side is can be any of them.
func (m *Manager) Through(ctx context.Context, a Actor, op string, c idp.Connection) error {
	holds, err := m.HeldThrough(ctx, c)
	if err != nil || len(holds) == 0 {
		return err
	}
	return m.Authorize(ctx, a, Request{Op: op, Holds: holds, Part: true})
}

// HeldThrough are the permissions that it takes to be any person who is linked through a
// connection, none where there is none.
func (m *Manager) HeldThrough(ctx context.Context, c idp.Connection) ([]string, error) {
	linked, err := m.Store.HasIdentities(ctx, c.ID)
	if err != nil || !linked {
		return nil, err
	}
	roles, err := m.Store.RolesHeldThrough(ctx, c.ID)
	return append(PermissionsIn(roles), ResetPermission(c.PopulationID)), err
}

// CanChange tells whether the actor holds what an app can do as the people who sign in to
// it.
func (a Actor) CanChange(c idp.Client) bool { return a.CanAll(ActsAs(c)) }

// CanAll tells whether the actor holds all of some permissions.
func (a Actor) CanAll(permissions []string) bool {
	return !slices.ContainsFunc(permissions, func(p string) bool { return !a.Can(p) })
}

// MovesWay tells whether a change of a connection says anew who comes through it, and for
// what that counts. A change of its looks does not, nor does switching it off.
func MovesWay(before, after idp.Connection) bool {
	for _, c := range []*idp.Connection{&before, &after} {
		c.Name, c.DomainHint, c.EndUpstream, c.Version = "", "", false, 0
		c.Tenants, c.Domains, c.Roles = some(c.Tenants), some(c.Domains), some(c.Roles)
		c.Secret, c.Key = some(c.Secret), some(c.Key)
	}
	if !after.Enabled {
		before.Enabled = false
	}
	return !reflect.DeepEqual(before, after)
}

// some makes no list of an empty one, for comparisons.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// ActsAs are the permissions that an app can use as a person who signs in to it: with the
// admin API's scope, those of each of them. An actor who lacks one may not say where its
// codes go or how the app proves itself. A service acts by its roles.
func ActsAs(c idp.Client) []string {
	if c.Kind == idp.ServiceClient || !slices.Contains(c.Scopes, idp.AdminScope) {
		return nil
	}
	return idp.Permissions()
}

// SecondStepPermission is what it takes to touch a person's second step.
func SecondStepPermission(user idp.User) string { return ResetPermission(user.PopulationID) }

// ResetPermission is what it takes to reset the MFA of people of a population.
func ResetPermission(population string) string {
	if population == idp.Agents {
		return idp.PermissionAgentRecovery
	}
	return idp.PermissionContactReset
}
