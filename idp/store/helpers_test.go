package store_test

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp/idptest"
)

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// expectOneWinner races fn on a database; all but one call must fail with lost.
func expectOneWinner(t *testing.T, lost error, fn func(ctx context.Context, i int) error) {
	t.Helper()
	winners := 0
	for _, err := range idptest.Race(contenders, func(i int) error { return fn(t.Context(), i) }) {
		switch {
		case err == nil:
			winners++
		case !errors.Is(err, lost):
			t.Errorf("a call fails with %v, want %v", err, lost)
		}
	}
	if winners != 1 {
		t.Errorf("%d of %d calls won, want one", winners, contenders)
	}
}

const contenders = 50

// expectSame compares what was read with what was written. No list and an empty
// one are the same to a row.
func expectSame(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("written (-) and read (+) differ: %s", diff)
	}
}

// expectFull fails where a field has its zero value: a sample with it could not
// tell whether the field is stored.
func expectFull(t *testing.T, sample any, except ...string) {
	t.Helper()
	v := reflect.ValueOf(sample)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() && !slices.Contains(except, name) {
			t.Errorf("the sample of %T has nothing in %s", sample, name)
		}
		if v.Field(i).Kind() == reflect.Struct && v.Field(i).Type() != reflect.TypeFor[time.Time]() {
			expectFull(t, v.Field(i).Interface(), except...)
		}
	}
}

// expectError fails unless err is the one wanted.
func expectError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}
