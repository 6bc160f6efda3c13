package api

import (
	"context"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
)

func populationOperations() []operation {
	const of = "/populations/{population_id}"
	return []operation{
		{ID: "listPopulations", Route: "GET /populations", Manage: "Populations", Answer: list{"populations", "Population"}, run: listPopulations},
		{ID: "createPopulation", Route: "POST /populations", Manage: "AddPopulation", Body: NewPopulation{}, Answer: "Population", Created: true, ETag: true, Taken: "id", run: with(createPopulation)},
		{ID: "getPopulation", Route: "GET " + of, Manage: "Population", Answer: "Population", ETag: true, run: getPopulation},
		{
			ID: "saveBrand", Route: "PUT " + of + "/brand", Manage: "SaveBrand", IfMatch: mustMatch, Body: "BrandChange", Answer: "Population", ETag: true,
			run: saves(settings.Brand(), (*populations.Manager).SaveBrand, population),
		},
		{
			ID: "saveRegistration", Route: "PUT " + of + "/registration", Manage: "SaveRegistration", IfMatch: mustMatch, Body: "RegistrationChange", Answer: "Population", ETag: true,
			run: saves(populations.RegistrationFields(), (*populations.Manager).SaveRegistration, population),
		},
		{ID: "getMFAPolicy", Route: "GET " + of + "/mfa-policy", Manage: "Policy", Answer: "MFAPolicy", ETag: true, run: getMFAPolicy},
		{ID: "saveMFAPolicy", Route: "PUT " + of + "/mfa-policy", Manage: "SavePolicy", IfMatch: mustMatch, Body: "MFAPolicyChange", Answer: "MFAPolicy", ETag: true, run: saveMFAPolicy},
		{
			ID: "previewMFAPolicy", Route: "POST " + of + "/mfa-policy/preview", Manage: "PreviewPolicy", Body: "MFAPolicySettings", Answer: Preview{},
			run: previews(populations.PolicyFields(), "population_id", (*populations.Manager).PreviewPolicy, previewOf),
		},
		{ID: "getPasswordRequirements", Route: "GET " + of + "/password-requirements", Manage: "Requirements", Answer: "PasswordRequirements", ETag: true, run: rules(passwords)},
		{
			ID: "savePasswordRequirements", Route: "PUT " + of + "/password-requirements", Manage: "SavePasswordRules", IfMatch: mustMatch,
			Body: "PasswordRequirementsChange", Answer: "PasswordRequirements", ETag: true,
			run: saves(populations.PasswordFields(), (*populations.Manager).SavePasswordRules, passwords),
		},
		{
			ID: "previewPasswordRequirements", Route: "POST " + of + "/password-requirements/preview", Manage: "PreviewPasswordRules",
			Body: "PasswordRequirementsSettings", Answer: PasswordRequirementsPreview{},
			run: previews(populations.PasswordFields(), "population_id", (*populations.Manager).PreviewPasswordRules, passwordsPreviewOf),
		},
		{ID: "getSessionConfiguration", Route: "GET " + of + "/session-configuration", Manage: "Requirements", Answer: "SessionConfiguration", ETag: true, run: rules(sessionRules)},
		{
			ID: "saveSessionConfiguration", Route: "PUT " + of + "/session-configuration", Manage: "SaveSessionRules", IfMatch: mustMatch,
			Body: "SessionConfigurationChange", Answer: "SessionConfiguration", ETag: true,
			run: saves(populations.SessionFields(), (*populations.Manager).SaveSessionRules, sessionRules),
		},
		{
			ID: "previewSessionConfiguration", Route: "POST " + of + "/session-configuration/preview", Manage: "PreviewSessionRules",
			Body: "SessionConfigurationSettings", Answer: SessionConfigurationPreview{},
			run: previews(populations.SessionFields(), "population_id", (*populations.Manager).PreviewSessionRules, sessionsPreviewOf),
		},
		{
			ID: "saveAccess", Route: "PUT " + of + "/access", Manage: "SaveAccess", IfMatch: mustMatch, Body: "AccessChange", Answer: "Population", ETag: true,
			run: saves(populations.AccessFields(), (*populations.Manager).SaveAccess, population),
		},
		{ID: "previewAccess", Route: "GET " + of + "/access/preview", Manage: "PreviewAccess", Answer: AccessPreview{}, run: previewAccess},
	}
}

// NewPopulation is a population to be added.
type NewPopulation struct {
	ID   string `json:"id" is:"PopulationName"`
	Name string `json:"name" is:"Name"`
}

// Preview is whom a change of an MFA policy would concern.
type Preview struct {
	People        int64         `json:"people"`
	WithoutFactor int64         `json:"without_factor"`
	OtherPasskeys int64         `json:"other_passkeys"`
	Sessions      int64         `json:"sessions"`
	Clients       []NamedClient `json:"clients"`
	JWTSeconds    int64         `json:"jwt_seconds"`
}

// NamedClient is a client in a list of others.
type NamedClient struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// PasswordRequirementsPreview is whom a change of the password requirements would concern.
type PasswordRequirementsPreview struct {
	People     int64 `json:"people"`
	Expired    int64 `json:"expired"`
	Elsewhere  int64 `json:"elsewhere"`
	Sessions   int64 `json:"sessions"`
	JWTSeconds int64 `json:"jwt_seconds"`
}

// SessionConfigurationPreview is whom a change of the session configuration would concern.
type SessionConfigurationPreview struct {
	Sessions int64 `json:"sessions"`
	Ending   int64 `json:"ending"`
}

