package api

import (
	"context"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/people"
)

func recoveryOperations() []operation {
	const of = "/users/{user_id}"
	return []operation{
		{ID: "listFactors", Route: "GET " + of + "/factors", Manage: "UserDetail", Answer: Factors{}, run: listFactors},
		{ID: "enableFactor", Route: "POST " + of + "/factors/{factor_id}/enable", Manage: "EnableFactor", Body: Reason{}, run: because(enableFactor)},
		{ID: "viewRecoveryCodes", Route: "POST " + of + "/recovery-codes/view", Manage: "ViewRecoveryCodes", Body: Reason{}, Answer: RecoveryCodes{}, run: viewRecoveryCodes},
		{
			ID: "regenerateRecoveryCodes", Route: "POST " + of + "/recovery-codes/regenerate", Manage: "RegenerateRecoveryCodes", Body: Reason{}, Waits: true,
			run: onUser(inFactors, (*factors.Manager).RegenerateRecoveryCodes),
		},
		{ID: "resetMFA", Route: "POST " + of + "/reset-mfa", Manage: "ResetMFA", Body: Reason{}, run: onUser(inFactors, (*factors.Manager).ResetMFA)},
		{ID: "setPassword", Route: "PUT " + of + "/password", Manage: "SetPassword", Body: PasswordChange{}, run: with(setPassword)},
		{ID: "clearThrottle", Route: "POST " + of + "/clear-throttle", Manage: "ClearThrottle", Body: Reason{}, run: onUser(inPeople, (*people.Manager).ClearThrottle)},
	}
}

// PasswordChange is a person's new password.
type PasswordChange struct {
	Password string `json:"password" is:"Password"`
	Reason   string `json:"reason" is:"Why"`
}

// Factors are the second factors of a person.
type Factors struct {
	Factors  []Factor     `json:"factors"`
	Recovery *RecoverySet `json:"recovery,omitempty"`
}

// Factor is a second factor of a person.
type Factor struct {
	ID         string    `json:"id"`
	Method     string    `json:"method"`
	Name       string    `json:"name"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
	DisabledAt time.Time `json:"disabled_at,omitzero"`
}

// RecoverySet are the recovery codes of a person.
type RecoverySet struct {
	ID           string    `json:"id"`
	Left         int       `json:"left"`
	CreatedAt    time.Time `json:"created_at"`
	SavedAt      time.Time `json:"saved_at,omitzero"`
	DisabledAt   time.Time `json:"disabled_at,omitzero"`
	RegenerateAt time.Time `json:"regenerate_at,omitzero"`
}

// RecoveryCodes are those that are left.
type RecoveryCodes struct {
	Codes []string `json:"codes"`
}

// onUser is an operation on a person that takes a reason and answers nothing.
func onUser[Room any](room func(*manage.Manager) Room, do func(Room, context.Context, authz.Actor, string, string) error) handler {
	return because(func(v *call, reason string) error {
		return do(room(v.manage), v.ctx, v.actor, v.Param("user_id"), reason)
	})
}

func inFactors(m *manage.Manager) *factors.Manager { return m.Factors }

func inPeople(m *manage.Manager) *people.Manager { return m.People }

func listFactors(v *call) (any, error) {
	d, err := v.manage.People.UserDetail(v.ctx, v.actor, v.Param("user_id"))
	if err != nil {
		return nil, err
	}
	all := Factors{Factors: each(d.Factors, factorOf)}
	if r := d.Recovery; r != nil {
		all.Recovery = &RecoverySet{
			ID: r.ID, Left: d.RecoveryLeft, CreatedAt: r.CreatedAt, SavedAt: r.SavedAt, DisabledAt: r.DisabledAt, RegenerateAt: d.RegenerateAt,
		}
	}
	return all, nil
}

func factorOf(f idp.Factor) Factor {
	return Factor{
		ID: f.ID, Method: string(f.Method), Name: f.Name, CreatedAt: f.CreatedAt, LastUsedAt: f.LastUsedAt, DisabledAt: f.DisabledAt,
	}
}

func enableFactor(v *call, reason string) error {
	return v.manage.Factors.EnableFactor(v.ctx, v.actor, v.Param("user_id"), v.Param("factor_id"), reason)
}

func viewRecoveryCodes(v *call) (any, error) {
	reason, err := v.reason()
	if err != nil {
		return nil, err
	}
	codes, err := v.manage.Factors.ViewRecoveryCodes(v.ctx, v.actor, v.Param("user_id"), reason)
	return RecoveryCodes{Codes: full(codes)}, err
}

func setPassword(v *call, change PasswordChange) (any, error) {
	return nil, v.manage.People.SetPassword(v.ctx, v.actor, v.Param("user_id"), change.Password, change.Reason)
}
