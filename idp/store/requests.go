package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

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
	Asked         string
}

// asked is what requests hold that no statement looks up, counts or joins by.
type asked struct {
	ResponseMode idp.ResponseMode `json:"response_mode,omitempty"`
	Resource     string           `json:"resource,omitempty"`
	Pushed       []byte           `json:"pushed,omitempty"`
	WasPushed    bool             `json:"was_pushed,omitempty"`
	// Claims are as a grant keeps them.
	Claims   string `json:"claims,omitempty"`
	Consent  bool   `json:"consent,omitempty"`
	UserCode string `json:"user_code,omitempty"`
	JKT      string `json:"dpop_jkt,omitempty"`
	Subject  string `json:"subject,omitempty"`
}

func (requestRow) TableName() string { return "requests" }

func (r requestRow) request() (idp.Request, error) {
	values := fromWords(r.ACRValues)
	demand := idp.Demand{MaxAge: idp.NoMaxAge, Since: orZero(r.Since), UserID: r.HintUserID, Choose: r.Choose}
	for _, v := range values {
		demand.ACRValues = append(demand.ACRValues, idp.ACR(v))
	}
	if r.MaxAge >= 0 {
		demand.MaxAge = duration(r.MaxAge)
	}
	var more asked
	err := json.Unmarshal([]byte(r.Asked), &more)
	demand.Consent, demand.Subject = more.Consent, more.Subject
	return idp.Request{
		ID: r.ID, BrowserHash: r.BrowserHash, ClientID: r.ClientID, RedirectURI: r.RedirectURI,
		Scopes: fromWords(r.Scope), State: r.State, Nonce: r.Nonce, CodeChallenge: r.CodeChallenge,
		ResponseMode: more.ResponseMode, Resource: more.Resource, Pushed: more.Pushed, WasPushed: more.WasPushed, Claims: askedClaims(more.Claims), UserCode: more.UserCode, JKT: more.JKT, Demand: demand,
		LoginHint: r.LoginHint, UILocales: r.UILocales,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}, err
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
	more, err := json.Marshal(asked{ResponseMode: r.ResponseMode, Resource: r.Resource, Pushed: r.Pushed, WasPushed: r.WasPushed, Claims: claimWords(r.Claims), Consent: r.Demand.Consent, UserCode: r.UserCode, JKT: r.JKT, Subject: r.Demand.Subject})
	if err != nil {
		return fmt.Errorf("encode a request: %w", err)
	}
	network := idp.VisitFrom(ctx).Network()
	row := openedRow{Row: requestRow{
		ID: r.ID, BrowserHash: r.BrowserHash, ClientID: r.ClientID, RedirectURI: r.RedirectURI,
		Scope: words(r.Scopes), State: r.State, Nonce: r.Nonce, CodeChallenge: r.CodeChallenge,
		ACRValues: words(values), MaxAge: maxAge, Since: orNull(r.Demand.Since), HintUserID: r.Demand.UserID,
		LoginHint: r.LoginHint, Choose: r.Demand.Choose, UILocales: r.UILocales, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt,
		Network: network, Asked: string(more),
	}}
	err = written(s.writer(ctx).Clauses(countOpen).Create(&row).Error, "request")
	if err != nil || row.Open < openRequests+openMargin {
		return err
	}
	return s.boundRequests(ctx, network)
}

// openedRow is a request as it is stored, with how many of its network are open then.
type openedRow struct {
	Row  requestRow `gorm:"embedded"`
	Open int64      `gorm:"->"`
}

func (openedRow) TableName() string { return requestRow{}.TableName() }

// openRequests is how many sign-ins without progress may be open from one network: as many
// as an office behind one address begins in a quarter of an hour. Beyond, the oldest make
// room: their pages start again by themselves. They make room for openMargin at a time, so
// that a crowd removes some with every 64th request and not with each.
const (
	openRequests = 2000
	openMargin   = 64
)

// countOpen has the statement that stores a request say how many are open.
var countOpen = clause.Returning{Columns: []clause.Column{{Raw: true, Name: fmt.Sprintf(`(SELECT COUNT(*) FROM (
	SELECT 1 FROM requests o WHERE o.network = requests.network AND o.done_at IS NULL LIMIT %d) AS counted) AS open`, openRequests+openMargin)}}}

// boundRequests removes the oldest open requests of a network beyond openRequests, but
// none in which something was proved: such a one lives as long as its request.
func (s *Store) boundRequests(ctx context.Context, network string) error {
	text := `DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE id IN (
		SELECT id FROM requests r WHERE network = ? AND done_at IS NULL AND NOT EXISTS (
			SELECT 1 FROM flows f WHERE f.request_id = r.id AND f.expires_at >= r.expires_at)
		ORDER BY created_at DESC LIMIT 1000 OFFSET ?)`
	if s.dialect == "postgres" {
		text += " FOR UPDATE SKIP LOCKED" // another request removes those just now: two would wait for each other
	}
	return written(s.writer(ctx).Exec(text+")", network, openRequests).Error, "request")
}

// Request reads an authorization request, answered or not.
func (s *Store) Request(ctx context.Context, id string) (idp.Request, error) {
	var row requestRow
	err := s.reader(ctx).Where("id = ?", id).Take(&row).Error
	if err := found(err, "request"); err != nil {
		return idp.Request{}, err
	}
	return row.request()
}

// FinishRequest marks a request as answered. idp.ErrUsed: it was before, and one
// request gets one code.
func (s *Store) FinishRequest(ctx context.Context, id string, at time.Time) error {
	return once(s.writer(ctx).Model(&requestRow{}).
		Where("id = ? AND done_at IS NULL", id).
		UpdateColumn("done_at", at), "request", idp.ErrUsed)
}