// AccessPreview is whom a change of portal access would concern.
type AccessPreview struct {
	People    int64 `json:"people"`
	NotLinked int64 `json:"not_linked"`
}

// saves is an operation that changes a setting of a population.
func saves[T any](
	fields settings.Fields[T],
	save func(*populations.Manager, context.Context, authz.Actor, populations.Change[T]) (populations.PopulationEntry, error),
	show func(v *call, e populations.PopulationEntry) any,
) handler {
	return func(v *call) (any, error) {
		change, err := changeOf(v, v.Param("population_id"), fields)
		if err != nil {
			return nil, err
		}
		e, err := save(v.manage.Populations, v.ctx, v.actor, change)
		if err != nil {
			return nil, err
		}
		return show(v, e), nil
	}
}

// previews is an operation that counts whom a T would concern; id is the parameter that
// names whose it would be.
func previews[T, P, A any](
	fields settings.Fields[T], id string, preview func(*populations.Manager, context.Context, authz.Actor, string, T) (P, error), show func(P) A,
) handler {
	return func(v *call) (any, error) {
		t, err := decoded(v, fields)
		if err != nil {
			return nil, err
		}
		p, err := preview(v.manage.Populations, v.ctx, v.actor, v.Param(id), t)
		if err != nil {
			return nil, err
		}
		return show(p), nil
	}
}

// rules is an operation that reads what passwords or sessions of a population must be.
func rules(show func(v *call, e populations.PopulationEntry) any) handler {
	return func(v *call) (any, error) {
		e, err := v.manage.Populations.Requirements(v.ctx, v.actor, v.Param("population_id"))
		if err != nil {
			return nil, err
		}
		return show(v, e), nil
	}
}

func listPopulations(v *call) (any, error) {
	all, err := v.manage.Populations.Populations(v.ctx, v.actor)
	if err != nil {
		return nil, err
	}
	return rows(v, all, "", populationOf), nil
}

func createPopulation(v *call, n NewPopulation) (any, error) {
	e, err := v.manage.Populations.AddPopulation(v.ctx, v.actor, n.ID, n.Name)
	if err != nil {
		return nil, err
	}
	return v.made(e.ID, e.Version, populationOf(e)), nil
}

func getPopulation(v *call) (any, error) {
	e, err := v.manage.Populations.Population(v.ctx, v.actor, v.Param("population_id"))
	if err != nil {
		return nil, err
	}
	return population(v, e), nil
}

func population(v *call, e populations.PopulationEntry) any {
	return v.tagged(e.Version, populationOf(e))
}

func populationOf(e populations.PopulationEntry) object {
	body := settings.Brand().Encode(e.Population.Brand)
	body["id"] = e.ID
	if e.Version != 0 {
		body["version"] = e.Version
		body["settings"] = object{
			"access": populations.AccessFields().Encode(e.Access), "registration": populations.RegistrationFields().Encode(e.Registration),
			"session_idle": seconds(e.SessionIdle), "session_lifetime": seconds(e.SessionLifetime),
			"password_min_length": e.Passwords.MinLength, "mfa_policy": withVersion(populations.PolicyFields(), e.Policy, e.Policy.Version),
		}
	}
	return body
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func passwords(v *call, e populations.PopulationEntry) any {
	fields := populations.PasswordFields()
	body := withVersion(fields, e.Passwords, e.Version)
	if e.PasswordsAtSignIn != (idp.PasswordRules{}) {
		body["at_sign_in"] = fields.Encode(e.PasswordsAtSignIn)
	}
	return v.tagged(e.Version, body)
}

func sessionRules(v *call, e populations.PopulationEntry) any {
	return v.tagged(e.Version, withVersion(populations.SessionFields(), populations.SessionRulesOf(e.Population), e.Version))
}

func getMFAPolicy(v *call) (any, error) {
	return v.policy(v.manage.Populations.Policy(v.ctx, v.actor, v.Param("population_id")))
}

func saveMFAPolicy(v *call) (any, error) {
	change, err := changeOf(v, v.Param("population_id"), populations.PolicyFields())
	if err != nil {
		return nil, err
	}
	change.To.Version = change.Version
	return v.policy(v.manage.Populations.SavePolicy(v.ctx, v.actor, change))
}

func (v *call) policy(p idp.Policy, err error) (any, error) {
	return v.tagged(p.Version, withVersion(populations.PolicyFields(), p, p.Version)), err
}

func previewOf(p populations.Preview) Preview {
	return Preview{
		People: p.People, WithoutFactor: p.WithoutFactor, OtherPasskeys: p.OtherPasskeys, Sessions: p.Sessions, JWTSeconds: seconds(p.JWTFor),
		Clients: each(p.Clients, func(c idp.Client) NamedClient { return NamedClient{ID: c.ID, Name: c.Name} }),
	}
}

func passwordsPreviewOf(p populations.PasswordsPreview) PasswordRequirementsPreview {
	return PasswordRequirementsPreview{
		People: p.People, Expired: p.Expired, Elsewhere: p.Elsewhere, Sessions: p.Sessions, JWTSeconds: seconds(p.JWTFor),
	}
}

func sessionsPreviewOf(p populations.SessionsPreview) SessionConfigurationPreview {
	return SessionConfigurationPreview{Sessions: p.Sessions, Ending: p.Ending}
}

func previewAccess(v *call) (any, error) {
	p, err := v.manage.Populations.PreviewAccess(v.ctx, v.actor, v.Param("population_id"))
	if err != nil {
		return nil, err
	}
	return AccessPreview{People: p.People, NotLinked: p.NotLinked}, nil
}
