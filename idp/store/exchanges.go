package store

import (
	"context"

	"gatehouse/idp"
)

type exchangeJoin struct {
	App     appRow `gorm:"embedded;embeddedPrefix:c_"`
	Revoked bool
}

var selectExchange = "SELECT " + columns(appRow{}, "c") + `, EXISTS (
	SELECT 1 FROM tokens p WHERE p.id = ? AND p.grant_id = ? AND p.revoked_at IS NOT NULL) AS revoked FROM clients c WHERE c.id = ?`

// ExchangeState reads who exchanged a token of a grant, as they are now, and whether the
// token that it came of was revoked.
func (s *Store) ExchangeState(ctx context.Context, grantID string, e idp.Exchange) (idp.ExchangeState, error) {
	var row exchangeJoin
	if err := s.reader(ctx).Raw(selectExchange, e.ParentID, grantID, e.ClientID).Take(&row).Error; err != nil {
		return idp.ExchangeState{}, found(err, "exchange")
	}
	app, err := row.App.app()
	return idp.ExchangeState{App: app, ParentRevoked: row.Revoked}, err
}
