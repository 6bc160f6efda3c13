package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"gatehouse/idp"
)

// credentialJSON is what of a passkey never changes.
type credentialJSON struct {
	ID         []byte   `json:"id"`
	Key        []byte   `json:"key"`
	AAGUID     []byte   `json:"aaguid,omitempty"`
	Synced     bool     `json:"synced,omitempty"`
	Attested   bool     `json:"attested,omitempty"`
	Transports []string `json:"transports,omitempty"`
}

// passkeyColumns are those of a passkey's factor.
type passkeyColumns struct {
	// CredentialHash is NULL where there is none: no two factors have the same.
	CredentialHash *[]byte
	Credential     string
	SignCount      int64
	BackedUp       bool
}

// credentialHash is what a passkey is found by: ids have up to 1023 bytes.
func credentialHash(id []byte) []byte {
	sum := sha256.Sum256(id)
	return sum[:]
}

func ofPasskey(p *idp.Passkey) (c passkeyColumns) {
	if p == nil {
		return c
	}
	b, _ := json.Marshal(credentialJSON{p.CredentialID, p.PublicKey, p.AAGUID, p.Synced, p.Attested, p.Transports}) // bytes and texts always marshal
	hash := credentialHash(p.CredentialID)
	return passkeyColumns{CredentialHash: &hash, Credential: string(b), SignCount: int64(p.SignCount), BackedUp: p.BackedUp}
}

func (c passkeyColumns) passkey() (*idp.Passkey, error) {
	if c.Credential == "" {
		return nil, nil
	}
	var kept credentialJSON
	if err := json.Unmarshal([]byte(c.Credential), &kept); err != nil {
		return nil, fmt.Errorf("read a passkey: %w", err)
	}
	return &idp.Passkey{
		CredentialID: kept.ID, PublicKey: kept.Key, AAGUID: kept.AAGUID, Synced: kept.Synced, Attested: kept.Attested,
		Transports: kept.Transports, SignCount: uint32(c.SignCount), BackedUp: c.BackedUp, // written from one
	}, nil
}

type ownerJoin struct {
	Known  bool
	Factor factorRow `gorm:"embedded;embeddedPrefix:f_"`
	User   userRow   `gorm:"embedded;embeddedPrefix:u_"`
}

var selectOwner = "SELECT " + columns(factorRow{}, "f") + ", " + columns(userRow{}, "u") + `,
	EXISTS (SELECT 1 FROM known_browsers k WHERE k.user_id = u.id AND k.browser_hash = ? AND k.authenticator) AS known
	FROM factors f JOIN users u ON u.id = f.user_id WHERE f.credential_hash = ?`

// PasskeyOwner finds a passkey by its credential id, and whose it is, in one statement. known:
// they proved as much in a browser before.
func (s *Store) PasskeyOwner(ctx context.Context, credentialID, browserHash []byte) (f idp.Factor, u idp.User, known bool, err error) {
	var row ownerJoin
	if err := s.reader(ctx).Raw(selectOwner, notNil(browserHash), credentialHash(credentialID)).Take(&row).Error; err != nil {
		return f, u, false, found(err, "passkey")
	}
	f, err = row.Factor.factor()
	return f, row.User.user(), row.Known, err
}

// UsePasskey notes a use of a passkey: its counter, whether it is backed up, and when. Of uses
// with one counter, one changes the row. idp.ErrUsed: a use with this counter or a later one
// was noted before, of a key that cannot be copied; or it was disabled or removed meanwhile.
func (s *Store) UsePasskey(ctx context.Context, f idp.Factor, count uint32, backedUp bool, at time.Time) error {
	return once(s.writer(ctx).Model(&factorRow{}).
		Where("id = ? AND disabled_at IS NULL AND (? OR sign_count < ? OR sign_count = 0 AND ? = 0)", f.ID, f.Passkey.Synced, int64(count), int64(count)).
		UpdateColumns(map[string]any{"sign_count": int64(count), "backed_up": backedUp, "last_used_at": at}), "passkey", idp.ErrUsed)
}
