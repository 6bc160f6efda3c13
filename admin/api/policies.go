package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
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
		return v.json(http.StatusOK, PopulationList{Populations: each(list, populationOf)})
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

func populationOf(e manage.PopulationEntry) Population {
	p := Population{
		ID: e.ID, Name: e.Name, BrandColor: e.BrandColor, LogoURL: e.LogoURL, HelpURL: e.HelpURL, PrivacyURL: e.PrivacyURL,
	}
	if e.Version != 0 {
		p.Version = &e.Version
		p.Settings = &PopulationSettings{
			Access:      Access{Password: e.Access.Password, Federated: e.Access.Federated},
			SessionIdle: seconds(e.SessionIdle), SessionLifetime: seconds(e.SessionLifetime),
			PasswordMinLength: e.Passwords.MinLength, MFAPolicy: policyOf(e.Policy), Registration: registrationOf(e.Registration),
		}
	}
	return p
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
		b, err := read[Brand](v)
		if err != nil {
			return err
		}
		e, err := v.manage.SaveBrand(v.ctx, v.actor, id, manage.BrandChange{
			Version: versionIn(params.IfMatch), Name: b.Name, BrandColor: b.BrandColor,
			LogoURL: b.LogoURL, HelpURL: b.HelpURL, PrivacyURL: b.PrivacyURL,
		})
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
		return v.versioned(http.StatusOK, p.Version, policyOf(p))
	})
}

func policyOf(p idp.Policy) MFAPolicy {
	return MFAPolicy{Authenticator: p.Authenticator, EmailCode: p.EmailCode, IssuerLabel: p.IssuerLabel, Version: p.Version}
}

// PreviewMFAPolicy implements ServerInterface.
func (h handlers) PreviewMFAPolicy(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		s, err := read[MFAPolicySettings](v)
		if err != nil {
			return err
		}
		p, err := v.manage.PreviewPolicy(v.ctx, v.actor, id, idp.Policy{
			Authenticator: s.Authenticator, EmailCode: s.EmailCode, IssuerLabel: s.IssuerLabel,
		})
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
		change, err := read[MFAPolicyChange](v)
		if err != nil {
			return err
		}
		p, err := v.manage.SavePolicy(v.ctx, v.actor, manage.PolicyChange{
			Population: id, Apply: manage.Apply(change.Apply), PasswordAlone: or(change.PasswordAlone), Reason: change.Reason,
			Policy: idp.Policy{
				Version: versionIn(params.IfMatch), Authenticator: change.Authenticator,
				EmailCode: change.EmailCode, IssuerLabel: change.IssuerLabel,
			},
		})
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, p.Version, policyOf(p))
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
	mode := OverrideMode(o.Mode)
	if o.Mode == "" {
		mode = OverrideMode(idp.OverrideInherit)
	}
	v.Header("ETag", etag(o.Version))
	return v.json(http.StatusOK, MFAOverride{Mode: mode, MinACR: string(o.MinACR), Federated: o.Federated, Version: o.Version})
}

// PreviewMFAOverride implements ServerInterface.
func (h handlers) PreviewMFAOverride(c *gin.Context, id ClientID) {
	h.do(c, func(v *call) error {
		s, err := read[MFAOverrideSettings](v)
		if err != nil {
			return err
		}
		p, err := v.manage.PreviewOverride(v.ctx, v.actor, id, idp.Override{
			Mode: idp.OverrideMode(s.Mode), MinACR: idp.ACR(or(s.MinACR)), Federated: or(s.Federated),
		})
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, previewOf(p))
	})
}

// SaveMFAOverride implements ServerInterface.
func (h handlers) SaveMFAOverride(c *gin.Context, id ClientID, params SaveMFAOverrideParams) {
	h.do(c, func(v *call) error {
		change, err := read[MFAOverrideChange](v)
		if err != nil {
			return err
		}
		o, err := v.manage.SaveOverride(v.ctx, v.actor, manage.OverrideChange{
			ClientID: id, Apply: manage.Apply(change.Apply), Reason: change.Reason,
			Override: idp.Override{
				Version: versionIn(params.IfMatch), Mode: idp.OverrideMode(change.Mode),
				MinACR: idp.ACR(or(change.MinACR)), Federated: or(change.Federated),
			},
		})
		if err != nil {
			return stale(err)
		}
		return v.override(o)
	})
}
