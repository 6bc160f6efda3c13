package store_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

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
