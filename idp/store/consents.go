package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gatehouse/idp"
)

type consentRow struct {
	ID        string `gorm:"primaryKey"`
	UserID    string
	ClientID  string
	Terms     string
	Version   int64
	CreatedAt time.Time
	ChangedAt time.Time
}

func (consentRow) TableName() string { return "consents" }

func (r consentRow) consent() (idp.Consent, error) {
	if r.ID == "" {
		return idp.Consent{}, nil // an outer join without a match
	}
	c := idp.Consent{
		ID: r.ID, UserID: r.UserID, ClientID: r.ClientID, Version: r.Version, CreatedAt: r.CreatedAt.UTC(), ChangedAt: r.ChangedAt.UTC(),
	}
	if err := json.Unmarshal([]byte(r.Terms), &c.Terms); err != nil {
		return c, fmt.Errorf("read a consent: %w", err)
	}
	return c, nil
}

func encodeTerms(t idp.Terms) string {
	b, _ := json.Marshal(t) // strings always marshal
	return string(b)
}

// Consent reads what a person lets an app have. idp.ErrNotFound: nothing.
func (s *Store) Consent(ctx context.Context, userID, clientID string) (idp.Consent, error) {
	var row consentRow
	if err := s.reader(ctx).Where("user_id = ? AND client_id = ?", userID, clientID).Take(&row).Error; err != nil {
		return idp.Consent{}, found(err, "consent")
	}
	return row.consent()
}

// ConsentsOf reads all of a person, the newest first.
func (s *Store) ConsentsOf(ctx context.Context, userID string) ([]idp.Consent, error) {
	var rows []consentRow
	if err := s.reader(ctx).Where("user_id = ?", userID).Order("id DESC").Find(&rows).Error; err != nil {
		return nil, found(err, "consents")
	}
	list := make([]idp.Consent, len(rows))
	for i, r := range rows {
		var err error
		if list[i], err = r.consent(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// GiveConsent adds terms to what a person lets an app have. before is what they did so far,
// empty for nothing. idp.ErrConflict: it is something else by now.
func (s *Store) GiveConsent(ctx context.Context, before idp.Consent, userID, clientID string, more idp.Terms, at time.Time) error {
	if before.ID != "" {
		return s.changeConsent(ctx, before, before.Terms.With(more), at)
	}
	return written(s.writer(ctx).Create(&consentRow{
		ID: idp.NewID(), UserID: userID, ClientID: clientID, Terms: encodeTerms(idp.Terms{}.With(more)), Version: 1, CreatedAt: at, ChangedAt: at,
	}).Error, "consent")
}

func (s *Store) changeConsent(ctx context.Context, before idp.Consent, terms idp.Terms, at time.Time) error {
	return once(s.writer(ctx).Model(&consentRow{}).Where("id = ? AND version = ?", before.ID, before.Version).
		UpdateColumns(map[string]any{"terms": encodeTerms(terms), "version": before.Version + 1, "changed_at": at}), "consent", idp.ErrConflict)
}

// NarrowConsent leaves an app no more than some of its terms, and takes the others from its
// grants: they do not come back when the same is given again. idp.ErrConflict: it is
// something else by now.
func (s *Store) NarrowConsent(ctx context.Context, before idp.Consent, left idp.Terms, at time.Time) error {
	return s.Do(ctx, func(ctx context.Context) error {
		if err := s.changeConsent(ctx, before, left, at); err != nil {
			return err
		}
		var rows []grantRow
		err := s.reader(ctx).Where("user_id = ? AND consent_id = ? AND revoked_at IS NULL AND expires_at > ?", before.UserID, before.ID, at).Find(&rows).Error
		if err != nil {
			return found(err, "grants")
		}
		for _, r := range rows {
			if err := s.narrowGrant(ctx, r, left, at); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) narrowGrant(ctx context.Context, r grantRow, left idp.Terms, at time.Time) error {
	asked := askedClaims(r.Claims)
	lacks := func(name string) bool { return !left.HasClaim(name) }
	asked.IDToken, asked.Userinfo = slices.DeleteFunc(asked.IDToken, lacks), slices.DeleteFunc(asked.Userinfo, lacks)
	scopes := slices.DeleteFunc(fromWords(r.Scope), func(scope string) bool { return !left.HasScope(r.Resource, scope) })
	changes := map[string]any{"scope": words(scopes), "claims": claimWords(asked)}
	if !left.HasAPI(r.Resource) {
		changes["revoked_at"] = at
	}
	return written(s.writer(ctx).Model(&grantRow{}).Where("id = ?", r.ID).UpdateColumns(changes).Error, "grant")
}

// WithdrawConsent ends what a person lets an app have, with all that the app holds of them.
// idp.ErrNotFound: there is no such consent of theirs.
func (s *Store) WithdrawConsent(ctx context.Context, c idp.Consent, at time.Time) error {
	return s.Do(ctx, func(ctx context.Context) error {
		if err := once(s.writer(ctx).Where("id = ? AND user_id = ?", c.ID, c.UserID).Delete(&consentRow{}), "consent", idp.ErrNotFound); err != nil {
			return err
		}
		return written(s.writer(ctx).Model(&grantRow{}).Where("user_id = ? AND client_id = ? AND revoked_at IS NULL", c.UserID, c.ClientID).
			UpdateColumn("revoked_at", at).Error, "grants")
	})
}
