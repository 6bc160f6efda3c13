package store

import (
	"context"
	"database/sql"
	"reflect"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm/schema"

	"gatehouse/idp"
)

// OpenRequests is how many sign-ins may be open from one network.
const OpenRequests = openRequests

// RowColumn is a column as a row type of this package describes it.
type RowColumn struct {
	Name, Type string
	Null       bool
}

// RowColumns lists the columns of every row type, by table.
func RowColumns(t *testing.T) map[string][]RowColumn {
	t.Helper()
	tables := map[string][]RowColumn{}
	for _, row := range []schema.Tabler{
		activityRow{},
		tallyRow{},
		auditRow{},
		clientRow{},
		clientRoleRow{},
		factorRow{},
		recoverySetRow{},
		recoveryCodeRow{},
		flowRow{},
		grantRow{},
		signingKeyRow{},
		schemaNeedRow{},
		settingRow{},
		outboxRow{},
		linkRow{},
		emailCodeRow{},
		connectionRow{},
		identityRow{},
		upstreamLogoutRow{},
		usedIDRow{},
		pushedRow{},
		policySequenceRow{},
		overrideRow{},
		populationRow{},
		policyRow{},
		requestRow{},
		sessionRow{},
		throttleRow{},
		knownBrowserRow{},
		trustedBrowserRow{},
		reminderRow{},
		consentRow{},
		initialTokenRow{},
		registrationRow{},
		subjectRow{},
		passwordHistoryRow{},
		tokenRow{},
		serviceTokenRow{},
		deviceRow{},
		dpopProofRow{},
		userRow{},
		userWordRow{},
		roleRow{},
		userRoleRow{},
	} {
		parsed, err := schema.Parse(row, &schemas, schema.NamingStrategy{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range parsed.Fields {
			kind := columnType(f.IndirectFieldType)
			if f.Serializer != nil {
				kind = "TEXT" // JSON
			}
			c := RowColumn{Name: f.DBName, Type: kind, Null: f.FieldType.Kind() == reflect.Pointer}
			tables[row.TableName()] = append(tables[row.TableName()], c)
		}
	}
	return tables
}

func columnType(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[string]():
		return "TEXT"
	case reflect.TypeFor[int64]():
		return "BIGINT"
	case reflect.TypeFor[[]byte]():
		return "BYTEA"
	case reflect.TypeFor[bool]():
		return "BOOLEAN"
	case reflect.TypeFor[time.Time]():
		return "timestamp"
	}
	return "none for Go's " + t.String()
}

// Pools are the connections of a store: those that write, then those that read
// where they are others.
func Pools(s *Store) []*sql.DB { return s.pools }

// ClaimedLate counts the lease of a claim that began at a moment.
func (s *Store) ClaimedLate(ctx context.Context, list []Delivery, began time.Time, lease time.Duration) ([]Delivery, error) {
	return s.claimedLate(ctx, list, began, lease)
}

// Unavailable marks what a driver says, as everything that leaves the store is marked.
func Unavailable(err error) error {
	return unavailable(err)
}

// ExplainPeople and ExplainAudit are how PostgreSQL would read a page, if it may not
// read whole tables or collect rows out of order.
func ExplainPeople(t *testing.T, s *Store, q PeopleQuery) string {
	t.Helper()
	text, args := q.listSQL()
	if len(q.Words) > 0 {
		text, args = q.searchSQL(q.Words[0])
	}
	return explain(t, s, text, args)
}

// ExplainWithin does it for those who have a searched word within one of theirs.
func ExplainWithin(t *testing.T, s *Store, q PeopleQuery) string {
	t.Helper()
	text, args := q.searchSQL(idp.Within(q.Words[0]))
	return explain(t, s, text, args)
}

// ExplainAudit does it for the audit log.
func ExplainAudit(t *testing.T, s *Store, q AuditQuery) string {
	t.Helper()
	text, args := q.sql()
	return explain(t, s, text, args)
}

// ExplainSessions does it for living sessions.
func ExplainSessions(t *testing.T, s *Store, q SessionQuery) string {
	t.Helper()
	text, args := q.sql(idp.Now())
	return explain(t, s, text, args)
}

// ExplainPasskey does it for the owner of a passkey.
func ExplainPasskey(t *testing.T, s *Store, credentialID []byte) string {
	t.Helper()
	return explain(t, s, selectOwner, []any{[]byte("browser"), credentialHash(credentialID)})
}

func explain(t *testing.T, s *Store, text string, args []any) string {
	t.Helper()
	var lines []string
	err := s.Do(t.Context(), func(ctx context.Context) error {
		// Few rows would be fetched out of order and sorted, which says nothing of many.
		for _, way := range []string{"seqscan", "bitmapscan"} {
			if err := s.writer(ctx).Exec("SET LOCAL enable_" + way + " = off").Error; err != nil {
				return err
			}
		}
		return s.writer(ctx).Raw("EXPLAIN "+text, args...).Scan(&lines).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// Waiting is how many wait for SQLite's writer.
func (s *Store) Waiting() int {
	l := s.write.ConnPool.(*lanedPool).lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.others) + len(l.strangers)
}

// TryAgain has the next Ready try a write, however short ago the last one was.
func TryAgain(s *Store) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	s.health.tried, s.health.reconnected = time.Time{}, time.Time{}
}
