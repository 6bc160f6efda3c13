package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"gatehouse/idp"
)

// taken is how idp.Taken is stored.
type taken map[string]int64

func rowOfTaken(t idp.Taken) taken {
	if t == nil {
		return taken{}
	}
	return taken(t)
}

func (t taken) vocabulary() idp.Taken {
	if len(t) == 0 {
		return nil
	}
	return idp.Taken(t)
}

// take notes what is lost by a change, under the next number. Nothing lost takes none.
func (s *Store) take(ctx context.Context, before taken, lost []string) (taken, error) {
	if len(lost) == 0 {
		return rowOfTaken(idp.Taken(before)), nil
	}
	version, err := s.NextPolicyVersion(ctx)
	return taken(idp.Taken(before).With(version, lost...)), err
}

// changedSince reads why the row that a change began with is not there.
func changedSince(err error, what string) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return fmt.Errorf("%s: %w", what, idp.ErrConflict)
	}
	return found(err, what)
}

// placeholders is a list of question marks, one for each name, and an expression of its
// own for one of them.
func placeholders(names []string, name, expression string) string {
	list := slices.Repeat([]string{"?"}, len(names))
	list[slices.Index(names, name)] = expression
	return strings.Join(list, ", ")
}

// appRow is what of a client decides what its grants are worth.
type appRow struct {
	Kind        string
	GrantTypes  string
	Scopes      string
	Populations string
	Taken       taken `gorm:"serializer:json"`
	Settings    string
}

func (r appRow) app() (idp.App, error) {
	var c idp.Client
	err := clientFields.FromColumn(r.Settings, &c)
	return idp.App{
		Kind: idp.ClientKind(r.Kind), GrantTypes: fromWords(r.GrantTypes), Scopes: fromWords(r.Scopes),
		Populations: fromWords(r.Populations), Taken: r.Taken.vocabulary(), Claims: c.Claims, Resources: c.Resources, NeedsProof: c.NeedsProof(), FAPI: c.FAPI,
	}, err
}

// wayRow is what of a connection decides what a proof is worth that came through it.
type wayRow struct {
	ID       string
	Kind     string
	Enabled  bool
	Issuer   string
	Trust    string
	Settings connectionSettings `gorm:"serializer:json"`
	Taken    taken              `gorm:"serializer:json"`
}

type wayJoin struct {
	Connection wayRow `gorm:"embedded;embeddedPrefix:k_"`
	Subject    string `gorm:"column:i_subject"`
	Email      string `gorm:"column:i_email"`
}

var wayColumns = columns(wayRow{}, "k") + ", i.subject AS i_subject, i.email AS i_email"

// joinWay joins as k a connection, and as i who a person is there.
func joinWay(connection, user string) string {
	return `
	LEFT JOIN connections k ON k.id = ` + connection + `
	LEFT JOIN identities i ON i.connection_id = k.id AND i.user_id = ` + user
}

func (j wayJoin) way() idp.Way {
	r := j.Connection
	if r.ID == "" {
		return idp.Way{} // an outer join without a match
	}
	v := r.Settings
	return idp.Way{
		Connection: idp.Connection{
			ID: r.ID, Kind: idp.ConnectionKind(r.Kind), Enabled: r.Enabled, Issuer: r.Issuer, Trust: idp.Trust(r.Trust),
			Tenants: v.Tenants, AnyTenant: v.AnyTenant, PersonalAccounts: v.PersonalAccounts, Context: v.Context, Domains: v.Domains,
		},
		Subject: j.Subject, Email: j.Email, Taken: r.Taken.vocabulary(),
	}
}

// WaysTaken lists the populations in which a way to sign in lost something, each with the
// number of the last such change.
func (s *Store) WaysTaken(ctx context.Context) (map[string]int64, error) {
	var rows []struct {
		ID    string
		Taken taken `gorm:"serializer:json"`
	}
	err := s.reader(ctx).Raw(`SELECT id, taken FROM populations WHERE taken <> '{}'
		UNION ALL SELECT population_id AS id, taken FROM connections WHERE taken <> '{}'`).Scan(&rows).Error
	newest := map[string]int64{}
	for _, r := range rows {
		newest[r.ID] = max(newest[r.ID], r.Taken.vocabulary().Newest())
	}
	return newest, found(err, "ways that were closed")
}
