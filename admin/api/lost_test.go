package api_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// What nobody can read any more is no fault that asking again would mend.
func TestCodesWhoseKeyIsLostAreAConflict(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	u := o.someone(idp.Agents)
	set := idp.RecoverySet{ID: idp.NewID(), UserID: u.ID, CreatedAt: idp.Now()}
	code := idp.RecoveryCode{ID: idp.NewID(), SetID: set.ID, UserID: u.ID, MAC: []byte("mac"), Sealed: []byte("\x01lost" + strings.Repeat("x", 60))}
	idptest.Must(t, o.Store.ReplaceRecoveryCodes(t.Context(), set, []idp.RecoveryCode{code}))
	a := o.ask("all", "viewRecoveryCodes", "/users/"+u.ID+"/recovery-codes/view", object{"reason": "ticket 7"})
	want(t, "codes whose key is lost", a, http.StatusConflict, "conflict")
	if n := o.Audited(idp.AuditRecoveryViewed); n != 0 {
		t.Errorf("%d views are recorded of codes that nobody saw", n)
	}
}
