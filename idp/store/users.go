package store

import (
	"context"
	"time"

	"gatehouse/idp"
)

type userRow struct {
	ID           string `gorm:"primaryKey"`
	PopulationID string
	Email        string
	EmailKey     []byte
	Name         string
	Locale       string
	PasswordHash string
	Disabled     bool
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Version      int64
	SecondStep   bool
	Indexed      bool  // for the release before Words
	Words        int64 // the form of what they are found by

	EmailVerified     bool
	PasswordChangedAt *time.Time
	Department        string
	PasswordByMailAt  *time.Time
	UnprovedAt        *time.Time
	RemindedAt        *time.Time // to set up a second step
	PasskeyOfferedAt  *time.Time

	Profile profileRow `gorm:"embedded"`
}

// profileRow has the fields of idp.Profile.
type profileRow struct{ GivenName, FamilyName, Zoneinfo, Picture string }

// columns are what a change of the profile writes.
func (r profileRow) columns(and map[string]any) map[string]any {
	and["given_name"], and["family_name"], and["zoneinfo"], and["picture"] = r.GivenName, r.FamilyName, r.Zoneinfo, r.Picture
	return and
}

func (userRow) TableName() string { return "users" }

func (r userRow) user() idp.User {
	return idp.User{
		ID: r.ID, PopulationID: r.PopulationID, Email: r.Email, Name: r.Name, Department: r.Department, Locale: r.Locale,
		PasswordHash: r.PasswordHash, PasswordChangedAt: orZero(r.PasswordChangedAt),
		PasswordByMailAt: orZero(r.PasswordByMailAt), UnprovedAt: orZero(r.UnprovedAt), EmailVerified: r.EmailVerified, Disabled: r.Disabled,
		PasskeyOfferedAt: orZero(r.PasskeyOfferedAt),
		CreatedAt:        r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Profile: idp.Profile(r.Profile),
	}
}

// CreateUser adds a user. idp.ErrConflict: the population has that address.
func (s *Store) CreateUser(ctx context.Context, u idp.User) error {
	row := userRow{
		ID: u.ID, PopulationID: u.PopulationID, Email: u.Email, EmailKey: idp.EmailKey(u.Email),
		Name: u.Name, Locale: u.Locale, PasswordHash: u.PasswordHash, Disabled: u.Disabled,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, Version: 1, Indexed: true, Words: wordsForm,
		Department: u.Department, EmailVerified: u.EmailVerified, PasswordChangedAt: orNull(u.PasswordChangedAt),
		PasswordByMailAt: orNull(u.PasswordByMailAt), UnprovedAt: orNull(u.UnprovedAt), Profile: profileRow(u.Profile),
		PasskeyOfferedAt: orNull(u.PasskeyOfferedAt),
	}
	return s.Do(ctx, func(ctx context.Context) error {
		if err := s.writer(ctx).Create(&row).Error; err != nil {
			return written(err, "user")
		}
		return s.addWords(ctx, row)
	})
}

// User reads one user.
func (s *Store) User(ctx context.Context, id string) (idp.User, error) {
	var row userRow
	err := s.reader(ctx).Where("id = ?", id).Take(&row).Error
	return row.user(), found(err, "user")
}

// UserByEmail reads the user of a population whose address folds to the same key.
func (s *Store) UserByEmail(ctx context.Context, population, email string) (idp.User, error) {
	var row userRow
	err := s.reader(ctx).Where("population_id = ? AND email_key = ?", population, idp.EmailKey(email)).Take(&row).Error
	return row.user(), found(err, "user")
}

// MarkPasswordByMail records that a link in a mail has set a user's password just now:
// the address is theirs, and the mailbox is no second step beside it.
func (s *Store) MarkPasswordByMail(ctx context.Context, userID string, at time.Time) error {
	return once(s.writer(ctx).Model(&userRow{}).Where("id = ?", userID).
		UpdateColumns(map[string]any{"password_by_mail_at": at, "email_verified": true}), "user", idp.ErrNotFound)
}

// MarkEmailVerified records that what was mailed to a user has come back: the address is
// theirs. It is theirs still, since another one ends what waits for a code.
func (s *Store) MarkEmailVerified(ctx context.Context, userID string) error {
	return written(s.writer(ctx).Model(&userRow{}).Where("id = ? AND NOT email_verified", userID).UpdateColumn("email_verified", true).Error, "user")
}

// MarkUnproved writes when a way into an account came about that is not known to be its
// owner's; the zero time takes that back.
func (s *Store) MarkUnproved(ctx context.Context, userID string, at time.Time) error {
	return once(s.writer(ctx).Model(&userRow{}).Where("id = ?", userID).UpdateColumn("unproved_at", orNull(at)), "user", idp.ErrNotFound)
}

// ForgetPasswordByMail takes that back, unless another mail set another password
// meanwhile.
func (s *Store) ForgetPasswordByMail(ctx context.Context, userID string, at time.Time) error {
	return written(s.writer(ctx).Model(&userRow{}).Where("id = ? AND password_by_mail_at = ?", userID, at).
		UpdateColumn("password_by_mail_at", nil).Error, "user")
}

// OfferPasskey records that a user is offered a passkey, unless they were since a moment: of two
// sign-ins at once, one offers it. idp.ErrUsed: they were.
func (s *Store) OfferPasskey(ctx context.Context, userID string, since, at time.Time) error {
	return once(s.writer(ctx).Model(&userRow{}).Where("id = ? AND (passkey_offered_at IS NULL OR passkey_offered_at <= ?)", userID, since).
		UpdateColumn("passkey_offered_at", at), "offer of a passkey", idp.ErrUsed)
}
