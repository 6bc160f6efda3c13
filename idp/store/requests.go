package store

import (
	"context"
	"time"

	"gatehouse/idp"
)

type requestRow struct {
	ID            string `gorm:"primaryKey"`
	BrowserHash   []byte
	ClientID      string
	RedirectURI   string `gorm:"column:redirect_uri"`
	Scope         string
	State         string
	Nonce         string
	CodeChallenge string
	ACRValues     string `gorm:"column:acr_values"`
	MaxAge        int64
	Since         *time.Time
	HintUserID    string
	LoginHint     string
	Choose        bool
	UILocales     string `gorm:"column:ui_locales"`
	CreatedAt     time.Time
	ExpiresAt     time.Time
	DoneAt        *time.Time
	Network       string
}

func (requestRow) TableName() string { return "requests" }

func (r requestRow) request() idp.Request {
	values := fromWords(r.ACRValues)
	demand := idp.Demand{MaxAge: idp.NoMaxAge, Since: orZero(r.Since), UserID: r.HintUserID, Choose: r.Choose}
	for _, v := range values {
		demand.ACRValues = append(demand.ACRValues, idp.ACR(v))
	}
	if r.MaxAge >= 0 {
		demand.MaxAge = duration(r.MaxAge)
	}
	return idp.Request{
		ID: r.ID, BrowserHash: r.BrowserHash, ClientID: r.ClientID, RedirectURI: r.RedirectURI,
		Scopes: fromWords(r.Scope), State: r.State, Nonce: r.Nonce, CodeChallenge: r.CodeChallenge,
		Demand: demand, LoginHint: r.LoginHint, UILocales: r.UILocales,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}
}

// CreateRequest stores an authorization request that was checked.
func (s *Store) CreateRequest(ctx context.Context, r idp.Request) error {
	var values []string
	for _, v := range r.Demand.ACRValues {
		values = append(values, string(v))
	}
	maxAge := int64(-1)
	if r.Demand.MaxAge >= 0 {
		maxAge = seconds(r.Demand.MaxAge)
	}
	network := idp.VisitFrom(ctx).Network()
	err := written(s.writer(ctx).Create(&requestRow{
		ID: r.ID, BrowserHash: r.BrowserHash, ClientID: r.ClientID, RedirectURI: r.RedirectURI,
		Scope: words(r.Scopes), State: r.State, Nonce: r.Nonce, CodeChallenge: r.CodeChallenge,
		ACRValues: words(values), MaxAge: maxAge, Since: orNull(r.Demand.Since), HintUserID: r.Demand.UserID,
		LoginHint: r.LoginHint, Choose: r.Demand.Choose, UILocales: r.UILocales, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, Network: network,
	}).Error, "request")
	if err != nil || s.requests.Add(1)%boundEvery != 0 {
		return err
	}
	return s.boundRequests(ctx, network)
}

// openRequests is how many sign-ins that nobody has gone on with may be open from one
// network: as many as an office behind one address begins in half an hour. Beyond, the
// oldest make room: their pages say that they timed out, and nobody is kept out.
const openRequests = 2000

// boundEvery is at which of its requests a process looks after the bound.
const boundEvery = 64

// boundRequests removes the oldest open requests of a network beyond openRequests, but
// none in which somebody has proved anything.
func (s *Store) boundRequests(ctx context.Context, network string) error {
	return written(s.writer(ctx).Exec(`DELETE FROM requests WHERE id IN (
		SELECT id FROM requests r WHERE network = ? AND done_at IS NULL AND NOT EXISTS (
			SELECT 1 FROM flows f WHERE f.request_id = r.id AND (f.user_id <> '' OR f.version > 1))
		ORDER BY created_at DESC LIMIT 1000 OFFSET ?)`, network, openRequests).Error, "request")
}

// Request reads an authorization request, answered or not.
func (s *Store) Request(ctx context.Context, id string) (idp.Request, error) {
	var row requestRow
	err := s.reader(ctx).Where("id = ?", id).Take(&row).Error
	return row.request(), found(err, "request")
}

// FinishRequest marks a request as answered. idp.ErrUsed: it was before, and one
// request gets one code.
func (s *Store) FinishRequest(ctx context.Context, id string, at time.Time) error {
	return once(s.writer(ctx).Model(&requestRow{}).
		Where("id = ? AND done_at IS NULL", id).
		UpdateColumn("done_at", at), "request", idp.ErrUsed)
}
