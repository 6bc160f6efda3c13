package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gatehouse/idp"
)

// ForgetSealed removes what sealed values are for that no key opens any more: settings and
// signing keys, which are made anew; links; credentials of connections, which have to be
// entered again and are off until then; deliveries, which fail. What rested on the
// settings ends: all sessions and what apps hold. It returns the people whose second steps
// are among the values; those stay until they are reset. It belongs to a transaction.
func (s *Store) ForgetSealed(ctx context.Context, lost []Sealed, at time.Time) (users []string, err error) {
	people := map[string]bool{}
	for _, v := range lost {
		switch v.Table {
		case "settings", "signing_keys", "links":
			err = s.forgetRow(ctx, v)
		case "connections":
			err = s.forgetCredential(ctx, v)
		case "outbox":
			err = s.FinishDelivery(ctx, v.ID, Failed, "the master key is lost", at)
		default:
			err = s.owner(ctx, v, people)
		}
		if err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(lost, func(v Sealed) bool { return v.Table == "settings" }) {
		err = s.forgetSessions(ctx, people)
	}
	return slices.Sorted(maps.Keys(people)), err
}

// forgetCredential switches a connection off whose secret or key is lost, until an admin
// has entered that again.
func (s *Store) forgetCredential(ctx context.Context, v Sealed) error {
	var was []bool
	if err := s.reader(ctx).Raw("SELECT enabled FROM connections WHERE id = ?", v.ID).Scan(&was).Error; err != nil {
		return found(err, "connection")
	}
	err := s.writer(ctx).Exec(fmt.Sprintf("UPDATE connections SET %s = ?, enabled = FALSE, version = version + 1 WHERE id = ?", v.Column), []byte{}, v.ID).Error
	if err != nil || len(was) == 0 || !was[0] {
		return written(err, "connection")
	}
	return s.Audit(ctx, idp.AuditEvent{
		Kind:   idp.AuditConnectionChanged,
		Detail: map[string]string{"connection": v.ID, "enabled": "false", "reason": "master_key_lost"},
	})
}

func (s *Store) forgetRow(ctx context.Context, v Sealed) error {
	id := "id"
	if v.Table == "settings" {
		id = "name"
	}
	return written(s.writer(ctx).Exec(fmt.Sprintf("DELETE FROM %s WHERE %s = ?", v.Table, id), v.ID).Error, v.Table)
}

// owner notes whose second step a value is.
func (s *Store) owner(ctx context.Context, v Sealed, people map[string]bool) error {
	var ids []string
	err := s.reader(ctx).Raw(fmt.Sprintf("SELECT user_id FROM %s WHERE id = ?", v.Table), v.ID).Scan(&ids).Error
	for _, id := range ids {
		people[id] = true
	}
	return found(err, v.Table)
}

// forgetSessions ends everything that rested on our own secrets. Recovery codes are
// found by one of them.
func (s *Store) forgetSessions(ctx context.Context, people map[string]bool) error {
	for _, table := range []string{"grants", "sessions", "flows", "throttles"} {
		if err := s.writer(ctx).Exec("DELETE FROM " + table).Error; err != nil {
			return written(err, table)
		}
	}
	var ids []string
	err := s.reader(ctx).Raw("SELECT user_id FROM recovery_sets").Scan(&ids).Error
	for _, id := range ids {
		people[id] = true
	}
	return found(err, "recovery codes")
}
