package api

import (
	"net/http"
	"time"

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
		return v.versioned(http.StatusOK, e.Version, requirementsOf(e))
	})
}

func requirementsOf(e manage.PopulationEntry) PasswordRequirements {
	r := e.Passwords
	out := PasswordRequirements{
		MinLength: r.MinLength, Upper: r.Upper, Lower: r.Lower, Digit: r.Digit, Special: r.Special,
		ExpiryDays: r.ExpiryDays, NoReuse: r.NoReuse, Version: e.Version,
	}
	if at := e.PasswordsAtSignIn; at != (idp.PasswordRules{}) {
		out.AtSignIn = &PasswordRequirementsSettings{
			MinLength: at.MinLength, Upper: at.Upper, Lower: at.Lower, Digit: at.Digit, Special: at.Special,
			ExpiryDays: at.ExpiryDays, NoReuse: at.NoReuse,
		}
	}
	return out
}

// PreviewPasswordRequirements implements ServerInterface.
func (h handlers) PreviewPasswordRequirements(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		s, err := read[PasswordRequirementsSettings](v)
		if err != nil {
			return err
		}
		p, err := v.manage.PreviewPasswordRules(v.ctx, v.actor, id, idp.PasswordRules{
			MinLength: s.MinLength, Upper: s.Upper, Lower: s.Lower, Digit: s.Digit, Special: s.Special,
			ExpiryDays: s.ExpiryDays, NoReuse: s.NoReuse,
		})
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
		s, err := read[PasswordRequirementsChange](v)
		if err != nil {
			return err
		}
		e, err := v.manage.SavePasswordRules(v.ctx, v.actor, manage.PasswordRulesChange{
			Population: id, Version: versionIn(params.IfMatch), Apply: manage.Apply(s.Apply), Reason: s.Reason,
			Rules: idp.PasswordRules{
				MinLength: s.MinLength, Upper: s.Upper, Lower: s.Lower, Digit: s.Digit, Special: s.Special,
				ExpiryDays: s.ExpiryDays, NoReuse: s.NoReuse,
			},
		})
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, e.Version, requirementsOf(e))
	})
}

// GetSessionConfiguration implements ServerInterface.
func (h handlers) GetSessionConfiguration(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.Requirements(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.versioned(http.StatusOK, e.Version, sessionsOf(e))
	})
}

func sessionsOf(e manage.PopulationEntry) SessionConfiguration {
	return SessionConfiguration{
		SessionIdle: seconds(e.SessionIdle), SessionLifetime: seconds(e.SessionLifetime),
		KeepSignedIn: e.KeepSignedIn, KeptIdle: seconds(e.KeptIdle), KeptLifetime: seconds(e.KeptLifetime),
		EndOthers: e.EndOthers, Version: e.Version,
	}
}

// PreviewSessionConfiguration implements ServerInterface.
func (h handlers) PreviewSessionConfiguration(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		s, err := read[SessionConfigurationSettings](v)
		if err != nil {
			return err
		}
		p, err := v.manage.PreviewSessionRules(v.ctx, v.actor, id, manage.SessionRules{
			Idle: inSeconds(s.SessionIdle), Lifetime: inSeconds(s.SessionLifetime), KeepSignedIn: s.KeepSignedIn,
			KeptIdle: inSeconds(s.KeptIdle), KeptLifetime: inSeconds(s.KeptLifetime), EndOthers: s.EndOthers,
		})
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, SessionConfigurationPreview{Sessions: p.Sessions, Ending: p.Ending})
	})
}

// SaveSessionConfiguration implements ServerInterface.
func (h handlers) SaveSessionConfiguration(c *gin.Context, id PopulationID, params SaveSessionConfigurationParams) {
	h.do(c, func(v *call) error {
		s, err := read[SessionConfigurationChange](v)
		if err != nil {
			return err
		}
		e, err := v.manage.SaveSessionRules(v.ctx, v.actor, manage.SessionRulesChange{
			Population: id, Version: versionIn(params.IfMatch), Reason: s.Reason,
			Rules: manage.SessionRules{
				Idle: inSeconds(s.SessionIdle), Lifetime: inSeconds(s.SessionLifetime), KeepSignedIn: s.KeepSignedIn,
				KeptIdle: inSeconds(s.KeptIdle), KeptLifetime: inSeconds(s.KeptLifetime), EndOthers: s.EndOthers,
			},
		})
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, e.Version, sessionsOf(e))
	})
}

func inSeconds(n Seconds) time.Duration { return time.Duration(n) * time.Second }
