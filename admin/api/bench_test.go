package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
)

// BenchmarkOverhead compares requests with the operations under them: what the API
// adds to its statements is to be at most a millisecond.
func BenchmarkOverhead(b *testing.B) {
	o := open(b, idptest.Migrated(b))
	u := o.someone(idp.Agents)
	for range 50 {
		o.someone(idp.Contacts)
	}
	actor := func() authz.Actor {
		a, err := o.Manage.Authz.ActorOfRoles(b.Context(), o.tokens["all"].Roles)
		idptest.Must(b, err)
		return a
	}
	for name, c := range map[string]struct {
		method, path, body string
		operation          func() error
	}{
		"getUser": {"GET", "/users/" + u.ID, "", func() error {
			_, err := o.Manage.People.UserDetail(b.Context(), actor(), u.ID)
			return err
		}},
		"listUsers": {"GET", "/users?population=contacts&limit=50", "", func() error {
			_, _, err := o.Manage.People.Users(b.Context(), actor(), people.UserQuery{Population: idp.Contacts, Limit: 50})
			return err
		}},
		"previewMFAPolicy": {"POST", "/populations/agents/mfa-policy/preview", `{"authenticator":true,"email_code":false,"issuer_label":"Portal"}`, func() error {
			_, err := o.Manage.Populations.PreviewPolicy(b.Context(), actor(), idp.Agents, idp.Policy{Authenticator: true})
			return err
		}},
	} {
		b.Run(name, func(b *testing.B) {
			var requests, operations time.Duration
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), c.method, "/sso"+api.Base+c.path, strings.NewReader(c.body))
				r.Header.Set("Authorization", "Bearer all")
				if c.body != "" {
					r.Header.Set("Content-Type", "application/json")
				}
				w := httptest.NewRecorder()
				begin := idp.Now()
				o.engine.ServeHTTP(w, r)
				half := idp.Now()
				err := c.operation()
				requests, operations = requests+half.Sub(begin), operations+idp.Now().Sub(half)
				if w.Code != http.StatusOK || err != nil {
					b.Fatal(w.Code, w.Body, err)
				}
			}
			b.ReportMetric(float64((requests-operations).Microseconds())/float64(b.N), "µs-overhead/op")
		})
	}
}
