package manage_test

import (
	"errors"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/store"
)

// A service that may not list people asks two hundred times: the audit log says so in one
// row, with the count.
func TestAServiceThatIsRefusedAgainAndAgainIsOneRow(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		a := authz.Actor{Service: "robot", Permissions: []string{idp.PermissionKeys}}
		ctx := idp.WithVisit(t.Context(), &idp.Visit{Address: "192.0.2.1"})
		const n = 200
		for range n {
			if _, err := o.Roles.Roles(ctx, a); !errors.Is(err, authz.ErrForbidden) {
				t.Fatalf("refused with %v", err)
			}
		}
		events, err := o.db.AuditPage(ctx, store.AuditQuery{ActorID: "robot", Limit: 1000})
		idptest.Must(t, err)
		times := 0
		for _, e := range events {
			times += max(1, e.Times)
		}
		if len(events) > 2 || times != n { // the hour may turn meanwhile
			t.Errorf("%d rows count %d refusals", len(events), times)
		}
	})
}
