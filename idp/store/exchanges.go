package store

import (
	"gatehouse/idp"
)

// exchangeJoin is who exchanged a token, as they are now, and whether the token that it came of
// was revoked; all of it empty for a token that came of no exchange. It is read with the token.
type exchangeJoin struct {
	App     appRow `gorm:"embedded;embeddedPrefix:xc_"`
	Revoked *bool  `gorm:"column:x_revoked"`
}

// exchangeColumns are those of exchangeJoin. The placeholders or columns are the ids of the
// parent and of the grant.
func exchangeColumns(parent, grant string) string {
	return columns(appRow{}, "xc") + ", EXISTS (SELECT 1 FROM tokens xp WHERE xp.id = " + parent + " AND xp.grant_id = " + grant + " AND xp.revoked_at IS NOT NULL) AS x_revoked"
}

func (r exchangeJoin) state() (idp.ExchangeState, error) {
	if r.App.Kind == "" { // nobody exchanged it, or who did is gone
		return idp.ExchangeState{}, nil
	}
	app, err := r.App.app()
	return idp.ExchangeState{App: app, ParentRevoked: r.Revoked != nil && *r.Revoked}, err
}
