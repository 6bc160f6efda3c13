package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
)

// GetPasswordRequirements implements ServerInterface.
func (h handlers) GetPasswordRequirements(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.Requirements(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.requirements(e)
	})
}

func (v *call) requirements(e manage.PopulationEntry) error {
	more, fields := map[string]any{}, manage.PasswordFields()
	if e.PasswordsAtSignIn != (idp.PasswordRules{}) {
		more["at_sign_in"] = fields.Encode(e.PasswordsAtSignIn)
	}
	return answer(v, fields, e.Passwords, e.Version, more)
}

// PreviewPasswordRequirements implements ServerInterface.
func (h handlers) PreviewPasswordRequirements(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		r, err := decoded(v, manage.PasswordFields())
		if err != nil {
			return err
		}
		p, err := v.manage.PreviewPasswordRules(v.ctx, v.actor, id, r)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, PasswordRequirementsPreview{
			People: p.People, Expired: p.Expired, Elsewhere: p.Elsewhere, Sessions: p.Sessions, JwtSeconds: seconds(p.JWTFor),
		})
	})
}

// SavePasswordRequirements implements ServerInterface.
func (h handlers) SavePasswordRequirements(c *gin.Context, id PopulationID, params SavePasswordRequirementsParams) {
	h.do(c, func(v *call) error {
		change, err := changeOf(v, id, params.IfMatch, manage.PasswordFields())
		if err != nil {
			return err
		}
		e, err := v.manage.SavePasswordRules(v.ctx, v.actor, change)
		if err != nil {
			return stale(err)
		}
		return v.requirements(e)
	})
}

// GetSessionConfiguration implements ServerInterface.
func (h handlers) GetSessionConfiguration(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.Requirements(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return answer(v, manage.SessionFields(), manage.SessionRulesOf(e.Population), e.Version, nil)
	})
}

// PreviewSessionConfiguration implements ServerInterface.
func (h handlers) PreviewSessionConfiguration(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		r, err := decoded(v, manage.SessionFields())
		if err != nil {
			return err
		}
		p, err := v.manage.PreviewSessionRules(v.ctx, v.actor, id, r)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, SessionConfigurationPreview{Sessions: p.Sessions, Ending: p.Ending})
	})
}

// SaveSessionConfiguration implements ServerInterface.
func (h handlers) SaveSessionConfiguration(c *gin.Context, id PopulationID, params SaveSessionConfigurationParams) {
	h.do(c, func(v *call) error {
		change, err := changeOf(v, id, params.IfMatch, manage.SessionFields())
		if err != nil {
			return err
		}
		e, err := v.manage.SaveSessionRules(v.ctx, v.actor, change)
		if err != nil {
			return stale(err)
		}
		return answer(v, manage.SessionFields(), manage.SessionRulesOf(e.Population), e.Version, nil)
	})
}
