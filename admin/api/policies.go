package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/settings"
)

// handlers are the operations, apart from what *API shows to others.
type handlers struct{ *API }

// ListPopulations implements ServerInterface.
func (h handlers) ListPopulations(c *gin.Context) {
	h.do(c, func(v *call) error {
		list, err := v.manage.Populations(v.ctx, v.actor)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, map[string]any{"populations": each(list, populationOf)})
	})
}

// each maps a list; the answer to an empty one is [] and not null.
func each[T, U any](list []T, f func(T) U) []U {
	out := make([]U, len(list))
	for i, item := range list {
		out[i] = f(item)
	}
	return out
}

func populationOf(e manage.PopulationEntry) map[string]any {
	body := settings.Brand().Encode(e.Brand)
	body["id"] = e.ID
	if e.Version != 0 {
		body["version"] = e.Version
		body["settings"] = map[string]any{
			"access": manage.AccessFields().Encode(e.Access), "registration": manage.RegistrationFields().Encode(e.Registration),
			"session_idle": seconds(e.SessionIdle), "session_lifetime": seconds(e.SessionLifetime),
			"password_min_length": e.Passwords.MinLength, "mfa_policy": withVersion(manage.PolicyFields(), e.Policy, e.Policy.Version),
		}
	}
	return body
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// CreatePopulation implements ServerInterface.
func (h handlers) CreatePopulation(c *gin.Context) {
	h.do(c, func(v *call) error {
		n, err := read[NewPopulation](v)
		if err != nil {
			return err
		}
		e, err := v.manage.AddPopulation(v.ctx, v.actor, n.ID, n.Name)
		if err != nil {
			return err
		}
		return v.created(e.ID, e.Version, populationOf(e))
	})
}

// GetPopulation implements ServerInterface.
func (h handlers) GetPopulation(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.Population(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.versioned(http.StatusOK, e.Version, populationOf(e))
	})
}

// SaveBrand implements ServerInterface.
func (h handlers) SaveBrand(c *gin.Context, id PopulationID, params SaveBrandParams) {
	h.do(c, func(v *call) error {
		change, err := changeOf(v, id, params.IfMatch, settings.Brand())
		if err != nil {
			return err
		}
		e, err := v.manage.SaveBrand(v.ctx, v.actor, change)
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, e.Version, populationOf(e))
	})
}

// GetMFAPolicy implements ServerInterface.
func (h handlers) GetMFAPolicy(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		p, err := v.manage.Policy(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return answer(v, manage.PolicyFields(), p, p.Version, nil)
	})
}

// PreviewMFAPolicy implements ServerInterface.
func (h handlers) PreviewMFAPolicy(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		policy, err := decoded(v, manage.PolicyFields())
		if err != nil {
			return err
		}
		p, err := v.manage.PreviewPolicy(v.ctx, v.actor, id, policy)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, previewOf(p))
	})
}

func previewOf(p manage.Preview) Preview {
	return Preview{
		People: p.People, WithoutFactor: p.WithoutFactor, Sessions: p.Sessions, JwtSeconds: seconds(p.JWTFor),
		Clients: each(p.Clients, func(c idp.Client) NamedClient { return NamedClient{ID: c.ID, Name: c.Name} }),
	}
}

// SaveMFAPolicy implements ServerInterface.
func (h handlers) SaveMFAPolicy(c *gin.Context, id PopulationID, params SaveMFAPolicyParams) {
	h.do(c, func(v *call) error {
		change, err := changeOf(v, id, params.IfMatch, manage.PolicyFields())
		if err != nil {
			return err
		}
		change.To.Version = change.Version
		p, err := v.manage.SavePolicy(v.ctx, v.actor, change)
		if err != nil {
			return stale(err)
		}
		return answer(v, manage.PolicyFields(), p, p.Version, nil)
	})
}

// GetMFAOverride implements ServerInterface.
func (h handlers) GetMFAOverride(c *gin.Context, id ClientID) {
	h.do(c, func(v *call) error {
		o, err := v.manage.Override(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.override(o)
	})
}

// override answers with a client's override. Its version is 0 before the first
// change.
func (v *call) override(o idp.Override) error {
	fields := manage.OverrideFields()
	fields.Defaults(&o)
	return answer(v, fields, o, o.Version, nil)
}

// PreviewMFAOverride implements ServerInterface.
func (h handlers) PreviewMFAOverride(c *gin.Context, id ClientID) {
	h.do(c, func(v *call) error {
		o, err := decoded(v, manage.OverrideFields())
		if err != nil {
			return err
		}
		p, err := v.manage.PreviewOverride(v.ctx, v.actor, id, o)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, previewOf(p))
	})
}

// SaveMFAOverride implements ServerInterface.
func (h handlers) SaveMFAOverride(c *gin.Context, id ClientID, params SaveMFAOverrideParams) {
	h.do(c, func(v *call) error {
		change, err := changeOf(v, id, params.IfMatch, manage.OverrideFields())
		if err != nil {
			return err
		}
		change.To.Version = change.Version
		o, err := v.manage.SaveOverride(v.ctx, v.actor, change)
		if err != nil {
			return stale(err)
		}
		return v.override(o)
	})
}
