package provider

import (
	"context"
	"errors"

	"gatehouse/idp"
)

// subjectFor is the pairwise subject by which an app knows a person, empty for the person's id.
func (p *Provider) subjectFor(ctx context.Context, client idp.Client, userID string) (string, error) {
	if client.SubjectType != idp.PairwiseSubject {
		return "", nil
	}
	return p.Store.Subject(ctx, client.Sector(), userID, idp.Now())
}

// pairwiseLength is that of pairwise subjects, which no person's id has.
const pairwiseLength = 43

// anySector has userOf look in all sectors: for what we said ourselves.
const anySector = ""

// userOf is the person of a subject in a sector: of a pairwise one whom it was made for, else
// itself.
func (p *Provider) userOf(ctx context.Context, sector, subject string) (string, error) {
	if len(subject) != pairwiseLength || !isText(subject) {
		return subject, nil
	}
	id, err := p.Store.UserOfSubject(ctx, sector, subject)
	if errors.Is(err, idp.ErrNotFound) {
		return subject, nil
	}
	return id, err
}

// findWanted finds the person whom a request calls by a subject. A hint is ours: what it says,
// the app was told. What an app with pairwise subjects says by itself counts for its sector
// alone, so that it cannot find out whether it guessed another subject of the person: without a
// sector it knows nobody by one.
func (p *Provider) findWanted(ctx context.Context, a *authorization, hint bool) (err error) {
	d := &a.request.Demand
	if d.Subject == "" {
		return nil
	}
	sector := a.client.Sector()
	switch {
	case hint:
		d.UserID, err = p.userOf(ctx, anySector, d.Subject)
	case sector == "":
		d.UserID = d.Subject
	default:
		d.UserID, err = p.userOf(ctx, sector, d.Subject)
	}
	if err != nil {
		return err
	}
	if !hint && a.client.SubjectType == idp.PairwiseSubject && d.UserID == d.Subject {
		d.UserID = "nobody~" + d.Subject
	}
	return nil
}
