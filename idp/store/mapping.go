package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"gatehouse/idp"
	"gatehouse/idp/settings"
)

// found turns GORM's "record not found" into the vocabulary's.
func found(err error, what string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return fmt.Errorf("%s: %w", what, idp.ErrNotFound)
	}
	if noText(err) {
		return fmt.Errorf("%s: %w", what, idp.ErrNotFound)
	}
	return fmt.Errorf("read %s: %w", what, unavailable(err))
}

// noText tells whether PostgreSQL refused a value because it is no text: with a
// zero byte, or no UTF-8. No row has such a value.
func noText(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "22021"
}

// written turns a duplicate key into idp.ErrConflict, and a reference to a row that was
// deleted meanwhile into idp.ErrNotFound.
func written(err error, what string) error {
	if err == nil {
		return nil
	}
	if noText(err) {
		return fmt.Errorf("write %s: %w: it is no text", what, idp.ErrInvalid)
	}
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return fmt.Errorf("write %s: %w", what, idp.ErrConflict)
	}
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		return fmt.Errorf("write %s: what it refers to: %w", what, idp.ErrNotFound)
	}
	return fmt.Errorf("write %s: %w", what, unavailable(err))
}

// once reads the outcome of a conditional write: no row changed means that another was
// there before.
func once(r *gorm.DB, what string, lost error) error {
	if r.Error != nil {
		return written(r.Error, what)
	}
	if r.RowsAffected == 0 {
		return fmt.Errorf("%s: %w", what, lost)
	}
	return nil
}

// orNull stores the zero time as NULL.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// orZero reads NULL as the zero time.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func seconds(d time.Duration) int64  { return int64(d / time.Second) }
func duration(s int64) time.Duration { return time.Duration(s) * time.Second }
func words(list []string) string     { return strings.Join(list, " ") }
func fromWords(s string) []string    { return strings.Fields(s) }

func jsonList(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	b, _ := json.Marshal(list) // strings always marshal
	return string(b)
}

func fromJSONList(s string) ([]string, error) {
	var list []string
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, fmt.Errorf("read a stored list: %w", err)
	}
	return list, nil
}

func encodeHashes(hashes [][]byte) string {
	list := make([]string, len(hashes))
	for i, h := range hashes {
		list[i] = base64.StdEncoding.EncodeToString(h)
	}
	return jsonList(list)
}

func decodeHashes(s string) ([][]byte, error) {
	list, err := fromJSONList(s)
	if err != nil {
		return nil, err
	}
	hashes := make([][]byte, len(list))
	for i, text := range list {
		if hashes[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("read a stored hash: %w", err)
		}
	}
	return hashes, nil
}

// proofJSON is how a proof is stored: times as microseconds, exact and short.
type proofJSON struct {
	Method   idp.Method `json:"m"`
	At       int64      `json:"t"`
	AMR      []string   `json:"amr,omitempty"`
	Evidence idp.ACR    `json:"acr,omitempty"`
	ByMail   bool       `json:"mail,omitempty"`
	Via      string     `json:"via,omitempty"`
	Local    bool       `json:"local,omitempty"`
	CanProve idp.ACR    `json:"can,omitempty"`
	Upstream int64      `json:"up,omitempty"`
	Issuer   string     `json:"iss,omitempty"`
	Subject  string     `json:"sub,omitempty"`
	Version  int64      `json:"v,omitempty"`
	Undated  bool       `json:"undated,omitempty"`
	Verified bool       `json:"uv,omitempty"`
}

func encodeProofs(proofs []idp.Proof) string {
	list := make([]proofJSON, len(proofs))
	for i, p := range proofs {
		list[i] = proofJSON{
			Method: p.Method, At: p.At.UnixMicro(), AMR: p.AMR, Evidence: p.Evidence, ByMail: p.ByMail,
			Via: p.Via, Issuer: p.Issuer, Local: p.LocalStep, CanProve: p.CanProve, Subject: p.Subject, Version: p.Version,
			Undated: p.Undated, Verified: p.Verified,
		}
		if !p.UpstreamAt.IsZero() {
			list[i].Upstream = p.UpstreamAt.UnixMicro()
		}
	}
	b, _ := json.Marshal(list) // plain strings and integers always marshal
	return string(b)
}

func decodeProofs(s string) ([]idp.Proof, error) {
	var list []proofJSON
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, fmt.Errorf("read stored proofs: %w", err)
	}
	proofs := make([]idp.Proof, len(list))
	for i, p := range list {
		proofs[i] = idp.Proof{
			Method: p.Method, At: time.UnixMicro(p.At).UTC(), AMR: p.AMR, Evidence: p.Evidence, ByMail: p.ByMail,
			Via: p.Via, Issuer: p.Issuer, LocalStep: p.Local, CanProve: p.CanProve, Subject: p.Subject, Version: p.Version,
			Undated: p.Undated, Verified: p.Verified,
		}
		if p.Upstream != 0 {
			proofs[i].UpstreamAt = time.UnixMicro(p.Upstream).UTC()
		}
	}
	return proofs, nil
}

var schemas sync.Map

// The descriptions whose fields lie in settings columns, which each read of a grant reads:
// making one anew takes longer than reading the column.
var (
	clientFields = settings.Client()
	brandFields  = settings.Brand()
)

// columns lists a row's columns for a join, each as "alias.column AS
// prefix_column" with the alias as prefix, from the row's type, so that a
// SELECT can never lag behind it.
func columns(row any, alias string) string {
	parsed, err := schema.Parse(row, &schemas, schema.NamingStrategy{})
	if err != nil {
		panic(fmt.Sprintf("store: row %s: %v", reflect.TypeOf(row), err)) // a mistake in this package
	}
	list := make([]string, len(parsed.DBNames))
	for i, name := range parsed.DBNames {
		list[i] = alias + "." + name + " AS " + alias + "_" + name
	}
	return strings.Join(list, ", ")
}

// namesAndValues lists the columns of a row and what it has in them, for statements
// that GORM cannot make.
func namesAndValues(ctx context.Context, row any) (names []string, values []any) {
	parsed, err := schema.Parse(row, &schemas, schema.NamingStrategy{})
	if err != nil {
		panic(fmt.Sprintf("store: row %s: %v", reflect.TypeOf(row), err)) // a mistake in this package
	}
	v := reflect.ValueOf(row).Elem()
	for _, name := range parsed.DBNames {
		value, _ := parsed.FieldsByDBName[name].ValueOf(ctx, v)
		names, values = append(names, name), append(values, value)
	}
	return names, values
}
