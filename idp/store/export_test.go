package store

import (
	"database/sql"
	"reflect"
	"testing"
	"time"

	"gorm.io/gorm/schema"
)

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
		auditRow{},
		clientRow{},
		factorRow{},
		recoverySetRow{},
		recoveryCodeRow{},
		flowRow{},
		grantRow{},
		signingKeyRow{},
		settingRow{},
		outboxRow{},
		emailCodeRow{},
		policySequenceRow{},
		overrideRow{},
		populationRow{},
		policyRow{},
		requestRow{},
		sessionRow{},
		throttleRow{},
		knownBrowserRow{},
		tokenRow{},
		userRow{},
		roleRow{},
		userRoleRow{},
	} {
		parsed, err := schema.Parse(row, &schemas, schema.NamingStrategy{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range parsed.Fields {
			c := RowColumn{Name: f.DBName, Type: columnType(f.IndirectFieldType), Null: f.FieldType.Kind() == reflect.Pointer}
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

// SealedColumns are the columns that EachSealed visits, as table.column.
func SealedColumns() []string {
	var names []string
	for _, c := range sealedColumns {
		names = append(names, c.table+"."+c.column)
	}
	return names
}
