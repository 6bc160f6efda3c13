package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type subjectRow struct {
	Sector    string `gorm:"primaryKey"`
	UserID    string `gorm:"primaryKey"`
	Subject   string
	CreatedAt time.Time
}

func (subjectRow) TableName() string { return "subjects" }

// Subject is the pairwise subject of a person in a sector, which is made at the first time. It
// is random and stays: no key has to be kept for it.
func (s *Store) Subject(ctx context.Context, sector, userID string, at time.Time) (string, error) {
	subject, err := s.KnownSubject(ctx, sector, userID)
	if !errors.Is(err, idp.ErrNotFound) {
		return subject, err
	}
	row := subjectRow{Sector: sector, UserID: userID, Subject: idp.NewSecret(), CreatedAt: at}
	if err := s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return "", written(err, "subject")
	}
	return s.KnownSubject(ctx, sector, userID) // another request may have been first
}

// KnownSubject is the pairwise subject of a person in a sector. idp.ErrNotFound: no app of it
// was told one.
func (s *Store) KnownSubject(ctx context.Context, sector, userID string) (string, error) {
	var row subjectRow
	err := s.reader(ctx).Where("sector = ? AND user_id = ?", sector, userID).Take(&row).Error
	return row.Subject, found(err, "subject")
}

// UserOfSubject is the person whom a sector knows by a pairwise subject; an empty sector is any.
// idp.ErrNotFound: nobody.
func (s *Store) UserOfSubject(ctx context.Context, sector, subject string) (userID string, err error) {
	query := s.reader(ctx).Where("subject = ?", subject)
	if sector != "" {
		query = query.Where("sector = ?", sector)
	}
	var row subjectRow
	err = query.Take(&row).Error
	return row.UserID, found(err, "subject")
}

// SubjectOfSession is the subject that a client was told last in a session. idp.ErrNotFound: it
// was told none.
func (s *Store) SubjectOfSession(ctx context.Context, clientID, sessionID string) (string, error) {
	var row grantRow
	err := s.reader(ctx).Select("user_id", "subject").Where("session_id = ? AND client_id = ?", sessionID, clientID).Order("id DESC").Take(&row).Error
	return idp.Grant{UserID: row.UserID, Subject: row.Subject}.Sub(), found(err, "grant")
}
